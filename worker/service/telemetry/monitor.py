"""What is known of published scores before anybody knows what came of them: how they are spread, whether they drift, what area they promise.

Fed once a turn by happenings.py with a sample of the turn's scores; bounded, and empty after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from worker.core.labels.decisions import EVENT, Scored
from worker.core.learning.drift import Drift
from worker.core.learning.window import Ring, estimated_auc
from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.specification import CAUSES

SAMPLE = 64  # scores of one turn, evenly spread over it
RECENT = 20_000  # sampled scores by which the area is expected


class Monitor:
    """The scores of one worker's partitions. For one thread."""

    def __init__(self, metrics: Metrics, targets: Sequence[str]) -> None:
        self._metrics = metrics
        self._targets = tuple(targets)
        self._drift = Drift(len(targets))
        self._recent = {cause: Ring(len(targets), RECENT) for cause in CAUSES}

    def scored(self, turns: Iterable[Scored], absent: Mapping[str, bool], warming_up: Mapping[str, bool]) -> None:
        """Take the scores of a turn over; `absent` says of which targets the absence of the outcome is published."""
        for scored in turns:
            number = len(scored.p)
            if not number:
                continue
            for place, target in enumerate(self._targets):
                p = scored.p[:, place]
                self._metrics.observe("score_probability", 1.0 - p if absent[target] else p, target)
                if warming_up[target]:
                    self._metrics.add("abstained_total", number, target)
            chosen = np.arange(0, number, -(-number // SAMPLE))
            at_event = scored.mark[chosen] == EVENT
            self._recent["event"].push(*scored.p[chosen[at_event]].T)
            self._recent["silence"].push(*scored.p[chosen[~at_event]].T)
            chosen = chosen[at_event]
            if len(chosen):
                self._drift.observe(scored.bins[chosen], scored.p[chosen], scored.time_ms[chosen])

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
