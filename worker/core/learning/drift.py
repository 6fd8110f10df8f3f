"""Drift: whether features and scores of the last day are spread as those of the week before, by the population stability index.

PSI = sum over the cells of (a - b) ln(a / b), a and b the shares of the two samples; by custom 0.1 is worth a look and 0.25 a change. Even two samples of
one source differ, on average by (cells - 1)(1/n + 1/m): that much is taken off. (Yurdakul 2018, Statistical properties of population stability index.)

Time is event time, cut into pieces of six hours: the last PIECES_NOW are "now", the PIECES_BEFORE before them the reference. Features that tell the calendar
differ from day to day by what they are, and crosses follow from their parts: both are left out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from worker.core.learning.window import HISTOGRAM_EDGES
from worker.core.scoring.slots import BINS_PER_CAUSE, SLOTS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PIECE_MS = 6 * 3_600_000
PIECES_NOW, PIECES_BEFORE = 4, 28
LEAST_NOW, LEAST_BEFORE = 100, 500  # scores; of fewer nothing is said
CELLS = 32  # of a feature; what has more values shares them
CALENDAR = ("cause", "hour", "weekday", "season", "holiday")
WATCHED = tuple(place for place, slot in enumerate(SLOTS) if slot.kind != "cross" and slot.name not in CALENDAR)
FEATURES = tuple(SLOTS[place].name for place in WATCHED)
SCORE_CELLS = len(HISTOGRAM_EDGES) - 1


def psi(now: Ints, before: Ints) -> float:
    """The index of two samples, counts by cell, less what chance gives; 0 for equal ones. NaN where one holds nothing."""
    held = (now > 0) | (before > 0)
    a, b = now[held] + 0.5, before[held] + 0.5  # a cell that is empty in one sample would be infinitely far away
    n, m = float(now.sum()), float(before.sum())
    if not n or not m:
        return math.nan
    a, b = a / a.sum(), b / b.sum()
    index = float(((a - b) * np.log(a / b)).sum())
    return max(0.0, index - (len(a) - 1) * (1 / n + 1 / m))


def _cells() -> NDArray[np.int32]:
    """For every index of the table, the cell of its slot that it counts in; the reference bin, index 0, counts in the first."""
    cell = np.zeros(2 * BINS_PER_CAUSE, dtype=np.int32)
    for slot in SLOTS:
        for cause in (0, BINS_PER_CAUSE):
            cell[cause + slot.base : cause + slot.base + slot.size] = np.arange(slot.size) % CELLS
    return cell


_CELL_OF = _cells()
_FIRST = np.arange(len(WATCHED), dtype=np.int32) * CELLS
_PLACES = np.array(WATCHED)
_EDGES = np.array(HISTOGRAM_EDGES[1:-1])


class Drift:
    """Counts of the last eight days' scores at events. Bounded: so many pieces of so many cells."""

    def __init__(self, targets: int) -> None:
        self._targets = targets
        self._pieces: dict[int, Ints] = {}  # by number of the piece: how many scores, then the cells of features, then those of scores

    def observe(self, bins: NDArray[np.int32], p: Floats, time_ms: Ints) -> None:
        """Count n scores at events: bins n x slots, probabilities n x targets, times of the scores."""
        piece_of = time_ms // PIECE_MS
        for piece in np.unique(piece_of).tolist():
            mine = piece_of == piece
            counts = self._pieces.get(piece)
            if counts is None:
                counts = self._pieces[piece] = np.zeros(1 + len(WATCHED) * CELLS + self._targets * SCORE_CELLS, dtype=np.int64)
            cells = _CELL_OF.take(bins[mine][:, _PLACES]) + _FIRST
            scores = _EDGES.searchsorted(p[mine], side="right") + np.arange(self._targets) * SCORE_CELLS + len(WATCHED) * CELLS
            counts[0] += int(mine.sum())
            counts[1:] += np.bincount(np.concatenate([cells.ravel(), scores.ravel()]), minlength=len(counts) - 1)
        oldest = max(self._pieces, default=0) - PIECES_NOW - PIECES_BEFORE
        self._pieces = {piece: counts for piece, counts in self._pieces.items() if piece > oldest}

    def samples(self) -> tuple[int, int]:
        """How many scores are known of now, and of before."""
        now, before = self._sums()
        return int(now[0]), int(before[0])

    def features(self) -> dict[str, float]:
        """The index of every watched feature; none while too few scores are known."""
        found = self._indices(0, len(WATCHED), CELLS)
        return dict(zip(FEATURES, found, strict=False))

    def scores(self) -> list[float]:
        """The index of every target's probabilities; none while too few are known."""
        return self._indices(len(WATCHED) * CELLS, self._targets, SCORE_CELLS)

    def _indices(self, start: int, number: int, cells: int) -> list[float]:
        now, before = self._sums()
        if now[0] < LEAST_NOW or before[0] < LEAST_BEFORE:
            return []
        both = (counts[1 + start : 1 + start + number * cells].reshape(number, cells) for counts in (now, before))
        return [psi(a, b) for a, b in zip(*both, strict=True)]

    def _sums(self) -> tuple[Ints, Ints]:
        nothing = np.zeros(1 + len(WATCHED) * CELLS + self._targets * SCORE_CELLS, dtype=np.int64)
        latest = max(self._pieces, default=0)
        now = [counts for piece, counts in self._pieces.items() if piece > latest - PIECES_NOW]
        before = [counts for piece, counts in self._pieces.items() if piece <= latest - PIECES_NOW]
        return sum(now, nothing), sum(before, nothing)
