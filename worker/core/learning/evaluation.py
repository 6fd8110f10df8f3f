"""Evaluation: how good published probabilities were, held against matured outcomes as they come in.

Totals (log-loss, rates, days) are sums over everything seen and do not depend on how it was cut. What needs an order (AUC, calibration error, bins, histogram)
is computed over a window of the latest decisions, exactly: River's ROCAUC with its default thresholds gave 0.509 where the true value was 0.7245.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW = 100_000  # decisions that order statistics look back on
BINS = 10  # of equal weight, for the calibration error and its plot
HISTOGRAM_EDGES = (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
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
    ece: float  # over BINS bins of equal weight of the window
    auc: float  # of the window
    calibration: tuple[tuple[float, float, int], ...]  # (mean p, rate, decisions) of each bin
    histogram: tuple[tuple[float, float, int], ...]  # (left, right, decisions)
    log_loss_by_day: tuple[tuple[str, float, float, int], ...]  # (day, log-loss, that of the base rate of hindsight, decisions)


def log_losses(p: Floats, outcome: NDArray[np.bool_]) -> Floats:
    """The log-loss of each probability: -ln of what was said of what came."""
    return np.asarray(-np.log(np.where(outcome, p, 1.0 - p)))


def entropy(rate: float) -> float:
    """The log-loss of saying the rate to everyone."""
    return 0.0 if rate <= 0.0 or rate >= 1.0 else -(rate * math.log(rate) + (1.0 - rate) * math.log(1.0 - rate))


def weighted_auc(p: Floats, outcome: NDArray[np.bool_], weight: Floats) -> float:
    """The chance that a decision whose outcome happened was given a higher p than one whose did not; ties count half. NaN with one kind only."""
    order = np.argsort(p, kind="stable")
    p, outcome, weight = p[order], outcome[order], weight[order]
    _, start = np.unique(p, return_index=True)
    happened = np.add.reduceat(np.where(outcome, weight, 0.0), start) if len(p) else np.zeros(0)
    absent = np.add.reduceat(np.where(outcome, 0.0, weight), start) if len(p) else np.zeros(0)
    total = float(happened.sum()) * float(absent.sum())
    if total <= 0.0:
        return math.nan
    below = np.cumsum(absent) - absent
    return float((happened * (below + absent / 2)).sum()) / total


class Evaluation:
    """One target's decisions of one cause."""

    def __init__(self) -> None:
        self.n = 0
        self._weight = self._happened = self._said = self._loss = 0.0
        self._days: dict[int, list[float]] = {}  # day -> weight, happened, loss, decisions
        self._p = np.zeros(0)
        self._outcome = np.zeros(0, dtype=np.bool_)
        self._w = np.zeros(0)

    def observe(self, p: Floats, outcome: NDArray[np.bool_], weight: Floats, time_ms: NDArray[np.int64]) -> None:
        """Take n matured decisions, in the order in which they matured: p of the outcome, whether it happened, weights, times of the decisions."""
        outcome = outcome.astype(np.bool_)
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
        self._p = np.concatenate([self._p, p])[-WINDOW:]
        self._outcome = np.concatenate([self._outcome, outcome])[-WINDOW:]
        self._w = np.concatenate([self._w, weight])[-WINDOW:]

    def summary(self) -> Summary:
        """Everything known so far."""
        if not self.n:
            return Summary(0, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, (), (), ())
        rate = self._happened / self._weight
        bins = self._calibration()
        known = float(self._w.sum())
        return Summary(
            n=self.n,
            base_rate=rate,
            log_loss=self._loss / self._weight,
            baseline_log_loss=entropy(rate),
            calibration_ratio=self._said / self._happened if self._happened else math.nan,
            ece=sum(weight * abs(said - true) for said, true, weight, _ in bins) / known,
            auc=weighted_auc(self._p, self._outcome, self._w),
            calibration=tuple((said, true, number) for said, true, _, number in bins),
            histogram=self._histogram(),
            log_loss_by_day=self._by_day(rate),
        )

    def _calibration(self) -> list[tuple[float, float, float, int]]:
        """(mean p, rate, weight, decisions) of bins of equal weight, by ascending p; equal p are never parted."""
        order = np.argsort(self._p, kind="stable")
        p, outcome, weight = self._p[order], self._outcome[order], self._w[order]
        reached = np.cumsum(weight) - weight / 2
        bin_ = np.minimum((reached / weight.sum() * BINS).astype(np.int64), BINS - 1)
        values, where = np.unique(p, return_inverse=True)
        first = np.full(len(values), BINS)
        np.minimum.at(first, where, bin_)
        bin_ = first[where]
        out = []
        for number in np.unique(bin_).tolist():
            mine = bin_ == number
            total = float(weight[mine].sum())
            out.append((float((weight[mine] * p[mine]).sum()) / total, float(weight[mine & outcome].sum()) / total, total, int(mine.sum())))
        return out

    def _histogram(self) -> tuple[tuple[float, float, int], ...]:
        counts, _ = np.histogram(self._p, bins=np.array(HISTOGRAM_EDGES))
        held = np.flatnonzero(counts)
        span = range(int(held[0]), int(held[-1]) + 1)
        return tuple((HISTOGRAM_EDGES[i], HISTOGRAM_EDGES[i + 1], int(counts[i])) for i in span)

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
