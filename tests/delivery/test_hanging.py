"""What hangs: each step of an exchange ends at the time limit, and a destination's thread that hangs or dies is noticed, told of, and begun anew."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.delivery.receivers import receiver
from tests.delivery.stand import Stand, destination
from tests.delivery.test_exchange import ALLOWED
from tests.delivery.test_role import begun, delivering, until
from worker.delivery import minding, role
from worker.delivery.role import DeliveryHangs, deliver_group
from worker.delivery.sending.exchange import Exchange
from worker.delivery.sending.lookup import system_lookup
from worker.endpoints.probes import ready
from worker.log.errors import LogUnavailable

ROUNDS = 100  # only reached when something is broken


class HeldLog:
    """A log of which one destination's polls do not return until they are let go."""

    def __init__(self, stand: Stand, name: str) -> None:
        self._log, self._group = stand.log, deliver_group(stand.settings, name)
        self.let_go = threading.Event()
        self.holding = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def turns(self, group: str, *args: Any, **more: Any) -> Any:
        turns = self._log.turns(group, *args, **more)
        if group == self._group:
            poll = turns.poll

            def held(limit: int, timeout_s: float) -> Any:
                self.holding.set()
                self.let_go.wait()
                return poll(limit, timeout_s)

            turns.poll = held  # type: ignore[method-assign]
        return turns


@contextmanager
def held(stand: Stand, name: str) -> Iterator[HeldLog]:
    log = HeldLog(stand, name)
    try:
        yield log
    finally:
        log.let_go.set()


def missing(stand: Stand) -> dict[str, Any]:
    """What readiness lacks."""
    stand.watch.progressed()
    found: dict[str, Any] = ready(stand.watch, stand.settings)["missing"]
    return found


def moved(deliveries: role.Deliveries, stand: Stand, done: Callable[[], bool], by_s: float = 1.0) -> None:
    """Move the clock as each of the other threads has come round since; until something holds."""

    def looked() -> bool:
        stand.clock.at_s += by_s
        return done()

    others = [minder for minder in deliveries._minders if minder.name != "slow"]
    for _ in range(ROUNDS):
        signs = [minder.signs for minder in others]
        until(deliveries, lambda: all(minder.signs > before for minder, before in zip(others, signs, strict=True)))  # noqa: B023 - called at once
        if looked():
            return
    raise AssertionError(stand.lines.getvalue()[-2000:])


# ---- an exchange


def test_a_name_whose_lookup_hangs_ends_at_the_time_limit_and_is_asked_for_once() -> None:
    answers, asked = threading.Event(), []

    def hanging(host: str, port: int) -> Any:
        asked.append(host)
        answers.wait()
        return system_lookup("127.0.0.1", port)

    with receiver() as one:
        exchange = Exchange(f"http://shop.example:{one.port}/", ALLOWED, 0.2, lookup=hanging)
        assert [exchange.post({}, b"x").trouble for _ in range(2)] == ["name not looked up in time"] * 2
        assert asked == ["shop.example"]
        assert one.connections == 0
        answers.set()
        patient = Exchange(f"http://shop.example:{one.port}/", ALLOWED, 30.0, lookup=hanging)
        assert patient.post({}, b"x").status == 204
        patient.close()


def test_a_lookup_that_fails_is_made_anew_the_next_time() -> None:
    def failing(*_: Any) -> Any:
        asked.append(1)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    asked: list[int] = []
    exchange = Exchange("http://shop.example/", ALLOWED, 30.0, lookup=failing)
    assert [exchange.post({}, b"x").trouble for _ in range(2)] == ["name not found: Name or service not known"] * 2
    assert len(asked) == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_takes_the_connection_and_says_nothing_ends_at_the_time_limit(scheme: str) -> None:
    """With TLS that is the handshake, without it the answer."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        exchange = Exchange(f"{scheme}://127.0.0.1:{mute.getsockname()[1]}/", ALLOWED, 0.2)
        assert exchange.post({}, b"x").trouble == "no answer in time"


# ---- a destination's thread


def test_a_fault_of_the_program_ends_no_other_destination_and_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minding, "FIRST_PAUSE_S", 0.01)
    with receiver() as slow, receiver() as quick:
        stand = Stand({"slow": destination(slow), "quick": destination(quick)})
        with delivering(stand, Breaking(stand, "slow", times=2)) as deliveries:
            stand.fire((1, "a"), (2, "b"))
            until(deliveries, lambda: len(slow.received) == len(quick.received) == 2)
            failed = stand.happenings("destination failed")
            assert [(line["destination"], line["error"], line["at"].split(",")[0]) for line in failed] == [("slow", "KeyError", "test_hanging.py")] * 2
            assert stand.gauge("delivery_failures_total", "slow") == 2
            assert "u17" not in stand.lines.getvalue()  # an error's text may name users
            assert "ended by KeyError (test_hanging.py, line" in missing(stand)["destinations"]
            began_s = stand.clock.now_ms() / 1000
            moved(deliveries, stand, lambda: bool(stand.happenings("destination works again")), by_s=20)
            until(deliveries, lambda: missing(stand) == {})
            assert (stand.gauge("delivery_last_progress_timestamp_seconds", "slow") or 0.0) >= began_s + minding.PROVED_S


class Breaking:
    """A log of which one destination's polls fail for a reason that nobody foresaw."""

    def __init__(self, stand: Stand, name: str, times: int) -> None:
        self._log, self._group, self._times = stand.log, deliver_group(stand.settings, name), times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def turns(self, group: str, *args: Any, **more: Any) -> Any:
        turns = self._log.turns(group, *args, **more)
        if group == self._group and self._times:
            self._times -= 1

            def broken(*_: Any) -> Any:
                raise KeyError("u17")

            turns.poll = broken  # type: ignore[method-assign, assignment]
        return turns


