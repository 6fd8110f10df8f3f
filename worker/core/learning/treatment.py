"""Whether probabilities come true also without those whom messages reached: a campaign that works makes its own score look right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from worker.core.learning.window import Columns, Flags, Floats, Ring


@dataclass(frozen=True, slots=True)
class Treatment:
    """n decisions of which it is known whether their users were treated. Shares and means are by weight; NaN where nothing can be said."""

    n: int
    n_treated: int
    share: float  # of the decisions whose users were treated
    ratio: float  # mean p over the rate of outcomes, of all n
    ratio_treated: float  # … of the treated
    ratio_untreated: float  # … of the others


class TreatmentWindow:
    """The latest `size` matured decisions that say who was treated."""

    def __init__(self, size: int) -> None:
        self._ring = Ring(4, size)  # p, outcome, weight, treated

    def observe(self, decisions: Columns) -> None:
        """Take those of the decisions that say it, in their order."""
        known = ~np.isnan(decisions.treated)
        if known.any():
            outcome = decisions.outcome.astype(np.float64)
            self._ring.push(*(column[known] for column in (decisions.p, outcome, decisions.weight, decisions.treated)))

    def treatment(self) -> Treatment:
        """What the decisions of the window say."""
        p, happened, weight, treated = self._ring.columns()
        is_treated, everyone = treated > 0.0, np.ones(len(p), dtype=np.bool_)
        mass = float(weight.sum())
        return Treatment(
            len(p),
            int(is_treated.sum()),
            float(weight[is_treated].sum()) / mass if mass else math.nan,
            *(_ratio(p, happened, weight, group) for group in (everyone, is_treated, ~is_treated)),
        )


def _ratio(p: Floats, happened: Floats, weight: Floats, group: Flags) -> float:
    came = float((weight * happened)[group].sum())
    return float((weight * p)[group].sum()) / came if came else math.nan
