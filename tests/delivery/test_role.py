"""The role as it runs: a thread for each destination, real processes that are killed, and the ways in which it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.receivers import PATIENCE_S, Received, Reply, receiver
from tests.delivery.stand import Stand, destination, numbers
from tests.delivery.triggers import DAY_MS, secret_of
from tests.service.bench import FaultyLog
from worker.delivery.role import Deliveries, opened_destinations
from worker.errors import ConfigurationError
from worker.log.errors import LogFull, MemberReplaced
from worker.service.clock import SystemClock
from worker.service.patience import Patience
from worker.service.telemetry.specification import LABELS, METRICS, PREFIX
from worker.service.topics import needed
from worker.settings import Settings

ROOT = Path(__file__).parents[2]


def begun(stand: Stand, log: Any = None) -> Deliveries:
    patience = Patience(stand.clock, stand.happened, lambda: stand.stop.asked)
    return Deliveries(log or stand.log, stand.settings, "m", stand.clock, stand.happened, patience)


@contextmanager
def delivering(stand: Stand, log: Any = None) -> Iterator[Deliveries]:
    deliveries = begun(stand, log)
    try:
        yield deliveries
    finally:
        deliveries.close()


def until(deliveries: Deliveries, done: Callable[[], bool]) -> None:
    """Look after the threads until something holds."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not done():
        deliveries.turn(0.02)
        assert time.monotonic() < deadline_s


def test_a_destination_that_hangs_holds_up_nobody_but_itself_and_is_finished_at_the_end() -> None:
    with receiver(lambda *_: Reply(held=True)) as slow, receiver() as quick:
        stand = Stand({"slow": destination(slow, concurrency=1), "quick": destination(quick, rate=10_000.0)}, queue=5)
        with delivering(stand) as deliveries:
            for first in range(0, 60, 20):
                stand.fire(*((number, f"u{number}") for number in range(first, first + 20)))
                until(deliveries, lambda count=first + 20: len(quick.received) == count)  # type: ignore[misc]
            until(deliveries, lambda: stand.committed("quick") == {0: 60} and len(slow.received) == 1)
            assert stand.committed("slow") == {0: 0}
            slow.let_go.set()
        assert len(slow.received) == stand.committed("slow")[0] >= 1  # what was under way at the end counts, and nothing was begun after it


def test_metrics_of_every_destination_are_there_from_the_beginning() -> None:
    with receiver() as one:
        stand = Stand({"shop": destination(one)})
        with delivering(stand) as deliveries:
            stand.fire((1, "a"))
            until(deliveries, lambda: stand.fates() == {"delivered": 1})
            families = {family.name: family for family in stand.metrics.registry.collect()}
        told = [spec for spec in METRICS if spec.part == "delivery"]
        assert len(told) == 11
        for spec in told:
            samples = families[PREFIX + spec.name.removesuffix("_total")].samples
            assert {sample.labels["destination"] for sample in samples} == {"shop"}
            for label in spec.labels[1:]:
                assert {sample.labels[label] for sample in samples} == set(LABELS[label].values)


def test_the_loops_thread_learns_what_a_destinations_thread_has_died_of() -> None:
    with receiver() as one:
        stand = Stand({"shop": destination(one)})
        with delivering(stand) as deliveries:
            until(deliveries, lambda: bool(stand.happenings("partitions shared out")))
            other = stand.courier()
            with pytest.raises(MemberReplaced):
                until(deliveries, lambda: False)
            other.close()


def test_a_commit_that_fails_at_the_end_is_not_passed_over() -> None:
    with receiver(lambda *_: Reply(held=True)) as one:
        stand = Stand({"shop": destination(one)})
        stand.fire((1, "a"))
        deliveries = begun(stand, FaultyLog(stand.log, stand.faults))
        until(deliveries, lambda: len(one.received) == 1)
        stand.faults["commit"] = [LogFull("no room")]
        stand.stop.asked = True
        one.let_go.set()
        with pytest.raises(LogFull):
            deliveries.close()
        assert stand.committed() == {0: 0}


def test_who_delivers_needs_the_topic_of_triggers() -> None:
    topic = Settings().topics.triggers
    assert not needed(topic, Settings())
    assert needed(topic, Settings.model_validate({"service": {"roles": ["deliver"]}}))


@pytest.mark.parametrize(
    ("destinations", "says"),
    [
        ({}, "no destination"),
        ({"shop": {"url": "https://shop.example/", "secret": secret_of("a"), "enabled": False}}, "no destination"),
        ({"shop": {"url": "https://shop.example/", "secret_file": "nowhere"}}, "No such file"),
        ({"shop": {"url": "https://shop.example/", "secret": secret_of("a"), "ca_file": "nowhere"}}, "No such file"),
        ({"shop": {"url": "https://shop.example/", "secret_file": __file__}}, "begins with whsec_"),
    ],
)
def test_what_cannot_be_opened_is_said_before_anything_runs(destinations: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refusal:
        opened_destinations(Settings.model_validate({"destinations": destinations}))
    assert refusal.value.exit_code == 78


def test_a_destination_names_rules_that_exist() -> None:
    table = {"url": "https://shop.example/", "secret": secret_of("a"), "rules": ["hury"]}
    with pytest.raises(ValueError, match="names 'hury', which is no rule: there are hurry"):
        Settings.model_validate({"destinations": {"shop": table}, "triggers": {"hurry": {"when": "purchase.p > 0.2"}}})
    assert Settings.model_validate({"destinations": {"shop": table}}).destinations["shop"].rules == ("hury",)


# ---- a process that dies


def test_a_process_killed_between_sending_and_commit_sends_the_same_id_again_and_loses_nothing(tmp_path: Path) -> None:
    """The receiver has taken the third trigger for good, and the process dies before it learns of that."""

    def answer(number: int, _: Received) -> Reply:
        if number == 2:
            process.kill()
        return Reply()

    with receiver(answer) as shop:
        stand = Stand({"shop": destination(shop)}, path=tmp_path / "log")
        now_ms = SystemClock().now_ms()
        stand.fire(*((number, f"u{number}") for number in range(6)), time_ms=now_ms, expires_ms=now_ms + 400 * DAY_MS)
        command = [sys.executable, str(Path(__file__).with_name("delivering.py")), str(tmp_path / "log"), shop.url, secret_of("a")]
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
        try:
            shop.wait_for(3)
            assert process.wait(PATIENCE_S) == -signal.SIGKILL
        finally:
            process.kill()
            process.wait(PATIENCE_S)
        committed = stand.committed()[0]
        assert committed <= 2
        courier = stand.courier()  # under the dead one's name
        stand.drain(courier)
        courier.close()
        stand.log.close()
        taken = numbers(shop)
        assert taken[2] == 2
        assert sorted(taken) == sorted([*range(3), *range(committed, 6)])
