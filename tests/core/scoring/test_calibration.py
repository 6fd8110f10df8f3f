"""Calibration starts as identity, bends on evidence alone, comes back when the evidence does, and stays within bounds."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker.core.labels.examples import EVENT, SILENCE
from worker.core.scoring.calibration import MARGIN_LIMIT, OUTCOMES_NEEDED, Calibration, calibrated

Floats = NDArray[np.float64]

FINITE = st.floats(-1e6, 1e6)
UPDATES = st.lists(st.tuples(FINITE, st.booleans(), st.floats(0.01, 100), st.integers(0, 1)), max_size=30)


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def stream(count: int, seed: int = 0, mean: float = -3.0) -> tuple[Floats, np.random.Generator]:
    chance = np.random.default_rng(seed)
    return chance.normal(mean, 1.3, count), chance


def taught(margins: Floats, happened: NDArray[np.bool_], calibration: Calibration | None = None, cause: int = EVENT, weight: float = 1.0) -> Calibration:
    calibration = calibration or Calibration()
    for margin, outcome in zip(margins.tolist(), happened.tolist(), strict=True):
        calibration.update(margin, outcome, weight, cause)
    return calibration


def applied(calibration: Calibration, margins: Floats, cause: int = EVENT) -> Floats:
    return calibration.apply(margins, np.full(len(margins), cause))


def log_loss(log_odds: Floats, p: Floats) -> float:
    return float(np.mean(np.logaddexp(0, log_odds) - p * log_odds))


# ---- laws


@given(st.lists(FINITE, max_size=5), st.integers(0, 1))
def test_it_starts_as_identity(margins: list[float], cause: int) -> None:
    assert (applied(Calibration(), np.array(margins), cause) == np.clip(margins, -MARGIN_LIMIT, MARGIN_LIMIT)).all()


@given(UPDATES, st.integers(1, 300))
def test_whatever_it_is_taught_it_stays_finite_and_ascending(updates: list[tuple[float, bool, float, int]], times: int) -> None:
    calibration = Calibration()
    taught(np.array([0.0, 0.0]).repeat(OUTCOMES_NEEDED + 1), np.array([False, True]).repeat(OUTCOMES_NEEDED + 1), calibration)
    for margin, outcome, weight, cause in updates * times:
        calibration.update(margin, outcome, weight, cause)
    grid = np.linspace(-40, 40, 400)
    for cause in (EVENT, SILENCE):
        bent = applied(calibration, grid, cause)
        assert np.isfinite(bent).all()
        assert (np.diff(bent) >= 0).all()
        assert np.abs(bent).max() <= MARGIN_LIMIT


@given(st.lists(st.tuples(FINITE, st.integers(0, 1)), min_size=1, max_size=8))
def test_a_batch_is_calibrated_as_one_by_one(rows: list[tuple[float, int]]) -> None:
    coefficients = np.array([[0.3, 0.4, -0.2], [-1.0, -0.5, 2.0]])
    margins, causes = np.array([m for m, _ in rows]), np.array([c for _, c in rows])
    batch = calibrated(margins, coefficients[causes])
    assert (batch == np.concatenate([calibrated(margins[i : i + 1], coefficients[causes[i]]) for i in range(len(rows))])).all()


@given(UPDATES, UPDATES)
def test_it_goes_on_from_its_state_to_the_bit(before: list[tuple[float, bool, float, int]], after: list[tuple[float, bool, float, int]]) -> None:
    whole = taught(np.array([0.0, 1.0]).repeat(OUTCOMES_NEEDED + 1), np.array([False, True]).repeat(OUTCOMES_NEEDED + 1))
    for update in before:
        whole.update(*update)
    again = Calibration.from_state(whole.state())
    for update in after:
        whole.update(*update)
        again.update(*update)
    assert again.state() == whole.state()


def test_a_state_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="15 numbers, not 3"):
        Calibration.from_state({"event": [0.0, 0.0, 0.0], "silence": [0.0] * 15})


# ---- what it learns


@pytest.mark.parametrize(("shift", "slope"), [(logit(0.2) - logit(0.1), 1.0), (-0.7, 1.0), (0.5, 1.5), (-0.5, 0.7)])
def test_what_is_said_comes_to_be_what_happens(shift: float, slope: float) -> None:
    margins, chance = stream(100_000)
    truth = sigmoid(shift + slope * (margins + 3) - 3)
    calibration = taught(margins[:80_000], chance.random(80_000) < truth[:80_000])
    margins, truth = margins[80_000:], truth[80_000:]
    said = sigmoid(applied(calibration, margins))
    assert said.mean() == pytest.approx(truth.mean(), rel=0.05)
    for low, high in pairwise((0.0, 0.03, 0.1, 0.25)):
        group = (said >= low) & (said < high)
        assert truth[group].mean() == pytest.approx(said[group].mean(), rel=0.12)
    assert log_loss(applied(calibration, margins), truth) < log_loss(margins, truth)


@pytest.mark.parametrize("mean", [-3.0, -6.0, 0.0])
def test_it_does_not_harm_what_is_calibrated_already(mean: float) -> None:
    margins, chance = stream(40_000, mean=mean)
    happened = chance.random(40_000) < sigmoid(margins)
    calibration = taught(margins[:20_000], happened[:20_000])
    rest, truth = margins[20_000:], sigmoid(margins[20_000:])
    assert log_loss(applied(calibration, rest), truth) < 1.002 * log_loss(rest, truth)


def test_few_outcomes_do_not_move_it() -> None:
    margins = np.full(10_000, -3.0)
    happened = np.arange(10_000) < OUTCOMES_NEEDED
    assert (applied(taught(margins, happened), margins) == margins).all()
    assert (applied(taught(margins, ~happened), margins) == margins).all()


def test_evidence_fades() -> None:
    margins, chance = stream(60_000, mean=-1.0)
    off = taught(margins[:30_000], chance.random(30_000) < sigmoid(margins[:30_000] + 1.0))
    assert applied(off, np.array([-1.0]))[0] == pytest.approx(0.0, abs=0.2)
    right_again = taught(margins[30_000:], chance.random(30_000) < sigmoid(margins[30_000:]), off)
    assert applied(right_again, np.array([-1.0]))[0] == pytest.approx(-1.0, abs=0.2)


def test_causes_do_not_teach_each_other() -> None:
    margins, chance = stream(10_000)
    calibration = taught(margins, chance.random(10_000) < sigmoid(margins + 1.0), cause=SILENCE)
    assert applied(calibration, np.array([-3.0]), SILENCE)[0] > -2.5
    assert applied(calibration, np.array([-3.0]), EVENT)[0] == -3.0


def test_thinned_outcomes_count_for_those_they_stand_for() -> None:
    margins, chance = stream(120_000)
    happened = chance.random(120_000) < sigmoid(margins)
    kept = happened | (chance.random(120_000) < 1 / 8)
    calibration = Calibration()
    for margin, outcome in zip(margins[kept].tolist(), happened[kept].tolist(), strict=True):
        calibration.update(margin, outcome, 6.0 if outcome else 48.0, EVENT)
    assert applied(calibration, np.array([-4.0, -3.0, -1.0])) == pytest.approx([-4.0, -3.0, -1.0], abs=0.15)
