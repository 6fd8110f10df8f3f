"""Holds scores against the truth at once, without waiting seven days for outcomes.

Two views. "every": each event counts once and is set against the true probabilities q just after it; log-loss is the expected one,
−[q ln p + (1−q) ln(1−p)], and that of q itself stands beside it, which nothing that only sees events can beat. "drawn": as a scorer that
learns from one event a user and day is to be judged, weighted and in hindsight (see `hindsight`); a least loss is not known there.
Late records and second copies are left out: their scores may know more of the customer than the truth of that moment does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from worker.demo.behaviour import Floats
from worker.demo.flaws import PLAIN
from worker.demo.shop import Chunk
from worker.demo.truth import TARGETS

EDGES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7)
VIEWS = ("drawn", "every")
View = Literal["drawn", "every"]
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target's scores against the truth, over the records judged of late; nan where nothing was judged."""

    log_loss: float
    baseline_log_loss: float
    """Of the base rate, said to everyone."""
    best_log_loss: float
    """Of the truth itself; nan in the drawn view."""
    calibration_ratio: float
    """Mean probability said over mean probability true."""
    bins: tuple[tuple[float, float, float], ...]
    """(mean p, mean truth, weight) of each bin of p that holds any, ascending."""


_UNKNOWN = Verdict(np.nan, np.nan, np.nan, np.nan, ())


class Referee:
    """Keeps the truth of what was sent until its score comes; old verdicts fade, half of them gone after `half_life` scores."""

    def __init__(self, half_life: int = 20_000) -> None:
        self._half_life = half_life
        self._waiting: dict[str, tuple[Chunk, int]] = {}
        # Per view, target and bin: weight, sum of p, sum of truth, sum of the loss, sum of the truth's own loss.
        self._sums = np.zeros((len(VIEWS), len(TARGETS), len(EDGES) + 1, 5))

    @property
    def waiting(self) -> int:
        """Records whose score has not come."""
        return len(self._waiting)

    def expect(self, chunk: Chunk) -> None:
        """Remember the truth of records about to be sent."""
        for row, (event_id, flaw) in enumerate(zip(chunk.event_ids, chunk.flaw.tolist(), strict=True)):
            if flaw == PLAIN:
                self._waiting[event_id] = chunk, row

    def judge(self, event_ids: Sequence[str], p: Floats) -> int:
        """Hold published probabilities, float64[n, 3] in the order of TARGETS, against the truth; returns how many of the events were known."""
        known = [(row, *found) for row, event_id in enumerate(event_ids) if (found := self._waiting.pop(event_id, None)) is not None]
        if not known:
            return 0
        said = np.clip(p[[row for row, _, _ in known]], _LEAST, 1 - _LEAST)
        self._sums *= 0.5 ** (len(known) / self._half_life)
        hindsight, weight = np.array([chunk.hindsight[row] for _, chunk, row in known]), np.array([chunk.weight[row] for _, chunk, row in known])
        self._add(self._sums[0], said, hindsight, weight)
        self._add(self._sums[1], said, np.array([chunk.truth[row] for _, chunk, row in known]), np.ones(len(known)))
        return len(known)

    def verdict(self, target: str, view: View = "drawn") -> Verdict:
        """What the scores of one of TARGETS are worth."""
        bins = self._sums[VIEWS.index(view), TARGETS.index(target)]
        weight, said, true, loss, least = bins.sum(axis=0).tolist()
        if weight <= 0:
            return _UNKNOWN
        rate = np.clip(np.array([true / weight]), _LEAST, 1 - _LEAST)
        return Verdict(
            log_loss=loss / weight,
            baseline_log_loss=float(_cross_entropy(rate, rate)[0]),
            best_log_loss=least / weight if view == "every" else np.nan,
            calibration_ratio=said / true if true > 0 else np.nan,
            bins=tuple((row[1] / row[0], row[2] / row[0], row[0]) for row in bins.tolist() if row[0] > 0),
        )

    @staticmethod
    def _add(sums: Floats, said: Floats, true: Floats, weight: Floats) -> None:
        """Add to sums [targets, bins, 5] what was said, [n, targets], where `true` held."""
        loss, least = _cross_entropy(true, said), _cross_entropy(true, np.clip(true, _LEAST, 1 - _LEAST))
        for target in range(len(TARGETS)):
            place = np.searchsorted(EDGES, said[:, target], side="right")
            parts = np.stack([np.ones(len(said)), said[:, target], true[:, target], loss[:, target], least[:, target]], axis=1)
            np.add.at(sums[target], place, parts * weight[:, None])


def _cross_entropy(true: Floats, said: Floats) -> Floats:
    """Expected loss of saying `said` where `true` holds."""
    return np.asarray(-(true * np.log(said) + (1 - true) * np.log1p(-said)), dtype=np.float64)
