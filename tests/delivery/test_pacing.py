"""Waits after failures, Retry-After, the circuit breaker and the rate: all by a clock that the test moves."""

from __future__ import annotations

import random

import pytest

from worker.delivery.pacing.backoff import LONGEST_RETRY_AFTER_S, Backoff, retry_after_s
from worker.delivery.pacing.breaker import Breaker
from worker.delivery.pacing.gate import Gate

NOW_MS = 1_800_000_000_000  # Fri, 15 Jan 2027 08:00:00 GMT


def test_waits_grow_are_spread_over_their_whole_span_and_end_somewhere() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(5))
    for failures, most_s in ((1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (5_000, 60.0)):
        drawn = [backoff.wait_s(failures) for _ in range(400)]
        assert 0.0 <= min(drawn) < 0.05 * most_s
        assert 0.95 * most_s < max(drawn) <= most_s


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Fri, 15 Jan 2027 08:01:30 GMT", 90.0),
        ("Friday, 15-Jan-27 08:00:10 GMT", 10.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("Fri, 15 Jan 2027 08:01:30 -0000", 90.0),
        ("99999999999999999999", LONGEST_RETRY_AFTER_S),
        ("Fri, 15 Jan 2038 08:01:30 GMT", LONGEST_RETRY_AFTER_S),
        ("-5", None),
        ("soon", None),
        ("1.5", None),
        ("²", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, wait_s: float | None) -> None:
    assert retry_after_s(text, NOW_MS) == wait_s


def breaker_of(failures: int = 3) -> Breaker:
    return Breaker(failures, Backoff(10.0, 80.0, random.Random(3)))


def test_the_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = breaker_of()
    for trigger in "ab":
        breaker.failed(False, 0.0, trigger)
    breaker.succeeded(False)
    for trigger in "cdcdcdcd":  # two triggers, whatever may be wrong with them
        breaker.failed(False, 1.0, trigger)
        assert str(breaker.state) == "closed"
    breaker.failed(False, 1.0, "e")
    assert str(breaker.state) == "open"


def test_an_open_breaker_lets_one_through_after_its_pause_and_that_one_decides() -> None:
    breaker = breaker_of(1)
    breaker.failed(False, 100.0, "t")
    wait_s = breaker.wait_s(100.0)
    assert wait_s is not None
    assert 5.0 <= wait_s <= 10.0
    assert breaker.wait_s(100.0 + wait_s) == 0.0
    assert breaker.began() is True
    assert str(breaker.state) == "half_open"
    assert breaker.wait_s(500.0) is None
    breaker.succeeded(False)  # a late answer from before
    assert str(breaker.state) == "half_open"
    breaker.failed(True, 500.0, "t")
    assert str(breaker.state) == "open"
    again_s = breaker.wait_s(500.0)
    assert again_s is not None
    assert 10.0 <= again_s <= 20.0
    assert breaker.began() is True
    breaker.succeeded(True)
    assert str(breaker.state) == "closed"
    assert breaker.began() is False


def test_pauses_grow_up_to_the_longest_and_begin_anew_after_a_success() -> None:
    breaker, pauses = breaker_of(1), []
    breaker.failed(False, 0.0, "t")
    for _ in range(6):
        pauses.append(breaker.wait_s(0.0) or 0.0)
        breaker.began()
        breaker.failed(True, 0.0, "t")
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, (10, 20, 40, 80, 80, 80), strict=True))
    breaker.began()
    breaker.succeeded(True)
    breaker.failed(False, 0.0, "t")
    assert (breaker.wait_s(0.0) or 99.0) <= 10.0


def test_the_gate_holds_rate_and_concurrency() -> None:
    gate, begun, now_s = Gate(10.0, 3, breaker_of()), [], 50.0
    while now_s < 55.0:
        wait_s = gate.wait_s(now_s)
        if wait_s == 0.0:
            gate.began(now_s)
            gate.ended()
            begun.append(now_s)
        now_s += wait_s or 0.0
    assert len([at_s for at_s in begun if at_s < 51.0]) <= 20
    assert 50 <= len(begun) <= 60
    for _ in range(3):
        gate.began(60.0)
    assert gate.wait_s(99.0) is None
    gate.ended()
    assert gate.wait_s(99.0) == 0.0


def test_a_rate_below_one_a_second_is_kept_too() -> None:
    gate = Gate(0.1, 4, breaker_of())
    gate.began(0.0)
    assert gate.wait_s(0.0) == pytest.approx(10.0)


def test_the_gate_is_quiet_for_as_long_as_it_was_asked() -> None:
    gate = Gate(1_000.0, 4, breaker_of())
    gate.quiet(130.0)
    gate.quiet(110.0)
    assert gate.wait_s(100.0) == pytest.approx(30.0)
    assert gate.wait_s(130.0) == 0.0
