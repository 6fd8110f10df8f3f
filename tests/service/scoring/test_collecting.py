"""When a turn begins, how long it collects, and how often it asks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.service.bench import Clock, settings_of
from worker.log.contract import Polled, Record, TopicPartition
from worker.service.scoring.collecting import FETCH_S, NAP_S, Collector

EVENTS = TopicPartition("events", 0)
POLL_S = 0.001
LIMIT = 1_000


class Source:
    """A log that events are written to at given times; a poll takes a millisecond, or waits for the next event. And who collects from it."""

    def __init__(self, times_s: Iterable[float], turn_wait: str = "20 ms") -> None:
        self.clock = Clock()
        self.times_s = [self.clock.at_s + time_s for time_s in times_s]
        self.read = 0
        self.asked: list[tuple[int, float]] = []
        self.collector = Collector(self.poll, self.clock, settings_of(service={"turn_events": LIMIT, "turn_wait": turn_wait}).service)

    def poll(self, limit: int, timeout_s: float) -> Polled:
        self.asked.append((limit, timeout_s))
        due_s = self.times_s[self.read] if self.read < len(self.times_s) else float("inf")
        if due_s > self.clock.at_s + timeout_s:
            self.clock.at_s += timeout_s
            return Polled()
        self.clock.at_s = max(due_s, self.clock.at_s + POLL_S)
        until = min(self.read + limit, bisect_right(self.times_s, self.clock.at_s))
        records = [Record("events", 0, offset, b"user", b"", (), 0) for offset in range(self.read, until)]
        self.read = until
        return Polled({EVENTS: records})

    def turn(self, work_s: float = 0.0, wait_s: float = 0.2) -> Sequence[int]:
        """What is collected by a turn that is then worked on for work_s."""
        self.asked.clear()
        offsets = [record.offset for record in self.collector.collect(wait_s).records.get(EVENTS, [])]
        self.clock.at_s += work_s
        return offsets


def every(step_s: float, count: int = 10_000) -> Iterable[float]:
    return (number * step_s for number in range(count))


def test_where_events_come_singly_turns_begin_a_wait_apart_and_each_asks_once() -> None:
    source = Source(every(0.001))
    source.turn(work_s=0.012)
    for _ in range(20):
        began_s = source.clock.at_s - 0.012
        assert len(source.turn(work_s=0.012)) in (20, 21, 22)
        assert len(source.asked) == 1
        assert source.clock.at_s - 0.012 - began_s == pytest.approx(0.020 + POLL_S)


def test_a_turn_that_took_longer_than_the_wait_is_followed_by_the_next_at_once() -> None:
    source = Source(every(0.001))
    for _ in range(20):
        assert len(source.turn(work_s=0.030)) <= 32
        assert len(source.asked) == 1
    assert source.clock.slept_s == []


def test_the_first_event_after_a_silence_is_worked_on_at_once() -> None:
    source = Source([0.0, 1.0])
    assert source.turn(work_s=0.9) == [0]
    assert source.turn() == []  # a round trip, no more
    assert source.turn() == [1]
    assert source.clock.slept_s == []
    assert source.clock.at_s == source.times_s[1]


def test_a_backlog_is_read_without_a_nap() -> None:
    source = Source([0.0] * 5_000)
    assert source.turn() == list(range(LIMIT))
    assert source.turn() == list(range(LIMIT, 2 * LIMIT))
    assert source.clock.slept_s == []


def test_many_events_are_asked_for_until_no_more_are_there() -> None:
    source = Source([*every(0.000_1, 300), *every(0.000_1, 100)])
    source.clock.at_s += 0.030
    assert len(source.turn()) == 400
    assert [wait_s for _, wait_s in source.asked] == [0.2, 0.0]
    assert source.clock.slept_s == []


def test_no_nap_keeps_a_member_from_its_group_for_long() -> None:
    source = Source(every(0.1), turn_wait="2 s")
    source.turn()
    assert len(source.turn()) in (19, 20, 21)
    assert max(source.clock.slept_s) == pytest.approx(NAP_S)


def test_a_silent_log_is_asked_once_and_for_as_long_as_the_caller_waits() -> None:
    source = Source([])
    assert source.turn(wait_s=0.25) == []
    assert source.asked == [(LIMIT, 0.25)]


def test_changes_of_the_assignment_in_several_polls_are_told_together() -> None:
    one, other = TopicPartition("events", 1), TopicPartition("events", 2)
    many = [Record("events", 0, offset, b"user", b"", (), 0) for offset in range(LIMIT // 2)]
    answers = [Polled({EVENTS: many}, frozenset({one}), skipped={EVENTS: 3}), Polled({}, frozenset({other}), frozenset({one}), {EVENTS: 4})]
    collector = Collector(lambda _limit, _wait_s: answers.pop(0), Clock(), settings_of(service={"turn_events": LIMIT}).service)
    assert collector.collect(0.2) == Polled({EVENTS: many}, frozenset({one, other}), frozenset({one}), {EVENTS: 7})
    assert answers == []


@given(
    gaps_s=st.lists(st.sampled_from([0.0, 0.000_1, 0.001, 0.03, 0.7]), min_size=1, max_size=400),
    work_s=st.sampled_from([0.001, 0.012, 0.05]),
    turn_wait_ms=st.sampled_from([1, 15, 200]),
)
def test_every_event_is_collected_once_in_order_and_never_waits_longer_than_it_may(gaps_s: list[float], work_s: float, turn_wait_ms: int) -> None:
    times_s = [sum(gaps_s[: number + 1]) for number in range(len(gaps_s))]
    source, seen = Source(times_s, f"{turn_wait_ms} ms"), 0
    for _ in range(5_000):
        offsets = source.turn()
        assert list(offsets) == list(range(seen, seen + len(offsets)))
        for offset in offsets:  # the work on the turn before, the wait between turns, and the polls themselves
            assert source.clock.at_s - source.times_s[offset] <= work_s + turn_wait_ms / 1000 + 2 * FETCH_S + POLL_S
        seen += len(offsets)
        source.clock.at_s += work_s if offsets else 0.0
        if seen == len(times_s):
            return
    raise AssertionError(f"{seen} of {len(times_s)} events were collected")
