"""Outages told from closed days by one rule: shops that never close, shops that do, and what neither the cut nor a restart may change."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker.core.event_time.outage import DAY_MS, HOUR_MS, OutageDetector

START_MS = 19_723 * DAY_MS  # Monday 1 January 2024
Times = NDArray[np.int64]


def shop(days: int, an_hour: float, open_hours: tuple[int, int] = (0, 24), closed_weekdays: tuple[int, ...] = (), seed: int = 1) -> Times:
    """Event times of a shop with so many events an open hour."""
    rng = np.random.default_rng(seed)
    times: list[Times] = []
    for day in range(days):
        if day % 7 in closed_weekdays:
            continue
        first, last = open_hours
        count = rng.poisson(an_hour * (last - first))
        times.append(np.sort(START_MS + day * DAY_MS + rng.integers(first * HOUR_MS, last * HOUR_MS, count)))
    return np.concatenate(times)


def without(times: Times, from_ms: int, to_ms: int) -> Times:
    return times[(times < from_ms) | (times >= to_ms)]


def found(times: Times, cuts: int = 1) -> list[tuple[int, int]]:
    detector = OutageDetector(True)
    return [(outage.start_ms, outage.end_ms) for part in np.array_split(times, cuts) for outage in detector.observe(part)]


@pytest.mark.parametrize(("an_hour", "hours"), [(2_000.0, 1), (2_000.0, 24), (200.0, 24), (30.0, 24), (200.0, 120)])
def test_a_shop_that_never_closes_has_lost_its_collector(an_hour: float, hours: int) -> None:
    from_ms = START_MS + 20 * DAY_MS
    gap = found(without(shop(35, an_hour), from_ms, from_ms + hours * HOUR_MS))
    assert len(gap) == 1
    assert gap[0][0] <= from_ms
    assert gap[0][1] >= from_ms + hours * HOUR_MS
    assert gap[0][1] - gap[0][0] < hours * HOUR_MS + HOUR_MS


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(shop(60, 40.0, (8, 20)), id="nights"),
        pytest.param(shop(60, 40.0, (8, 20), (5,)), id="nights and Saturdays"),
        pytest.param(without(shop(90, 40.0, (8, 20), (5,)), START_MS + 50 * DAY_MS, START_MS + 61 * DAY_MS), id="and eleven days at Christmas"),
        pytest.param(shop(60, 0.3), id="few events a day"),
        pytest.param(np.concatenate([shop(30, 5.0), shop(60, 60.0)[len(shop(30, 60.0)) :]]), id="grown twelvefold"),
    ],
)
def test_what_is_normal_for_a_shop_is_no_outage(times: Times) -> None:
    assert found(times) == []


def test_nothing_is_an_outage_before_there_is_a_habit() -> None:
    assert found(np.array([START_MS, START_MS + 3 * DAY_MS, START_MS + 3 * DAY_MS + HOUR_MS])) == []


@settings(max_examples=5)
@given(st.integers(2, 400))
def test_the_cut_changes_nothing(cuts: int) -> None:
    times = without(shop(25, 20.0), START_MS + 15 * DAY_MS, START_MS + 16 * DAY_MS)
    assert found(times, cuts) == found(times) != []


@settings(max_examples=4)
@given(st.floats(0.05, 0.95))
def test_a_restored_detector_goes_on_as_the_live_one(share: float) -> None:
    times = without(shop(25, 20.0), START_MS + 15 * DAY_MS, START_MS + 16 * DAY_MS)
    cut = int(share * len(times))
    live, restored = OutageDetector(True), OutageDetector(True)
    live.observe(times[:cut])
    restored.restore(json.loads(json.dumps(live.state())))
    assert live.observe(times[cut:]) == restored.observe(times[cut:])
    assert live.state() == restored.state()


def test_windows_that_an_outage_cuts_are_told_from_those_it_does_not() -> None:
    from_ms = START_MS + 20 * DAY_MS
    detector = OutageDetector(True, [(START_MS + 2 * DAY_MS, START_MS + 3 * DAY_MS)])
    detector.observe(without(shop(35, 60.0), from_ms, from_ms + DAY_MS))
    opens = np.array([from_ms - 3 * DAY_MS, from_ms - 3 * DAY_MS, from_ms + DAY_MS + HOUR_MS, START_MS + DAY_MS])
    closes = np.array([from_ms - DAY_MS, from_ms + DAY_MS // 2, from_ms + 3 * DAY_MS, START_MS + 4 * DAY_MS])
    assert detector.overlaps(opens, closes).tolist() == [False, True, False, True]


def test_detection_can_be_turned_off_and_declared_outages_stay() -> None:
    from_ms = START_MS + 20 * DAY_MS
    detector = OutageDetector(False, [(START_MS, START_MS + DAY_MS)])
    assert detector.observe(without(shop(35, 60.0), from_ms, from_ms + DAY_MS)) == []
    assert detector.overlaps(np.array([START_MS, from_ms]), np.array([START_MS + HOUR_MS, from_ms + DAY_MS])).tolist() == [True, False]
