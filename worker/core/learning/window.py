"""The latest matured decisions of one target and cause, and how good their probabilities were: bounded, and exact over what it holds.

Order statistics are computed over the decisions themselves: River's ROCAUC with its default thresholds gave 0.509 where the true value was 0.7245.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.core.labels.examples import CAUSES, Example
from worker.core.labels.tallies import Tally

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINS = 10  # of equal weight, for the calibration error and its plot
HISTOGRAM_EDGES = (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Bin:
    """Decisions of neighbouring probabilities: what was said of them on average, and how often it came."""

    said: float
    true: float
    weight: float
    decisions: int


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the probabilities of the outcome were over a window of n decisions; NaN where nothing is known yet. All means are by weight."""

    n: int
    base_rate: float
    log_loss: float
    raw_log_loss: float  # before calibration
    baseline_log_loss: float  # of the base rate of hindsight, said to everyone
    calibration_ratio: float  # mean p over the rate of outcomes
    ece: float  # mean distance between said and true over the bins
    auc: float
    estimated_auc: float  # expected from the probabilities alone, were they right
    calibration: tuple[Bin, ...]
    histogram: tuple[tuple[float, float, int], ...]  # (left, right, decisions)


NOTHING_KNOWN = Quality(0, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, (), ())


def log_losses(p: Floats, outcome: Flags) -> Floats:
    """The log-loss of each probability: -ln of what was said of what came."""
    return np.asarray(-np.log(np.where(outcome, p, 1.0 - p)))


def entropy(rate: float) -> float:
    """The log-loss of saying the rate to everyone."""
    return 0.0 if rate <= 0.0 or rate >= 1.0 else -(rate * math.log(rate) + (1.0 - rate) * math.log(1.0 - rate))


def weighted_auc(p: Floats, outcome: Flags, weight: Floats) -> float:
    """The chance that a decision whose outcome happened was given a higher p than one whose did not; ties count half. NaN with one kind only."""
    won, pairs = _pairs(p, np.where(outcome, weight, 0.0), np.where(outcome, 0.0, weight))
    return won / pairs if pairs > 0.0 else math.nan


def estimated_auc(p: Floats, weight: Floats) -> float:
    """The same as it would come out if every outcome happened with its p: a pair counts with p of the one times 1 - p of the other.

    This is performance estimated from calibrated confidence, without labels (CBPE): the quotient of two expectations over independent outcomes, which
    for many decisions is that of the area. NaN for fewer than two decisions.
    """
    if len(p) < 2:
        return math.nan
    won, pairs = _pairs(p, weight * p, weight * (1.0 - p))
    alone = float((weight * p * weight * (1.0 - p)).sum())  # a decision is no pair with itself, and was counted as a tie
    return (won - alone / 2) / (pairs - alone)


def _pairs(p: Floats, happened: Floats, absent: Floats) -> tuple[float, float]:
    """Of the pairs, one of `happened` and one of `absent` by weight: those in which the former has the higher p, ties as half, and all."""
    if not len(p):
        return 0.0, 0.0
    order = np.argsort(p, kind="stable")
    p = p[order]
    start = np.flatnonzero(np.concatenate([[True], p[1:] != p[:-1]]))
    happened, absent = np.add.reduceat(happened[order], start), np.add.reduceat(absent[order], start)
    below = np.cumsum(absent) - absent
    return float((happened * (below + absent / 2)).sum()), float(happened.sum()) * float(absent.sum())


class Columns(NamedTuple):
    """Matured decisions as columns, n each: probabilities of the outcome, whether it happened, weights, times of the decisions, who was treated."""

    p: Floats
    raw: Floats
    outcome: Flags
    weight: Floats
    time_ms: NDArray[np.int64]
    treated: Floats  # 1, 0; NaN where nobody knows


Facts = tuple[float, float, bool, float, int, bool | None]  # of one decision, in the order of the columns
_facts_of: Callable[[Example], Facts] = attrgetter(*Columns._fields)


def matured(examples: Iterable[Example | Tally]) -> tuple[list[Facts], ...]:
    """The facts of those among the examples that say what came of a decision, by its cause, in their order."""
    by_cause: tuple[list[Facts], ...] = tuple([] for _ in CAUSES)
    for example in examples:
        if example.sense == "matured":
            by_cause[example.cause].append(_facts_of(example))
    return by_cause


