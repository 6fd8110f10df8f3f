"""What is known of published scores before anybody knows what came of them: how they are spread, whether they drift, what area they promise.

Fed by scoring_metrics.py turn by turn, and counted many turns at once. Of a turn only what is counted is held on to, for its columns are large: whoever
holds on to them has the next turns work on memory that is in no cache. Bounded, and empty after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.labels.decisions import EVENT, Scored
from worker.core.learning.drift import Drift
from worker.core.learning.window import Ring, estimated_auc
from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.specification import CAUSES

ALL_AT_FIRST = 8_000  # scores at events of which none is left out: a small shop, and a worker that has just started, say something soon
EVERY = 50  # one of so many from then on
SAMPLE = 64  # silent scores of one look, evenly spread over them
RECENT = 20_000  # sampled scores by which the area is expected


class Monitor:
    """The scores of one worker's partitions. For one thread at a time."""

    def __init__(self, metrics: Metrics, targets: Mapping[str, bool]) -> None:
        """`targets` says of each whether the absence of the outcome is published."""
        self._metrics = metrics
        self._targets = dict(targets)
        self._drift = Drift(len(targets))
        self._recent = {cause: Ring(len(targets), RECENT) for cause in CAUSES}
        self._seen = 0  # scores at events
        self._turns: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []  # marks and probabilities of scores that were not counted yet
        self._chosen: list[tuple[Any, Any, Any]] = []  # of those at events: bins, probabilities and times of the sample

    def take(self, scored: Scored) -> None:
        """Take a turn's scores over; look() counts them."""
        self._turns.append((scored.mark, scored.p))
        event = np.flatnonzero(scored.mark == EVENT)
        chosen = event if self._seen < ALL_AT_FIRST else event[-self._seen % EVERY :: EVERY]
        self._seen += len(event)
        if len(chosen):
            self._chosen.append((scored.bins[chosen], scored.p[chosen], scored.time_ms[chosen]))

    def look(self) -> None:
        """Count what came since the last look: probabilities all, and of the rest a sample."""
        if not self._turns:
            return
        mark, p = map(np.concatenate, zip(*self._turns, strict=True))
        for (target, absent), chance in zip(self._targets.items(), p.T, strict=True):
            self._metrics.observe("score_probability", 1.0 - chance if absent else chance, target)
        silent = np.flatnonzero(mark != EVENT)
        self._recent["silence"].push(*p[silent[:: max(1, -(-len(silent) // SAMPLE))]].T)
        if self._chosen:
            bins, p, time_ms = map(np.concatenate, zip(*self._chosen, strict=True))
            self._recent["event"].push(*p.T)
            self._drift.observe(bins, p, time_ms)
        self._turns, self._chosen = [], []

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
