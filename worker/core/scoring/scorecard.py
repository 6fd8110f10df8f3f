"""Scorecards: what a target's trainer has learned, compiled to one weight a bin, and how whole batches are scored with them.

A score is an intercept plus the points of its active bins, in log-odds; bin 0 is every slot's reference and gives none. So a slot's points are its
reason, exactly. Nothing here changes: a trainer makes a new scorecard, and scorers swap it between turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.core.scoring.calibration import MARGIN_LIMIT, calibrated

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bins = NDArray[np.integer[Any]]

ROWS_AT_ONCE = 512  # rows whose points fit in the cache together: a quarter faster than 5,000 at once


def probability(log_odds: Floats) -> Floats:
    """The chance that log-odds stand for: above 0, below 1 and finite, whatever comes in short of NaN."""
    result: Floats = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -MARGIN_LIMIT, MARGIN_LIMIT)))
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Scorecard:
    """One target's scorecard. Bins are given as n x slots indices into `weights`."""

    target: str
    version: str  # "purchase@41200": how many records of the topic of examples it has learned
    layout: str  # of the bins that the weights stand for
    weights: Floats  # table size; the first is 0
    intercept: float
    calibration: Floats  # causes x 3, for calibration.calibrated()
    warming_up: bool  # too few outcomes are known yet to rely on it
    base_rate: float  # of the outcome, lately
    level: float = 0.0  # what the calibration at events has of level.Level, in log-odds

    def __post_init__(self) -> None:
        if self.weights[0] != 0.0:
            raise ValueError("the reference bin, index 0, has a weight")
        self.weights.setflags(write=False)
        self.calibration.setflags(write=False)

    def points(self, bins: Bins) -> Floats:
        """What each active bin adds to the margin: n x slots."""
        return self.weights.take(bins)

    def margins(self, bins: Bins) -> Floats:
        """Log-odds of the outcome before calibration: n."""
        return np.concatenate([np.zeros(0), *(self.points(bins[rows]).sum(axis=1) for rows in _parts(len(bins)))]) + self.intercept

    def raw(self, margins: Floats) -> Floats:
        """Probabilities before calibration."""
        return probability(margins)

    def p(self, margins: Floats, causes: NDArray[np.integer[Any]]) -> Floats:
        """Calibrated probabilities; causes are examples.EVENT or SILENCE."""
        return probability(calibrated(margins, self.calibration[causes]))


class Points(NamedTuple):
    """What n scores are made of, for T targets."""

    margins: Floats  # n x T: log-odds of every target's outcome before calibration, each row summed in the same order however the rows are cut
    slots: Ints  # n x T x k: the slots with the most points, up or down, most first; the first of equals comes first
    largest: Floats  # n x T x k: their points

    def take(self, index: NDArray[np.integer[Any]]) -> Points:
        """Those of the scores at `index`."""
        return Points(*(column[index] for column in self))


class Scorecards:
    """Several targets' scorecards over the same bins, scored together. T targets, n rows, s slots."""

    def __init__(
        self,
        targets: Sequence[str],
        weights: Floats,  # T x table size
        intercepts: Sequence[float],
        versions: Sequence[str],
        base_rates: Sequence[float],
        warming_up: Sequence[bool],
        calibrations: Floats | None = None,  # T x causes x 3; None leaves every probability as it is
        levels: Sequence[float] | None = None,
    ) -> None:
        self.targets = tuple(targets)
        self.weights = weights
        self.intercepts = tuple(intercepts)
        self.versions = tuple(versions)
        self.base_rates = tuple(base_rates)
        self.warming_up = tuple(warming_up)
        self.calibrations = np.zeros((len(self.targets), 2, 3)) if calibrations is None else calibrations
        self.levels = tuple(levels) if levels is not None else (0.0,) * len(self.targets)
        self.weights.setflags(write=False)

    @classmethod
    def of(cls, scorecards: Sequence[Scorecard]) -> Scorecards:
        """Stack scorecards; raises ValueError unless they stand for the same bins."""
        if len({(card.layout, len(card.weights)) for card in scorecards}) > 1:
            raise ValueError("scorecards of different layouts cannot score together: " + ", ".join(f"{c.version} has {c.layout}" for c in scorecards))
        return cls(
            [card.target for card in scorecards],
            np.stack([card.weights for card in scorecards]),
            [card.intercept for card in scorecards],
            [card.version for card in scorecards],
            [card.base_rate for card in scorecards],
            [card.warming_up for card in scorecards],
            np.stack([card.calibration for card in scorecards]),
            [card.level for card in scorecards],
        )

    def points(self, bins: Bins, k: int) -> Points:
        """Add up the points of n scores, and find the k largest of each (all, where there are fewer slots)."""
        k = min(k, bins.shape[1])
        margins = np.empty((len(bins), len(self.targets)))
        slots = np.empty((*margins.shape, k), dtype=np.intp)
        largest = np.empty(slots.shape)
        for rows in _parts(len(bins)):
            index = bins[rows].astype(np.intp)  # converted once, not once a target
            starts = np.arange(len(index)) * bins.shape[1]
            for target, (weights, intercept) in enumerate(zip(self.weights, self.intercepts, strict=True)):
                taken = weights.take(index)
                np.add(taken.sum(axis=1), intercept, out=margins[rows, target])
                sizes = np.abs(taken) if k else taken
                for rank in range(k):  # an argmax a rank: for small k several times faster than argpartition
                    slot = sizes.argmax(axis=1)
                    slots[rows, target, rank] = slot
                    slot += starts
                    largest[rows, target, rank] = taken.reshape(-1).take(slot)
                    sizes.reshape(-1)[slot] = -1.0
        return Points(margins, slots, largest)

    def margins(self, bins: Bins) -> Floats:
        """The margins alone: n x T."""
        return self.points(bins, 0).margins

    def probabilities(self, margins: Floats, silent: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Of n x T margins: probabilities before calibration and calibrated; `silent` says which rows are scores of silence."""
        coefficients = self.calibrations[:, silent.astype(np.intp)].transpose(1, 0, 2)
        return probability(margins), probability(calibrated(margins, coefficients))


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, count, ROWS_AT_ONCE))
