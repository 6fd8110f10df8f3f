"""The watermark: which events may move it, with and without a clock."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.shops import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, cuts
from worker.core.event_time.watermark import HELD_LIMIT, PATIENCE, UNSET, Admitted, Watermark

Arrivals = list[tuple[str, int]]  # user and time
ORDINARY: Arrivals = [("a", START_MS), ("b", START_MS + 1)]
YEAR_MS = 365 * DAY_MS


def watermark() -> Watermark:
    return Watermark(jump_ms=DAY_MS, allowed_lateness_ms=DAY_MS, future_tolerance_ms=5 * MINUTE_MS)


def replay(mark: Watermark, events: Arrivals) -> Admitted:
    """All at once, positions being indices into `events`."""
    return mark.admit([user for user, _ in events], np.array([time_ms for _, time_ms in events], dtype=np.int64), None)


def in_turns(mark: Watermark, events: Arrivals, sizes: list[int]) -> list[tuple[str, int, int]]:
    """Verdicts with the index of the event, in the order given, turn by turn as the pipeline does it: the waiting stand before the new."""
    out: list[tuple[str, int, int]] = []
    waiting: list[int] = []
    position = 0
    for size in sizes:
        batch = [*waiting, *range(position, min(position + size, len(events)))]
        for place, held in enumerate(mark.held):
            held.position = place
        times = np.array([events[i][1] for i in batch], dtype=np.int64)
        out += verdicts(mark.admit([events[i][0] for i in batch], times, None, start=len(waiting)), batch)
        waiting = [batch[held.position] for held in mark.held]
        position += size
    for place, held in enumerate(mark.held):
        held.position = place
    return out + verdicts(mark.finish(np.array([events[i][1] for i in waiting], dtype=np.int64)), waiting)


def verdicts(admitted: Admitted, batch: list[int]) -> list[tuple[str, int, int]]:
    taken = [("taken", batch[i], reached_ms) for i, reached_ms in zip(admitted.order.tolist(), admitted.watermark_ms.tolist(), strict=True)]
    return [*taken, *(("late", batch[i], 0) for i in admitted.late), *(("future", batch[i], 0) for i in admitted.future)]


gaps = st.sampled_from([0, 1, HOUR_MS, DAY_MS, DAY_MS + 1, 3 * DAY_MS, -HOUR_MS, -DAY_MS, -DAY_MS - 1, YEAR_MS, -YEAR_MS])


@given(st.lists(st.tuples(st.sampled_from("abc"), gaps), max_size=30), st.randoms(use_true_random=False))
def test_a_verdict_does_not_depend_on_how_the_events_were_cut(steps: Arrivals, chance: random.Random) -> None:
    events, time_ms = [], START_MS + 2 * YEAR_MS
    for user, gap_ms in steps:
        events.append((user, time_ms + gap_ms))
        time_ms += gap_ms if 0 <= gap_ms < 4 * DAY_MS else 0
    whole = sorted(in_turns(watermark(), events, [len(events)]))
    assert sorted(in_turns(watermark(), events, cuts(chance, len(events), 4))) == whole
    assert sorted(index for _, index, _ in whole) == list(range(len(events)))


@given(st.lists(st.tuples(st.sampled_from("abc"), gaps), max_size=30))
def test_the_watermark_never_falls_and_no_event_is_ahead_of_it(steps: Arrivals) -> None:
    mark, reached = watermark(), UNSET
    for user, gap_ms in steps:
        for admitted in (replay(mark, [(user, START_MS + YEAR_MS + gap_ms)]),):
            assert all(reached_ms >= reached for reached_ms in admitted.watermark_ms.tolist())
            assert mark.value >= reached
            reached = mark.value


def test_one_event_alone_never_moves_it() -> None:
    mark = watermark()
    admitted = replay(mark, [*ORDINARY, ("c", START_MS + YEAR_MS), ("c", START_MS + YEAR_MS + 1), ("a", START_MS + HOUR_MS)])
    assert admitted.order.tolist() == [0, 1, 4]
    assert admitted.watermark_ms.tolist() == [START_MS, START_MS + 1, START_MS + HOUR_MS]
    assert len(mark.held) == 2


def test_another_user_confirms_a_jump() -> None:
    mark = watermark()
    admitted = replay(mark, [*ORDINARY, ("c", START_MS + YEAR_MS), ("a", START_MS + YEAR_MS - DAY_MS), ("b", START_MS + HOUR_MS)])
    assert admitted.order.tolist() == [0, 1, 2, 3]
    assert admitted.late == [4]
    assert mark.value == START_MS + YEAR_MS


def test_two_wrong_clocks_that_disagree_confirm_nothing() -> None:
    mark = watermark()
    admitted = replay(mark, [*ORDINARY, ("c", START_MS + YEAR_MS), ("a", START_MS + YEAR_MS + DAY_MS + 1), ("b", START_MS + 2)])
    assert admitted.order.tolist() == [0, 1, 4]
    assert mark.value == START_MS + 2


def test_a_jump_that_time_catches_up_with_is_taken() -> None:
    mark = watermark()
    admitted = replay(mark, [*ORDINARY, ("c", START_MS + 2 * DAY_MS), ("a", START_MS + DAY_MS)])
    assert admitted.order.tolist() == [0, 1, 3, 2]
    assert mark.value == START_MS + 2 * DAY_MS


def test_a_jump_that_nobody_confirms_is_refused_after_a_while() -> None:
    mark = watermark()
    admitted = replay(mark, [*ORDINARY, ("c", START_MS + YEAR_MS), *[("a", START_MS + 2)] * PATIENCE])
    assert admitted.future == [2]
    assert mark.held == []


def test_only_so_many_may_wait() -> None:
    mark = watermark()
    jumps = [("c", START_MS + YEAR_MS * (2 + n)) for n in range(HELD_LIMIT + 3)]
    admitted = replay(mark, [*ORDINARY, jumps[0], ("a", START_MS + 2), *jumps[1:]])
    assert admitted.future == [2, 4, 5][: len(admitted.future)]
    assert len(mark.held) <= HELD_LIMIT


@pytest.mark.parametrize("begun", [False, True])
def test_time_moves_on_where_nothing_but_later_events_comes(begun: bool) -> None:
    """A partition's first user with a long visit; or the first order after closed days, of many lines."""
    visit = [("c", START_MS + 9 * DAY_MS + n) for n in range(3 * HELD_LIMIT)]
    found = in_turns(watermark(), [*(ORDINARY if begun else []), *visit], [2, *[7] * 50])
    assert {verdict for verdict, _, _ in found} == {"taken"}
    assert len(found) == len(visit) + 2 * begun


