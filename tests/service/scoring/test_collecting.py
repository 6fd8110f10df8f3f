"""How long a turn collects, and how often it asks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.service.bench import Clock, settings_of
from worker.log.contract import Polled, Record, TopicPartition
from worker.service.scoring.collecting import ROUND_TRIP_S, collect

EVENTS = TopicPartition("events", 0)


class Source:
    """A log in which one event is written every `every_s`; a poll takes a millisecond, or waits for the next event."""

    def __init__(self, every_s: float, backlog: int = 0) -> None:
        self.clock, self.every_s, self.read = Clock(), every_s, 0
        self.began_s = self.clock.at_s - backlog * every_s
        self.asked: list[tuple[int, float]] = []

    def poll(self, limit: int, timeout_s: float) -> Polled:
        self.asked.append((limit, timeout_s))
        due_s = self.began_s + self.read * self.every_s
        if due_s > self.clock.at_s + timeout_s:
            self.clock.at_s += timeout_s
            return Polled()
        self.clock.at_s = max(due_s, self.clock.at_s + 0.001)
        until = min(self.read + limit, int((self.clock.at_s - self.began_s) / self.every_s + 1e-6) + 1)
        records = [Record("events", 0, offset, b"user", b"", (), 0) for offset in range(self.read, until)]
        self.read = until
        return Polled({EVENTS: records})

    def turn(self, turn_wait: str, wait_s: float = 0.5) -> Sequence[int]:
        self.asked.clear()
        service = settings_of(service={"turn_events": 1_000, "turn_wait": turn_wait}).service
        return [record.offset for record in collect(self.poll, self.clock, service, wait_s).records.get(EVENTS, [])]


def test_events_that_come_singly_are_asked_for_a_few_times_a_turn_and_none_waits_longer_than_it_may() -> None:
    source = Source(every_s=0.001)
    seen: list[int] = []
    for _ in range(20):
        began_s = source.clock.at_s
        seen += source.turn("10 ms")
        assert len(source.asked) <= 4  # and not ten
        assert source.clock.at_s - began_s <= 0.012
    assert seen == list(range(len(seen)))
    assert len(seen) >= 200


def test_a_backlog_is_read_without_a_nap() -> None:
    source = Source(every_s=0.000_01, backlog=5_000)
    assert source.turn("10 ms") == list(range(1_000))
    assert source.clock.slept_s == []


def test_no_nap_keeps_a_member_from_its_group_for_long() -> None:
    source = Source(every_s=0.1)
    assert len(source.turn("2 s")) >= 19
    assert max(source.clock.slept_s) == pytest.approx(0.05)


def test_a_wait_that_is_shorter_than_a_round_trip_is_not_slept_through() -> None:
    source = Source(every_s=0.000_5)
    source.turn(f"{ROUND_TRIP_S * 500:g} ms")
    assert source.clock.slept_s == []
    assert len(source.asked) > 1


def test_a_silent_log_is_asked_once_and_for_as_long_as_the_caller_waits() -> None:
    source = Source(every_s=60.0)
    source.read = 1
    assert source.turn("10 ms", wait_s=0.25) == []
    assert source.asked == [(1_000, 0.25)]
