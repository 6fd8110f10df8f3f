"""What metrics say of a scorer's turns and of its partitions. happenings.py alone calls this."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from worker.service.clock import Clock
from worker.service.queries.uplift import totals_of
from worker.service.telemetry.committed import Committed
from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.monitor import Monitor
from worker.service.telemetry.specification import KNOWN

if TYPE_CHECKING:
    from worker.core.pipeline import Pipeline

AT_ONCE, AT_MOST_S = 6_000, 1.0  # scores, examples and records that wait, and for how long; whoever reads the metrics does not wait
REPORT_EVERY_S = 15.0  # what sorts thousands of scores
SIZES = ("profiles", "profile_bytes", "pending_decisions")
OF_PARTITIONS = ("lag_records", "lag_seconds", "watermark_timestamp_seconds")


@dataclass(slots=True)
class _Waiting:
    """What turns have left that is counted by the thousand: a turn of some hundred would cost several times as much on its own."""

    since_s: float
    delays_ms: defaultdict[tuple[str, bool], list[int]] = field(default_factory=lambda: defaultdict(list))  # of what matured, by target and outcome
    written: list[tuple[int, Sequence[int]]] = field(default_factory=list)  # when records were committed; when they had been written
    number: int = 0  # of all of them


class ScoringMetrics:
    """The metrics that a scorer moves, apart from plain counters. Called by the loop's thread, and for each reading by who reads."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._monitor: Monitor | None = None
        self._reported_s = clock.elapsed_s()
        self._pipelines: Mapping[int, Pipeline] = {}  # none where there was no turn since the last report
        self._sizes: tuple[int, ...] = ()  # as of the last turn: of SIZES
        self._reached_ms: dict[int, int] = {}  # by partition that had a turn and was not told of since: how far event time is
        self._nothing_unread_ms: dict[int, int] = {}  # by partition: when that was last so
        self._owned: frozenset[int] = frozenset()
        self._lock = threading.Lock()  # of what waits to be told and of the monitor
        self._waiting = _Waiting(clock.elapsed_s())
        metrics.before_reading(self.bring_up_to_date)

    def turn_committed(self, done: Committed) -> None:
        """State, examples and scores of a turn."""
        pipelines = done.pipelines
        self._pipelines = pipelines
        sizes = [(len(one.profiles), one.profiles.bytes, len(one.decisions)) for one in pipelines.values()]
        with self._lock:
            self._sizes = tuple(map(sum, zip(*sizes, strict=True)))
            self._reached_ms.update((partition, pipelines[partition].watermark.value) for partition in done.turns)
        self._wait(done)
        if self._waiting.number >= AT_ONCE:
            self.bring_up_to_date()

    def progressed(self) -> None:
        """The loop has come round, with a turn or without."""
        now_s = self._clock.elapsed_s()
        if self._waiting.number and now_s - self._waiting.since_s >= AT_MOST_S:
            self.bring_up_to_date()
        if self._pipelines and now_s - self._reported_s >= REPORT_EVERY_S:
            self._reported_s, pipelines, self._pipelines = now_s, self._pipelines, {}
            with self._lock:
                if self._monitor:
                    self._monitor.report()
            self._count_members(pipelines)
            self._count_assigned(pipelines)

    def bring_up_to_date(self) -> None:
        """Count what waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, _Waiting(self._clock.elapsed_s())
            for name, size in zip(SIZES, self._sizes, strict=False):  # none before the first turn
                self._metrics.set(name, size)
            reached_ms, self._reached_ms = self._reached_ms, {}
            for partition, at_ms in reached_ms.items():
                if at_ms >= 0 and partition in self._owned:
                    self._metrics.set("watermark_timestamp_seconds", at_ms / 1000, str(partition))
            if self._monitor:
                self._monitor.look()
            for (target, outcome), delays_ms in waiting.delays_ms.items():
                self._metrics.add("examples_total", len(delays_ms), target, "happened" if outcome else "absent")
                self._metrics.observe("label_delay_seconds", np.array(delays_ms) / 1000, target)
            if waiting.written:
                now_ms = np.repeat([at_ms for at_ms, _ in waiting.written], [len(times_ms) for _, times_ms in waiting.written])
                waited_s = (now_ms - np.array(list(chain.from_iterable(times_ms for _, times_ms in waiting.written)))) / 1000
                self._metrics.observe("end_to_end_latency_seconds", np.maximum(waited_s, 0.0))

    def _wait(self, done: Committed) -> None:
        names = done.scorecards.targets
        with self._lock:
            if self._monitor is None:
                self._monitor = Monitor(self._metrics, {name: done.targets[name].absence for name in names})
            waiting = self._waiting
            for partition, turn in done.turns.items():
                if turn.scored is not None and len(turn.scored.p):
                    self._monitor.take(turn.scored)
                    for name, warming_up in zip(names, done.scorecards.warming_up, strict=True):
                        if warming_up:
                            self._metrics.add("abstained_total", len(turn.scored.p), name)
                published_ms = done.pipelines[partition].watermark.value
                for example in turn.examples:
                    if example.sense == "matured":
                        waiting.delays_ms[example.target, example.outcome].append(published_ms - example.time_ms)
                waiting.number += len(turn.scores) + len(turn.examples)
            if done.written_ms:
                waiting.written.append((self._clock.now_ms(), done.written_ms))
                waiting.number += len(done.written_ms)

    def _count_members(self, pipelines: Mapping[int, Pipeline]) -> None:
        members: Counter[str] = Counter()
        for pipeline in pipelines.values():
            members.update(pipeline.action.members() if pipeline.action else {})
        for segment, count in members.items():
            self._metrics.set("segment_members", count, segment)

    def _count_assigned(self, pipelines: Mapping[int, Pipeline]) -> None:
        for rule, totals in totals_of(pipeline.action for pipeline in pipelines.values() if pipeline.action).items():
            for arm, counts in totals.arms.items():
                for known, count in zip(KNOWN, counts, strict=True):
                    self._metrics.set("uplift_users", count, rule, arm, known)

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