def test_a_shop_with_a_user_every_other_day_is_read() -> None:
    events = [(f"u{n}", START_MS + 2 * n * DAY_MS) for n in range(3 * HELD_LIMIT)]
    found = in_turns(watermark(), events, [5] * 40)
    assert [index for verdict, index, _ in found if verdict == "taken"] == list(range(len(events) - 1))
    assert found[-1][:2] == ("future", len(events) - 1)  # nobody came after


def test_a_file_of_one_user_is_read() -> None:
    found = in_turns(watermark(), [("a", START_MS + n * 3 * DAY_MS) for n in range(20)], [20])
    assert [verdict for verdict, _, _ in found] == ["taken"] * 20


def test_the_end_of_the_input_refuses_a_last_event_from_the_future() -> None:
    found = in_turns(watermark(), [*ORDINARY, ("a", START_MS + YEAR_MS)], [3])
    assert [verdict for verdict, _, _ in found] == ["taken", "taken", "future"]


@pytest.mark.parametrize(("behind_ms", "late"), [(DAY_MS, False), (DAY_MS + 1, True)])
def test_the_allowed_lateness_is_counted_from_the_watermark(behind_ms: int, late: bool) -> None:
    mark = watermark()
    replay(mark, ORDINARY)
    assert replay(mark, [("c", mark.value - behind_ms)]).late == ([0] if late else [])


@pytest.mark.parametrize(("ahead_ms", "refused"), [(5 * MINUTE_MS, False), (5 * MINUTE_MS + 1, True)])
def test_live_the_clock_decides(ahead_ms: int, refused: bool) -> None:
    mark = watermark()
    times = np.array([START_MS, START_MS + ahead_ms, START_MS + 1], dtype=np.int64)
    admitted = mark.admit(["a"] * 3, times, START_MS)
    assert admitted.future == ([1] if refused else [])
    assert mark.value == (START_MS + 1 if refused else START_MS + ahead_ms)
    assert mark.held == []


def test_who_waited_in_a_replay_is_judged_by_the_clock_once_there_is_one() -> None:
    mark = watermark()
    replay(mark, [("a", START_MS)])
    admitted = mark.admit(["a", "b"], np.array([START_MS, START_MS + 9 * DAY_MS], dtype=np.int64), START_MS + 9 * DAY_MS, start=1)
    assert admitted.order.tolist() == [0, 1]
    assert mark.held == []


def test_idle_time_moves_it_by_as_much_as_passed() -> None:
    mark = watermark()
    mark.advance(HOUR_MS)
    assert mark.value == UNSET
    replay(mark, ORDINARY)
    mark.advance(HOUR_MS)
    assert mark.value == START_MS + 1 + HOUR_MS
