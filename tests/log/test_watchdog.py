"""The time limit for calls that have none."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.log.forms import PATIENCE_S
from worker.log.kafka.watchdog import Overrun, Watchdog

ROOT = Path(__file__).parents[2]
STUCK = """
import threading
from worker.log.kafka.watchdog import Overrun, Watchdog
try:
    Watchdog("stuck", 1).call(threading.Event().wait)
except Overrun:
    print("overrun")
"""


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What a stuck call waits for."""
    event = threading.Event()
    yield event
    event.set()


def test_a_call_in_time_gives_its_result_and_the_next_can_be_made() -> None:
    watchdog = Watchdog("results", PATIENCE_S * 1000)
    assert [watchdog.call(partial(pow, number, 2)) for number in range(3)] == [0, 1, 4]
    watchdog.close()


def test_an_error_reaches_the_caller_and_the_next_call_can_be_made() -> None:
    watchdog = Watchdog("errors", PATIENCE_S * 1000)
    with pytest.raises(ZeroDivisionError):
        watchdog.call(lambda: 1 // 0)
    assert watchdog.call(lambda: "still there") == "still there"
    watchdog.close()


def test_all_calls_run_on_one_thread_of_its_own_that_ends_with_it() -> None:
    watchdog = Watchdog("its own", PATIENCE_S * 1000)
    threads = {watchdog.call(threading.current_thread) for _ in range(3)}
    (thread,) = threads
    assert thread is not threading.current_thread()
    assert (thread.name, thread.daemon) == ("its own", True)
    watchdog.close()
    assert not thread.is_alive()


def test_an_overrun_is_raised_and_nothing_can_be_called_after_it(released: threading.Event) -> None:
    watchdog = Watchdog("overrun", 20)
    with pytest.raises(Overrun, match="no end after"):
        watchdog.call(released.wait)
    called: list[int] = []
    with pytest.raises(Overrun, match="an earlier call"):
        watchdog.call(lambda: called.append(1))
    watchdog.close()
    assert not called


def test_the_thread_of_a_stuck_call_ends_when_the_call_does(released: threading.Event) -> None:
    threads: list[threading.Thread] = []

    def stick() -> None:
        threads.append(threading.current_thread())
        released.wait()

    watchdog = Watchdog("stuck", 20)
    with pytest.raises(Overrun):
        watchdog.call(stick)
    watchdog.close()  # does not wait for it
    assert threads[0].is_alive()
    released.set()
    threads[0].join(PATIENCE_S)
    assert not threads[0].is_alive()


def test_a_stuck_call_does_not_hold_up_the_exit_of_the_program() -> None:
    ended = subprocess.run([sys.executable, "-c", STUCK], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "overrun\n", "")


def test_nothing_of_a_call_is_kept() -> None:
    class Thing:
        pass

    watchdog = Watchdog("forgetful", PATIENCE_S * 1000)
    thing = Thing()
    kept = weakref.ref(thing)
    watchdog.call(partial(repr, thing))
    watchdog.call(lambda: None)  # the thread has taken its hands off the call before by now
    del thing
    assert kept() is None
    watchdog.close()
