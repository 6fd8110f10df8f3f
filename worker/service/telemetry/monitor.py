"""What is known of published scores before anybody knows what came of them: how they are spread, whether they drift, what area they promise.

Fed by scoring_metrics.py with many turns at once. Bounded, and empty after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.labels.decisions import EVENT, Scored
from worker.core.learning.drift import Drift
from worker.core.learning.window import Ring, estimated_auc
from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.specification import CAUSES

ALL_AT_FIRST = 8_000  # scores at events of which none is left out: a small shop, and a worker that has just started, say something soon
SAMPLE = 64  # scores of one look and cause from then on, evenly spread over them
RECENT = 20_000  # sampled scores by which the area is expected


class Monitor:
    """The scores of one worker's partitions. For one thread at a time."""

    def __init__(self, metrics: Metrics, targets: Mapping[str, bool]) -> None:
        """`targets` says of each whether the absence of the outcome is published."""
        self._metrics = metrics
        self._targets = dict(targets)
        self._drift = Drift(len(targets))
        self._recent = {cause: Ring(len(targets), RECENT) for cause in CAUSES}
        self._seen = 0

    def look(self, turns: Sequence[Scored]) -> None:
        """Take the scores of some turns over: their probabilities are counted all, and of the rest a sample is looked at."""
        mark, p, time_ms = (_joined([getattr(scored, name) for scored in turns]) for name in ("mark", "p", "time_ms"))
        for (target, absent), chance in zip(self._targets.items(), p.T, strict=True):
            self._metrics.observe("score_probability", 1.0 - chance if absent else chance, target)
        event, silent = np.flatnonzero(mark == EVENT), np.flatnonzero(mark != EVENT)
        self._recent["silence"].push(*p[_sample(silent)].T)
        event = event if self._seen < ALL_AT_FIRST else _sample(event)
        self._seen += len(event)
        self._recent["event"].push(*p[event].T)
        if len(event):
            self._drift.observe(rows_of([scored.bins for scored in turns], event), p[event], time_ms[event])

    def report(self) -> None:
        """Bring the gauges up to date; some milliseconds."""
        metrics = self._metrics
        now, before = self._drift.samples()
        metrics.set("drift_scores", now)
        metrics.set("drift_reference_scores", before)
        for feature, index in self._drift.features().items():
            metrics.set("feature_drift_psi", index, feature)
        for target, index in zip(self._targets, self._drift.scores(), strict=False):
            metrics.set("score_drift_psi", index, target)
        for cause, recent in self._recent.items():
            for target, p in zip(self._targets, recent.columns(), strict=True):
                if len(p) >= 2:
                    metrics.set("roc_auc_expected_now", estimated_auc(p, np.ones(len(p))), target, cause)


def _joined(parts: Sequence[Any]) -> Any:
    """One array of several; one alone, which may be large, is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _sample(places: NDArray[np.int64]) -> NDArray[np.int64]:
    return places[:: max(1, -(-len(places) // SAMPLE))]


def rows_of(parts: Sequence[Any], chosen: NDArray[np.int64]) -> Any:
    """Rows of many arrays as if they were one; only those are copied."""
    starts = np.cumsum([0, *map(len, parts)])
    cuts = chosen.searchsorted(starts)
    return np.concatenate([part[chosen[low:high] - start] for part, start, low, high in zip(parts, starts, cuts, cuts[1:], strict=False) if low < high])