def test_a_fault_at_the_end_is_told_and_not_tried_again() -> None:
    with receiver() as one:
        stand = Stand({"slow": destination(one)})
        with held(stand, "slow") as log:
            deliveries = begun(stand, log)
            assert log.holding.wait()
            deliveries._stopping.set()
            stand.happened.deliveries_progressed = broken  # type: ignore[method-assign, assignment]
            log.let_go.set()
            with pytest.raises(ZeroDivisionError):
                deliveries.close()


def broken(*_: Any) -> None:
    raise ZeroDivisionError


def test_a_thread_that_hangs_is_told_of_and_ends_the_worker_while_others_finish() -> None:
    with receiver() as slow, receiver() as quick:
        stand = Stand({"slow": destination(slow), "quick": destination(quick)}, endpoint={"port": 0, "stalled_after": "8 s"})
        with held(stand, "slow") as log:
            deliveries = begun(stand, log)
            stand.fire((1, "a"))
            until(deliveries, lambda: len(quick.received) == 1)
            assert log.holding.wait()
            assert missing(stand)["destinations"] == "slow: its thread has not come round yet"
            stand.clock.at_s += 1_000  # nobody looked meanwhile: the process stood still as a whole
            deliveries.turn(0.0)
            moved(deliveries, stand, lambda: bool(stand.happenings("destination silent")))
            assert [line["destination"] for line in stand.happenings("destination silent")] == ["slow"]
            assert missing(stand)["destinations"].startswith("slow: its thread has given no sign of life for 2 s, at worker/service/patience.py, line")
            with pytest.raises(DeliveryHangs, match=r"delivers to slow has given no sign of life for 8 s\n  where: destinations.slow, at worker/service/"):
                moved(deliveries, stand, lambda: False)
            deliveries.close()
            assert stand.committed("quick") == {0: 1}


def test_a_log_that_is_away_is_no_hanging_thread() -> None:
    with receiver() as one:
        stand = Stand({"shop": destination(one)}, endpoint={"port": 0, "stalled_after": "8 s"})
        log = Away(stand)
        with delivering(stand, log) as deliveries:
            for _ in range(20):
                tries = log.tries
                until(deliveries, lambda tries=tries: log.tries > tries)  # type: ignore[misc]
                stand.clock.at_s += 1
                deliveries.turn(0.0)
            assert not stand.happenings("destination silent")
            log.away = False
            stand.fire((1, "a"))
            until(deliveries, lambda: stand.committed() == {0: 1})
            assert missing(stand) == {}


class Away:
    """A log that cannot be polled for now."""

    def __init__(self, stand: Stand) -> None:
        self._log, self.away, self.tries = stand.log, True, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def turns(self, *args: Any, **more: Any) -> Any:
        turns = self._log.turns(*args, **more)
        poll = turns.poll

        def away(limit: int, timeout_s: float) -> Any:
            self.tries += 1
            if self.away:
                raise LogUnavailable("away")
            return poll(limit, timeout_s)

        turns.poll = away  # type: ignore[method-assign]
        return turns


def test_the_end_does_not_wait_for_a_thread_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as one:
        stand = Stand({"slow": destination(one, timeout="1 ms")})
        with held(stand, "slow") as log:
            monkeypatch.setattr(role, "LEAVE_S", -minding.FINISH_S)
            deliveries = begun(stand, log)
            assert log.holding.wait()
            with pytest.raises(DeliveryHangs, match="delivers to slow does not end"):
                deliveries.close()
