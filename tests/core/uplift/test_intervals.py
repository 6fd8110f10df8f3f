"""The law of intervals: at no look of a run does the truth fall out, in as many runs as is said. Shops of simple chance, all looks of all runs at once."""

import numpy as np
import pytest
from numpy.typing import NDArray

from worker.core.uplift.intervals import LEAST, difference, ratio
from worker.core.uplift.sample_ratio import ALARM, p_value

RUNS, USERS = 100, 8_000
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


def grown(flags: Flags) -> Counts:
    return np.asarray(flags.cumsum(axis=1)[:, ::4], dtype=np.int64)


def counts(treated_rate: float, holdout_rate: float, share: float, seed: int) -> tuple[Counts, Counts, Counts, Counts]:
    """Users and conversions of both arms as they grow, RUNS x USERS each: treated, converted, holdout, converted of the holdout."""
    rng = np.random.default_rng(seed)
    held = rng.random((RUNS, USERS), dtype=np.float32) < share
    converted = rng.random((RUNS, USERS), dtype=np.float32) < np.where(held, np.float32(holdout_rate), np.float32(treated_rate))
    return grown(~held), grown(~held & converted), grown(held), grown(held & converted)


@pytest.mark.parametrize(("treated", "holdout", "share"), [(0.05, 0.05, 0.05), (0.08, 0.05, 0.05), (0.02, 0.02, 0.2), (0.15, 0.2, 0.1)])
def test_the_truth_stays_in_the_interval_at_every_look(treated: float, holdout: float, share: float) -> None:
    seen = counts(treated, holdout, share, seed=7)
    for interval, truth in ((difference(*seen), treated - holdout), (ratio(*seen), treated / holdout - 1)):
        begun = np.isfinite(interval.low)
        assert begun[:, -1].mean() > 0.9
        left = (begun & ((interval.low > truth) | (interval.high < truth))).any(axis=1)
        assert left.sum() <= 7


def test_a_great_effect_is_found_and_the_interval_narrows() -> None:
    interval = difference(*counts(0.12, 0.05, 0.1, seed=3))
    assert (interval.low[:, -1] > 0).all()
    width = interval.high - interval.low
    assert (width[:, -1] < 0.07).all()
    assert (width[:, -1] < width[:, 1_000]).all()


def test_there_is_no_interval_before_each_arm_has_users_of_both_kinds() -> None:
    assert np.isfinite(difference(100, LEAST, 50, LEAST)).all()
    for too_few in ((100, LEAST - 1, 50, LEAST), (100, LEAST, 50, LEAST - 1), (100, 96, 50, LEAST), (100, LEAST, 50, 46), (0, 0, 0, 0)):
        assert np.isnan(difference(*too_few)).all()
        assert np.isnan(ratio(*too_few)).all()


def test_an_interval_by_hand() -> None:
    # v = 10,000 users at 10,000 planned: 2 ln 20 + ln(2 ln 20) + 1 = 8.78179; s^2 = 0.0500947 * 0.9499053 / 9,500 + 0.0418327 * 0.9581673 / 500 = 0.0000851744
    estimate, low, high = difference(9_500, 475, 500, 20)
    assert float(estimate) == pytest.approx(0.01)
    assert float(high - estimate) == pytest.approx(0.0280141, abs=1e-6)
    assert float(estimate - low) == pytest.approx(float(high - estimate))
    assert [float(side) for side in ratio(9_500, 475, 500, 20)] == pytest.approx([0.25, -0.356313, 1.427422], abs=1e-5)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_arms_of_the_intended_sizes_raise_no_alarm(share: float) -> None:
    treated, _, holdout, _ = counts(0.1, 0.1, share, seed=11)
    assert (p_value(treated[:, ::20], holdout[:, ::20], share) < 0.05).any(axis=1).sum() <= 7


def test_lost_users_of_one_arm_raise_an_alarm() -> None:
    treated, _, holdout, _ = counts(0.1, 0.1, 0.1, seed=5)
    kept = (treated * 0.8).astype(np.int64)  # a fifth of the treated goes missing on the way
    assert (p_value(kept[:, -1], holdout[:, -1], 0.1) < ALARM).mean() >= 0.9


def test_the_p_value_is_the_quotient_of_likelihoods() -> None:
    # one user, held out: the mixture's mean share is the intended one, so that nothing is learned; two of two: 0.05 against 51 / 1001
    assert float(p_value(0, 0, 0.05)) == 1.0
    assert float(p_value(0, 1, 0.05)) == pytest.approx(1.0)
    assert float(p_value(0, 2, 0.05)) == pytest.approx(0.05 * 1001 / 51)
