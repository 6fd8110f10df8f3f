"""The laws of a scorecard: points add up, probabilities stay within bounds, and rows do not feel each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from worker.core.scoring.scorecard import ROWS_AT_ONCE, Scorecard, Scorecards, probability

SIZE, SLOTS = 40, 7
Floats = NDArray[np.float64]

WEIGHTS = arrays(np.float64, SIZE - 1, elements=st.floats(-20, 20)).map(lambda w: np.concatenate([[0.0], w]))
BINS = st.integers(0, 9).flatmap(lambda n: arrays(np.int32, (n, SLOTS), elements=st.integers(0, SIZE - 1)))
CURVES = arrays(np.float64, (2, 3), elements=st.floats(-0.7, 2.5))


def card(weights: Floats, intercept: float = -2.0, calibration: Floats | None = None, target: str = "purchase", layout: str = "1") -> Scorecard:
    return Scorecard(target, f"{target}@7", layout, weights, intercept, np.zeros((2, 3)) if calibration is None else calibration, False, 0.1)


def cards(count: int, seed: int = 0) -> Scorecards:
    chance = np.random.default_rng(seed)
    weights = chance.normal(0, 1, (count, SIZE))
    weights[:, 0] = 0.0
    return Scorecards.of([card(w, float(chance.normal()), chance.uniform(-0.5, 1.0, (2, 3)), f"t{i}") for i, w in enumerate(weights)])


@given(WEIGHTS, BINS, st.floats(-10, 10))
def test_addition_points_and_intercept_add_up_to_the_margin(weights: Floats, bins: NDArray[np.int32], intercept: float) -> None:
    made = card(weights, intercept)
    points = made.points(bins)
    assert points.shape == bins.shape
    assert (points[bins == 0] == 0.0).all()
    assert made.margins(bins) == pytest.approx(points.sum(axis=1) + intercept, abs=1e-9)


@given(arrays(np.float64, 5, elements=st.floats(allow_nan=False, allow_infinity=True)), CURVES, st.integers(0, 1))
def test_bounds_a_probability_is_above_0_below_1_and_so_is_its_absence(margins: Floats, curves: Floats, cause: int) -> None:
    made = card(np.zeros(SIZE), calibration=curves)
    for p in (made.raw(margins), made.p(margins, np.full(len(margins), cause))):
        assert (np.isfinite(p) & (p > 0) & (p < 1) & (1 - p > 0) & (1 - p < 1)).all()


def test_bounds_hold_for_weights_beyond_every_sense() -> None:
    weights = np.array([0.0, 1e308, 1e308, -1e308])
    made = card(weights)
    with np.errstate(over="ignore"):
        p = made.raw(made.margins(np.array([[1, 2], [3, 3], [1, 3]], dtype=np.int32)))
    assert ((p > 0) & (p < 1)).all()


@given(BINS, st.integers(1, 3), st.data())
def test_a_row_scores_the_same_alone_and_in_company_to_the_bit(bins: NDArray[np.int32], targets: int, data: st.DataObject) -> None:
    made = cards(targets)
    margins = made.margins(bins)
    silent = np.array(data.draw(st.lists(st.booleans(), min_size=len(bins), max_size=len(bins))), dtype=np.bool_)
    raw, p = made.probabilities(margins, silent)
    _, slots, points = made.points(bins, 3)
    for i in range(len(bins)):
        row, quiet = bins[i : i + 1], silent[i : i + 1]
        assert (made.margins(row) == margins[i]).all()
        alone_raw, alone_p = made.probabilities(made.margins(row), quiet)
        assert (alone_raw == raw[i]).all()
        assert (alone_p == p[i]).all()
        _, alone_slots, alone_points = made.points(row, 3)
        assert (alone_slots[0] == slots[i]).all()
        assert (alone_points[0] == points[i]).all()


def test_many_rows_score_as_one_by_one() -> None:
    bins = np.random.default_rng(1).integers(0, SIZE, (2 * ROWS_AT_ONCE + 3, 117)).astype(np.int32)
    made = cards(2)
    assert (made.margins(bins) == np.concatenate([made.margins(bins[i : i + 1]) for i in range(len(bins))])).all()
    _, slots, points = made.points(bins, 2)
    assert (slots[-1] == made.points(bins[-1:], 2).slots[0]).all()
    assert (points[ROWS_AT_ONCE] == made.points(bins[ROWS_AT_ONCE : ROWS_AT_ONCE + 1], 2).largest[0]).all()


@given(BINS)
def test_the_stack_says_what_each_scorecard_says(bins: NDArray[np.int32]) -> None:
    chance = np.random.default_rng(3)
    singles = []
    for name in ("a", "b", "c"):
        weights = np.concatenate([[0.0], chance.normal(0, 1, SIZE - 1)])
        singles.append(card(weights, float(chance.normal()), chance.uniform(-0.5, 1.0, (2, 3)), name))
    stack = Scorecards.of(singles)
    margins = stack.margins(bins)
    silent = np.arange(len(bins)) % 2 == 1
    raw, p = stack.probabilities(margins, silent)
    for number, single in enumerate(singles):
        assert (single.margins(bins) == margins[:, number]).all()
        assert (single.raw(margins[:, number]) == raw[:, number]).all()
        assert single.p(margins[:, number], silent.astype(np.int8)) == pytest.approx(p[:, number], rel=1e-12)
        assert stack.versions[number] == single.version


@given(BINS, st.integers(0, 9))
def test_the_top_are_the_largest_points_up_or_down_the_first_of_equals_first(bins: NDArray[np.int32], k: int) -> None:
    made = cards(2)
    _, slots, points = made.points(bins, k)
    for i in range(len(bins)):
        for target in range(2):
            row = made.weights[target][bins[i]]
            expected = sorted(range(SLOTS), key=lambda slot, row=row: (-abs(row[slot]), slot))[:k]  # type: ignore[misc]
            assert slots[i, target].tolist() == expected
            assert points[i, target].tolist() == [row[slot] for slot in expected]


def test_each_cause_has_its_own_calibration() -> None:
    made = card(np.zeros(SIZE), calibration=np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    event, silence = made.p(np.zeros(2), np.array([0, 1]))
    assert (event, silence) == (0.5, pytest.approx(1 / (1 + np.exp(-1))))


def test_a_reference_bin_with_a_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="reference"):
        card(np.ones(SIZE))


def test_scorecards_of_different_layouts_do_not_score_together() -> None:
    with pytest.raises(ValueError, match="purchase@7 has 1, churn@7 has 2"):
        Scorecards.of([card(np.zeros(SIZE)), card(np.zeros(SIZE), target="churn", layout="2")])


def test_probability_is_the_logistic_function() -> None:
    assert probability(np.array([0.0, np.log(3.0), -np.log(3.0)])) == pytest.approx([0.5, 0.75, 0.25])
