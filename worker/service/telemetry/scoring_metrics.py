"""What metrics say of a scorer's turns and of its partitions. happenings.py alone calls this."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from worker.core.labels.examples import Example
from worker.service.clock import Clock
from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.monitor import Monitor

if TYPE_CHECKING:
    from worker.service.telemetry.happenings import Committed

REPORT_EVERY_S = 15.0  # what sorts thousands of scores
OF_PARTITIONS = ("lag_records", "lag_seconds", "watermark_timestamp_seconds")


class ScoringMetrics:
    """The metrics that a scorer moves, apart from plain counters."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._monitor: Monitor | None = None
        self._reported_s = clock.elapsed_s()
        self._nothing_unread_ms: dict[int, int] = {}  # by partition: when that was last so
        self._owned: frozenset[int] = frozenset()

    def turn_committed(self, done: Committed) -> None:
        """State, delays and scores of a turn."""
        metrics, pipelines = self._metrics, done.pipelines
        metrics.set("profiles", sum(len(pipeline.profiles) for pipeline in pipelines.values()))
        metrics.set("profile_bytes", sum(pipeline.profiles.bytes for pipeline in pipelines.values()))
        metrics.set("pending_decisions", sum(len(pipeline.decisions) for pipeline in pipelines.values()))
        delays_s: dict[str, list[float]] = {}
        for partition, turn in done.turns.items():
            reached_ms = pipelines[partition].watermark.value
            if reached_ms >= 0:
                metrics.set("watermark_timestamp_seconds", reached_ms / 1000, str(partition))
            for example in turn.examples:
                if isinstance(example, Example) and example.sense == "matured":
                    delays_s.setdefault(example.target, []).append((reached_ms - example.time_ms) / 1000)
        for target, waited_s in delays_s.items():
            metrics.observe("label_delay_seconds", np.array(waited_s), target)
        self._scores(done)

    def _scores(self, done: Committed) -> None:
        names = done.scorecards.targets
        if self._monitor is None:
            self._monitor = Monitor(self._metrics, names)
        absent = {name: done.targets[name].absence for name in names}
        warming_up = dict(zip(names, done.scorecards.warming_up, strict=True))
        self._monitor.scored([turn.scored for turn in done.turns.values() if turn.scored is not None], absent, warming_up)
        now_s = self._clock.elapsed_s()
        if now_s - self._reported_s >= REPORT_EVERY_S:
            self._reported_s = now_s
            self._monitor.report()

    def lag_seen(self, offsets: Mapping[int, int], newest_ms: Mapping[int, int]) -> None:
        """How many offsets of each partition were unread just now, and when the last record that was read had been written.

        The oldest unread record was written after that, and after the last time when nothing was unread: so long it has waited at most.
        """
        now_ms = self._clock.now_ms()
        for partition, unread in offsets.items():
            if partition not in self._owned:
                continue
            self._metrics.set("lag_records", unread, str(partition))
            if unread == 0:
                self._nothing_unread_ms[partition] = now_ms
                self._metrics.follow("lag_seconds", _zero, str(partition))
                continue
            since_ms = max(self._nothing_unread_ms.get(partition, 0), newest_ms.get(partition, 0))
            if since_ms:  # else nobody knows yet: nothing was read
                self._metrics.follow("lag_seconds", _Since(self._clock, since_ms), str(partition))

    def assignment_changed(self, partitions: Collection[int]) -> None:
        """Of partitions that are not ours any more nothing is said."""
        self._metrics.set("assigned_partitions", len(partitions))
        for partition in self._owned.difference(partitions):
            self._nothing_unread_ms.pop(partition, None)
            for name in OF_PARTITIONS:
                self._metrics.remove(name, str(partition))
        self._owned = frozenset(partitions)


class _Since:
    """Seconds since a moment; grows while nobody says otherwise, also when the worker hangs."""

    def __init__(self, clock: Clock, since_ms: int) -> None:
        self._clock = clock
        self._since_ms = since_ms

    def __call__(self) -> float:
        return max(0.0, (self._clock.now_ms() - self._since_ms) / 1000)


def _zero() -> float:
    return 0.0
