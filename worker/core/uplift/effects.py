"""What an experiment's totals say: rates, uplift with its interval, and whether the arms can be believed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from worker.core.uplift.assignments import Experiment, Totals
from worker.core.uplift.intervals import difference, ratio
from worker.core.uplift.sample_ratio import ALARM, p_value

Finding = Literal["helps", "harms", "open", "too_few", "no_holdout", "mismatch"]


@dataclass(frozen=True, slots=True)
class Effect:
    """A rule's effect on purchases in its window; NaN where nothing can be said yet. Rates and differences are shares, not percent."""

    rule: str
    totals: Totals
    rate_treated: float
    rate_holdout: float
    uplift: float  # rate_treated - rate_holdout
    low: float
    high: float
    relative: float  # rate_treated / rate_holdout - 1
    relative_low: float
    relative_high: float
    messaged: float  # share of the judged treated
    sample_ratio_p: float
    finding: Finding


def effect_of(experiment: Experiment, totals: Totals, alpha: float = 0.05) -> Effect:
    """Judge an experiment by its totals over all partitions, at any time and as often as one likes, at level 1 - alpha."""
    counts = (totals.judged_treated, totals.converted_treated, totals.judged_holdout, totals.converted_holdout)
    uplift, low, high = (float(side) for side in difference(*counts, alpha=alpha))
    relative, relative_low, relative_high = (float(side) for side in ratio(*counts, alpha=alpha))
    sample_ratio_p = float(p_value(totals.treated, totals.holdout, experiment.holdout)) if experiment.holdout else math.nan
    return Effect(
        experiment.rule,
        totals,
        _share(totals.converted_treated, totals.judged_treated),
        _share(totals.converted_holdout, totals.judged_holdout),
        uplift,
        low,
        high,
        relative,
        relative_low,
        relative_high,
        _share(totals.messaged, totals.judged_treated),
        sample_ratio_p,
        _finding(experiment, sample_ratio_p, low, high),
    )


def _finding(experiment: Experiment, sample_ratio_p: float, low: float, high: float) -> Finding:
    if not experiment.holdout:
        return "no_holdout"
    if sample_ratio_p < ALARM:
        return "mismatch"  # whatever else was found is not to be believed
    if math.isnan(low):
        return "too_few"
    return "helps" if low > 0 else "harms" if high < 0 else "open"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
