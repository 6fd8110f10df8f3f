"""Laws of the outage detector beside the shops: what is under way is confirmed, what repeats is a habit, what is late or declared changes nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker.core.event_time.outage import DAY_MS, HOUR_MS, MINUTE_MS, OutageDetector

START_MS = 19_723 * DAY_MS  # Monday 1 January 2024
Times = NDArray[np.int64]


def steady(days: int, step_ms: int, open_hours: tuple[int, int] = (0, 24)) -> Times:
    """Event times at an even step, in the open hours of every day."""
    times = START_MS + np.arange(0, days * DAY_MS, step_ms, dtype=np.int64)
    hour = times // HOUR_MS % 24
    return times[(hour >= open_hours[0]) & (hour < open_hours[1])]


def without(times: Times, *pieces: tuple[int, int]) -> Times:
    for low, high in pieces:
        times = times[(times < START_MS + low) | (times >= START_MS + high)]
    return times


def learned(times: Times) -> OutageDetector:
    detector = OutageDetector(True)
    detector.observe(times)
    return detector


ALWAYS_OPEN = learned(steady(16, 40_000)).state()
CLOSES_AT_NIGHT = learned(steady(16, 40_000, (8, 20))).state()


@settings(max_examples=60)
@given(st.sampled_from([ALWAYS_OPEN, CLOSES_AT_NIGHT]), st.integers(0, 600), st.integers(1, 6_000), st.integers(0, 6_000))
def test_an_outage_under_way_is_confirmed_by_the_next_event(state: dict[str, object], more: int, silent_minutes: int, later_minutes: int) -> None:
    detector = OutageDetector(True)
    detector.restore(state)
    open_ms = START_MS + 16 * DAY_MS + 8 * HOUR_MS
    detector.observe(open_ms + np.arange(more + 1, dtype=np.int64) * MINUTE_MS)
    last_ms = open_ms + more * MINUTE_MS
    watermark_ms = last_ms + silent_minutes * MINUTE_MS
    lasting = detector.under_way(watermark_ms)
    ended = detector.observe(np.array([watermark_ms + later_minutes * MINUTE_MS]))
    assert lasting is None or [(o.start_ms, o.end_ms) for o in ended] == [(last_ms, watermark_ms + later_minutes * MINUTE_MS)]


def test_a_day_under_way_voids_the_windows_that_end_in_it() -> None:
    detector = OutageDetector(True)
    detector.restore(ALWAYS_OPEN)
    end_ms = START_MS + 16 * DAY_MS
    window = np.array([end_ms - HOUR_MS]), np.array([end_ms + 10 * HOUR_MS])
    assert detector.overlaps(*window).tolist() == [False]
    assert detector.overlaps(*window, watermark_ms=end_ms + 11 * HOUR_MS).tolist() == [True]


def test_silence_at_night_is_never_under_way_where_nights_are_closed() -> None:
    detector = OutageDetector(True)
    detector.restore(CLOSES_AT_NIGHT)
    assert all(detector.under_way(START_MS + 15 * DAY_MS + 20 * HOUR_MS + hours * HOUR_MS) is None for hours in range(200))


def test_a_gap_at_the_same_hours_for_the_third_night_in_a_row_is_a_new_habit() -> None:
    nights = [(day * DAY_MS + 2 * HOUR_MS, day * DAY_MS + 9 * HOUR_MS) for day in range(12, 16)]
    found = OutageDetector(True).observe(without(steady(18, 30_000), *nights))
    assert [o.start_ms // DAY_MS - START_MS // DAY_MS for o in found] == [12, 13]


@given(st.lists(st.integers(0, 2 * DAY_MS), min_size=1, max_size=20))
def test_late_events_change_nothing(lateness_ms: list[int]) -> None:
    detector = OutageDetector(True)
    detector.restore(ALWAYS_OPEN)
    before = detector.state()
    newest_ms = int(str(before["newest_ms"]))
    assert detector.observe(np.array([newest_ms - late for late in lateness_ms])) == []
    assert detector.state() == before


def test_a_declared_outage_neither_alarms_nor_teaches_silence() -> None:
    gap = (12 * DAY_MS, 13 * DAY_MS)
    declared = OutageDetector(True, [(START_MS + gap[0], START_MS + gap[1])])
    assert declared.observe(without(steady(14, 30_000), gap)) == []
    assert declared.habit.rates.min() > 55


def test_old_outages_are_forgotten() -> None:
    detector = OutageDetector(True, keep_ms=3 * DAY_MS)
    detector.observe(without(steady(20, 30_000), (10 * DAY_MS, 11 * DAY_MS), (17 * DAY_MS + HOUR_MS, 18 * DAY_MS)))
    assert [o.start_ms // DAY_MS - START_MS // DAY_MS for o in detector.outages] == [17]


def test_an_outage_that_covers_less_than_the_least_share_does_not_cut_a_window() -> None:
    detector = OutageDetector(True, [(START_MS, START_MS + HOUR_MS)])
    start_ms, end_ms = np.array([START_MS, START_MS]), np.array([START_MS + 99 * HOUR_MS, START_MS + 101 * HOUR_MS])
    assert detector.overlaps(start_ms, end_ms).tolist() == [True, False]


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 99"):
        OutageDetector(True).restore({**ALWAYS_OPEN, "version": 99})
