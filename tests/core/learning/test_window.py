"""A window of decisions against brute force: it forgets exactly, and its areas count pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.core.learning.window import Window, estimated_auc

Decision = tuple[float, float, bool, float]

decisions = st.lists(
    st.tuples(st.sampled_from([0.01, 0.02, 0.1, 0.3, 0.5, 0.9]), st.sampled_from([0.05, 0.2, 0.7]), st.booleans(), st.sampled_from([1.0, 4.0, 8.0])),
    max_size=60,
)


def filled(rows: list[Decision], size: int, cuts: list[int]) -> Window:
    window = Window(size)
    start = 0
    for stop in [*sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]:
        p, raw, outcome, weight = (np.array([row[column] for row in rows[start:stop]]) for column in range(4))
        window.observe(p, raw, outcome.astype(np.bool_), weight)
        start = stop
    return window


@given(decisions, st.integers(1, 40), st.lists(st.integers(0, 60), max_size=5))
@example([*[(0.01, 0.05, False, 1.0)] * 3, (0.02, 0.05, False, 1.0), (0.1, 0.05, False, 1.0), (0.1, 0.05, False, 8.0)], 5, [])
def test_what_leaves_is_forgotten_as_if_it_had_never_been(rows: list[Decision], size: int, cuts: list[int]) -> None:
    through, fresh = filled(rows, size, cuts), filled(rows[-size:], size, [])
    assert len(through) == min(size, len(rows))
    left, right = through.quality(), fresh.quality()
    assert [left.n, left.histogram, [one.decisions for one in left.calibration]] == [
        right.n,
        right.histogram,
        [one.decisions for one in right.calibration],
    ]
    for name in ("base_rate", "log_loss", "raw_log_loss", "calibration_ratio", "ece", "auc", "estimated_auc"):
        assert getattr(left, name) == pytest.approx(getattr(right, name), nan_ok=True)


@given(decisions)
def test_the_raw_probability_is_judged_beside_the_published_one(rows: list[Decision]) -> None:
    quality = filled(rows, 100, []).quality()
    if not rows:
        assert math.isnan(quality.raw_log_loss)
        return
    mass = sum(row[3] for row in rows)
    for column, loss in ((0, quality.log_loss), (1, quality.raw_log_loss)):
        assert loss == pytest.approx(-sum(row[3] * math.log(row[column] if row[2] else 1 - row[column]) for row in rows) / mass)


@given(decisions)
def test_the_estimated_area_weighs_every_pair_with_its_chance(rows: list[Decision]) -> None:
    won = total = 0.0
    for i, (p, _, _, weight) in enumerate(rows):
        for j, (q, _, _, mass) in enumerate(rows):
            if i != j:
                pair = weight * p * mass * (1 - q)
                total += pair
                won += pair * (1.0 if p > q else 0.5 if p == q else 0.0)
    estimated = estimated_auc(np.array([row[0] for row in rows]), np.array([row[3] for row in rows]))
    assert estimated == pytest.approx(won / total if total else math.nan, nan_ok=True)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_of_right_probabilities_the_estimated_area_is_the_real_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.6, 6.0, 20_000).clip(1e-6, 1 - 1e-6)
    window = Window(len(p))
    window.observe(p, p, rng.random(len(p)) < p, np.ones(len(p)))
    quality = window.quality()
    assert quality.auc == pytest.approx(quality.estimated_auc, abs=0.035)


def test_a_window_never_holds_more_than_its_size() -> None:
    window = Window(1_000)
    for _ in range(20):
        window.observe(np.full(700, 0.5), np.full(700, 0.5), np.ones(700, dtype=np.bool_), np.ones(700))
    assert len(window) == window.quality().n == 1_000
    assert window._ring._columns.shape == (4, 1_000)
