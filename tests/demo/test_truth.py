"""The truth tables against futures that really were drawn, and against what follows from their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.demo.outcomes import outcomes
from worker.demo.behaviour import DAY_MS, HOUR_MS, KINDS, SLOT_MS, WEEK_MS, after_wait, behaviour, season, settled, week_position_ms
from worker.demo.truth import TARGETS, truth_tables, work_out
from worker.demo.walk import Crowd

MONDAY_MS = 1_740_960_000_000
CUSTOMERS = 12_000
SIGMAS = 4.5

kinds = st.integers(0, len(KINDS) - 1)
times_ms = st.integers(MONDAY_MS, MONDAY_MS + 5 * WEEK_MS)


def drawn(kind: int, state: int, time_ms: int, seed: int) -> NDArray[np.float64]:
    crowd = Crowd(np.full(CUSTOMERS, kind), np.random.default_rng(seed))
    crowd.place(np.arange(CUSTOMERS), np.full(CUSTOMERS, state), np.full(CUSTOMERS, time_ms))
    return np.asarray(outcomes(crowd, time_ms).mean(axis=0), dtype=np.float64)


@pytest.mark.parametrize("state", ["fresh/start", "fresh/view", "known/keen_view", "known/cart_view", "known/payment", "known/purchase", "known/refund"])
@pytest.mark.parametrize(("kind", "offset_ms"), [(0, 3 * HOUR_MS + 777_777), (5, 5 * DAY_MS + 19 * HOUR_MS), (8, 6 * DAY_MS + 23 * HOUR_MS + 1_234_567)])
def test_the_tables_say_how_often_it_happens(kind: int, offset_ms: int, state: str) -> None:
    place, time_ms = behaviour().index[state], MONDAY_MS + offset_ms
    true = truth_tables().at(np.array([kind]), np.array([place]), np.array([time_ms]))[0]
    seen = drawn(kind, place, time_ms, seed=kind * 1000 + place)
    deviation = np.sqrt(true * (1 - true) / CUSTOMERS) + 2e-4 / SIGMAS  # a probability of one in 10,000 may not show at all
    assert np.all(np.abs(seen - true) < SIGMAS * deviation), dict(zip(TARGETS, zip(seen, true, strict=True), strict=True))


@pytest.mark.parametrize("state", ["known/payment", "known/cart_view"])
def test_a_refund_within_the_window_takes_the_purchase_back(state: str) -> None:
    """Among customers who send most of it back, both ways of counting agree, and few keep what they bought."""
    generous = behaviour(refunds=60.0)
    place, time_ms = generous.index[state], MONDAY_MS + 2 * DAY_MS
    true = work_out(generous).at(np.array([8]), np.array([place]), np.array([time_ms]))[0]
    crowd = Crowd(np.full(CUSTOMERS, 8), np.random.default_rng(5), generous)
    crowd.place(np.arange(CUSTOMERS), np.full(CUSTOMERS, place), np.full(CUSTOMERS, time_ms))
    seen = outcomes(crowd, time_ms).mean(axis=0)
    assert np.all(np.abs(seen - true) < SIGMAS * np.sqrt(true * (1 - true) / CUSTOMERS) + 2e-4)
    kept = truth_tables().at(np.array([8]), np.array([place]), np.array([time_ms]))[0]
    assert true[0] < 0.7 * kept[0]


def test_every_table_is_a_probability_and_the_week_closes() -> None:
    tables = truth_tables().tables
    assert tables.min() >= -1e-9
    assert tables.max() <= 1 + 1e-9
    np.testing.assert_array_equal(tables[..., 0], tables[..., -1])
    gone = tables[:, :, behaviour().index["gone"]]
    np.testing.assert_allclose(gone, np.broadcast_to(np.array([0.0, 0.0, 1.0])[:, None, None], gone.shape), atol=1e-9)


@given(kinds, st.integers(0, len(behaviour().names) - 1), times_ms, st.integers(-3, 3))
def test_the_truth_depends_on_the_time_of_the_week_alone(kind: int, state: int, time_ms: int, weeks: int) -> None:
    at = np.array([time_ms, time_ms + weeks * WEEK_MS])
    first, second = truth_tables().at(np.array([kind, kind]), np.array([state, state]), at)
    np.testing.assert_array_equal(first, second)


@given(kinds, st.integers(0, len(behaviour().names) - 1), times_ms)
def test_the_truth_has_no_step_at_a_half_hour(kind: int, state: int, time_ms: int) -> None:
    edge_ms = time_ms - week_position_ms(np.array([time_ms]))[0] % SLOT_MS
    at = np.array([edge_ms - 1, edge_ms])
    before, after = truth_tables().at(np.array([kind, kind]), np.array([state, state]), at)
    np.testing.assert_allclose(before, after, atol=1e-5)


def test_every_chain_leads_somewhere_with_all_of_its_chance() -> None:
    chain = behaviour()
    total = chain.jumps.sum(axis=-1)
    np.testing.assert_allclose(total[:, : chain.index["gone"]], 1.0, atol=1e-12)
    assert np.all(total[:, chain.index["gone"]] == 0)
    assert np.all(chain.rates[:, : chain.index["gone"]] > 0)
    assert np.all(chain.jumps >= 0)


@given(times_ms, st.floats(0, 20 * DAY_MS), st.floats(0, 20 * DAY_MS))
def test_waits_add_up(time_ms: int, first_ms: float, second_ms: float) -> None:
    start = np.array([time_ms])
    at_once = after_wait(start, np.array([first_ms + second_ms]))
    in_two = after_wait(after_wait(start, np.array([first_ms])), np.array([second_ms]))
    slowest = 1 / season().min()  # a millisecond lost to rounding may be many of a quiet night
    assert abs(int(at_once[0] - in_two[0])) <= 2 + 2 * slowest


@given(times_ms, st.integers(0, 5))
def test_a_whole_week_of_waiting_is_a_week(time_ms: int, weeks: int) -> None:
    end = after_wait(np.array([time_ms]), np.array([weeks * float(WEEK_MS)]))
    assert abs(int(end[0]) - time_ms - weeks * WEEK_MS) <= 1 / season().min() + 1


def test_evenings_are_busier_than_nights_and_the_season_means_one() -> None:
    assert season().mean() == pytest.approx(1.0)
    assert season()[2 * 19] > 4 * season()[2 * 3]


@given(st.floats(DAY_MS, 400 * DAY_MS))
def test_those_who_came_before_are_somewhere_and_fewer_the_longer_ago(mean_age_ms: float) -> None:
    here, later = settled(mean_age_ms), settled(2 * mean_age_ms)
    assert np.all(here >= -1e-12)
    assert np.all(here.sum(axis=1) <= 1 + 1e-9)
    assert np.all(here.sum(axis=1) > 0)
    assert np.all(later.sum(axis=1) <= here.sum(axis=1) + 1e-9)