def columns_of(facts: Sequence[Facts]) -> Columns:
    """The same decisions as columns."""
    n = len(facts)
    p, raw, outcome, weight, time_ms, treated = zip(*facts, strict=True) if n else [()] * len(Columns._fields)
    return Columns(
        np.fromiter(p, np.float64, n),
        np.fromiter(raw, np.float64, n),
        np.fromiter(outcome, np.bool_, n),
        np.fromiter(weight, np.float64, n),
        np.fromiter(time_ms, np.int64, n),
        np.array(treated, dtype=np.float64),  # None becomes NaN
    )


class Ring:
    """The latest `size` rows of some columns of numbers. What leaves is forgotten as if it had never been."""

    def __init__(self, columns: int, size: int) -> None:
        self.size = size
        self.seen = 0  # rows ever
        self._columns = np.zeros((columns, 0))  # grown until it holds `size`, then written round

    def __len__(self) -> int:
        return min(self.seen, self.size)

    def push(self, *columns: Floats) -> None:
        """Take n rows, given column by column."""
        new = np.stack(columns)
        n = new.shape[1]
        ahead = max(0, n - self.size)  # of more than fit, only the last
        held, needed = self._columns.shape[1], min(self.size, self.seen + n)
        if needed > held:
            room = min(self.size, max(needed, 2 * held, 256))
            self._columns = np.concatenate([self._columns, np.zeros((len(new), room - held))], axis=1)
        self._columns[:, np.arange(self.seen + ahead, self.seen + n) % self.size] = new[:, ahead:]
        self.seen += n

    def columns(self) -> Floats:
        """The rows, column by column; their order means nothing."""
        return self._columns[:, : len(self)]


class Window:
    """The latest `size` decisions, in the order in which they matured."""

    def __init__(self, size: int) -> None:
        self._ring = Ring(4, size)  # p, raw, outcome, weight

    def __len__(self) -> int:
        return len(self._ring)

    def observe(self, p: Floats, raw: Floats, outcome: Flags, weight: Floats) -> None:
        """Take n matured decisions."""
        self._ring.push(p, raw, outcome.astype(np.float64), weight)

    def quality(self) -> Quality:
        """Everything about the decisions of the window; sorts them, some ten milliseconds for 100,000."""
        p, raw, happened, weight = self._ring.columns()
        if not len(p):
            return NOTHING_KNOWN
        outcome = happened > 0.0
        mass = float(weight.sum())
        came = float(weight[outcome].sum())
        bins = _calibration(p, outcome, weight)
        return Quality(
            n=len(p),
            base_rate=came / mass,
            log_loss=float((weight * log_losses(p, outcome)).sum()) / mass,
            raw_log_loss=float((weight * log_losses(raw, outcome)).sum()) / mass,
            baseline_log_loss=entropy(came / mass),
            calibration_ratio=float((weight * p).sum()) / came if came else math.nan,
            ece=sum(one.weight * abs(one.said - one.true) for one in bins) / mass,
            auc=weighted_auc(p, outcome, weight),
            estimated_auc=estimated_auc(p, weight),
            calibration=bins,
            histogram=_histogram(p),
        )


def _calibration(p: Floats, outcome: Flags, weight: Floats) -> tuple[Bin, ...]:
    """Bins of equal weight, by ascending p; equal p are never parted, whatever the order in which they came."""
    _, where = np.unique(p, return_inverse=True)
    of_value = np.bincount(where, weight)
    middle = np.cumsum(of_value) - of_value / 2
    bin_ = np.minimum((middle / of_value.sum() * BINS).astype(np.int64), BINS - 1)[where]
    out = []
    for number in np.unique(bin_).tolist():
        mine = bin_ == number
        total = float(weight[mine].sum())
        out.append(Bin(float((weight[mine] * p[mine]).sum()) / total, float(weight[mine & outcome].sum()) / total, total, int(mine.sum())))
    return tuple(out)


def _histogram(p: Floats) -> tuple[tuple[float, float, int], ...]:
    counts, _ = np.histogram(p, bins=np.array(HISTOGRAM_EDGES))
    held = np.flatnonzero(counts)
    return tuple((HISTOGRAM_EDGES[i], HISTOGRAM_EDGES[i + 1], int(counts[i])) for i in range(int(held[0]), int(held[-1]) + 1))
