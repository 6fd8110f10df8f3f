"""Evaluation: how good published probabilities were, held against matured outcomes as they come in, over a whole run.

Totals (log-loss, rates, days) are sums over everything seen and do not depend on how it was cut. What needs an order (AUC, calibration error, bins, histogram)
is that of a window of the latest decisions (window.py), which is all that a live worker looks at.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

import numpy as np

from worker.core.learning.window import Columns, Window, entropy, log_losses

WINDOW = 100_000  # decisions that order statistics look back on
DAY_MS = 86_400_000
DAYS_KEPT = 400


@dataclass(frozen=True, slots=True)
class Summary:
    """The quality of one target's probabilities of the outcome; NaN where nothing is known yet."""

    n: int
    base_rate: float
    log_loss: float
    baseline_log_loss: float  # of the base rate of hindsight, said to everyone
    calibration_ratio: float  # mean p over the rate of outcomes
    ece: float  # of the window
    auc: float  # of the window
    calibration: tuple[tuple[float, float, int], ...]  # (mean p, rate, decisions) of each bin
    histogram: tuple[tuple[float, float, int], ...]  # (left, right, decisions)
    log_loss_by_day: tuple[tuple[str, float, float, int], ...]  # (day, log-loss, that of the base rate of hindsight, decisions)


class Evaluation:
    """One target's decisions of one cause."""

    def __init__(self) -> None:
        self.n = 0
        self.window = Window(WINDOW)
        self._weight = self._happened = self._said = self._loss = 0.0
        self._days: dict[int, list[float]] = {}  # day -> weight, happened, loss, decisions

    def observe(self, decisions: Columns) -> None:
        """Take n matured decisions, in the order in which they matured."""
        p, raw, outcome, weight, time_ms, _ = decisions
        losses = log_losses(p, outcome)
        day_of = time_ms // DAY_MS
        for day in np.unique(day_of).tolist():
            mine = day_of == day
            weights = weight[mine]
            sums = (float(weights.sum()), float(weights[outcome[mine]].sum()), float((weights * losses[mine]).sum()), float(mine.sum()))
            known = self._days.setdefault(day, [0.0, 0.0, 0.0, 0.0])
            for place, value in enumerate(sums):
                known[place] += value
            self._weight += sums[0]
            self._happened += sums[1]
            self._loss += sums[2]
        while len(self._days) > DAYS_KEPT:
            del self._days[min(self._days)]
        self.n += len(p)
        self._said += float((weight * p).sum())
        self.window.observe(p, raw, outcome, weight)

    def summary(self) -> Summary:
        """Everything known so far."""
        if not self.n:
            return Summary(0, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, (), (), ())
        rate = self._happened / self._weight
        latest = self.window.quality()
        return Summary(
            n=self.n,
            base_rate=rate,
            log_loss=self._loss / self._weight,
            baseline_log_loss=entropy(rate),
            calibration_ratio=self._said / self._happened if self._happened else math.nan,
            ece=latest.ece,
            auc=latest.auc,
            calibration=tuple((one.said, one.true, one.decisions) for one in latest.calibration),
            histogram=latest.histogram,
            log_loss_by_day=self._by_day(rate),
        )

    def _by_day(self, rate: float) -> tuple[tuple[str, float, float, int], ...]:
        said, silent = (-math.log(min(max(share, 1e-300), 1.0)) for share in (rate, 1.0 - rate))
        return tuple(
            (
                (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat(),
                loss / weight,
                (happened * said + (weight - happened) * silent) / weight,
                int(number),
            )
            for day, (weight, happened, loss, number) in sorted(self._days.items())
        )
