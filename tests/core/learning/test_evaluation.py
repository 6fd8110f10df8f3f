"""Evaluation against brute force: losses, areas, calibration, and that the cut changes nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.learning.evaluation import Evaluation
from worker.core.learning.window import Columns, entropy, weighted_auc

DAY_MS = 86_400_000
Decision = tuple[float, bool, float, int]

decisions = st.lists(
    st.tuples(st.sampled_from([0.01, 0.02, 0.1, 0.3, 0.5, 0.9]), st.booleans(), st.sampled_from([1.0, 4.0, 8.0]), st.integers(0, 5 * DAY_MS)),
    min_size=1,
    max_size=60,
)


def evaluated(rows: list[Decision], cuts: list[int]) -> Evaluation:
    evaluation = Evaluation()
    start = 0
    for stop in [*sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]:
        part = rows[start:stop]
        if part:
            p, outcome, weight, time_ms = zip(*part, strict=True)
            evaluation.observe(Columns(np.array(p), np.array(p), np.array(outcome), np.array(weight), np.array(time_ms), np.full(len(p), np.nan)))
        start = stop
    return evaluation


def brute_auc(rows: list[Decision]) -> float:
    won = total = 0.0
    for p, happened, weight, _ in rows:
        for q, other, mass, _ in rows:
            if happened and not other:
                total += weight * mass
                won += weight * mass * (1.0 if p > q else 0.5 if p == q else 0.0)
    return won / total if total else math.nan


@given(decisions)
def test_the_area_counts_every_pair(rows: list[Decision]) -> None:
    p, outcome, weight, _ = (np.array(column) for column in zip(*rows, strict=True))
    assert weighted_auc(p, outcome, weight) == pytest.approx(brute_auc(rows), nan_ok=True)


@given(decisions)
def test_losses_and_ratios_are_weighted_means(rows: list[Decision]) -> None:
    summary = evaluated(rows, []).summary()
    mass = sum(weight for _, _, weight, _ in rows)
    rate = sum(weight for _, happened, weight, _ in rows if happened) / mass
    loss = -sum(weight * math.log(p if happened else 1 - p) for p, happened, weight, _ in rows) / mass
    assert summary.n == len(rows)
    assert summary.base_rate == pytest.approx(rate)
    assert summary.log_loss == pytest.approx(loss)
    assert summary.baseline_log_loss == pytest.approx(entropy(rate))
    if rate:
        assert summary.calibration_ratio == pytest.approx(sum(weight * p for p, _, weight, _ in rows) / mass / rate)
    else:
        assert math.isnan(summary.calibration_ratio)


@given(decisions, st.lists(st.integers(0, 60), max_size=5))
def test_the_cut_does_not_matter(rows: list[Decision], cuts: list[int]) -> None:
    whole, cut = evaluated(rows, []).summary(), evaluated(rows, cuts).summary()
    assert cut.log_loss == pytest.approx(whole.log_loss)
    assert (cut.n, cut.calibration, cut.histogram) == (whole.n, whole.calibration, whole.histogram)
    assert [day[0] for day in cut.log_loss_by_day] == [day[0] for day in whole.log_loss_by_day]
    assert [day[1] for day in cut.log_loss_by_day] == pytest.approx([day[1] for day in whole.log_loss_by_day])


@given(decisions)
def test_bins_hold_every_decision_once_and_never_part_equals(rows: list[Decision]) -> None:
    summary = evaluated(rows, []).summary()
    assert sum(number for _, _, number in summary.calibration) == len(rows)
    assert sum(number for _, _, number in summary.histogram) == len(rows)
    said = [p for p, _, _ in summary.calibration]
    assert said == sorted(said)
    assert len(summary.calibration) <= len({p for p, *_ in rows})


def test_a_calibrated_forecast_has_a_small_error_and_a_shifted_one_has_not() -> None:
    rng = np.random.default_rng(7)
    p = rng.uniform(0.01, 0.6, 40_000)
    happened = rng.random(len(p)) < p
    ones, times = np.ones(len(p)), np.zeros(len(p), dtype=np.int64)
    honest, shifted = Evaluation(), Evaluation()
    honest.observe(Columns(p, p, happened, ones, times, ones))
    shifted.observe(Columns(p * 0.8, p, happened, ones, times, ones))
    assert honest.summary().ece < 0.01 < 0.05 < shifted.summary().ece
    assert honest.summary().calibration_ratio == pytest.approx(1.0, abs=0.02)
    assert shifted.summary().calibration_ratio == pytest.approx(0.8, abs=0.02)


def test_nothing_is_known_before_the_first_decision() -> None:
    summary = Evaluation().summary()
    assert summary.n == 0
    assert math.isnan(summary.log_loss)
    assert math.isnan(summary.auc)
    assert summary.calibration == summary.histogram == ()
