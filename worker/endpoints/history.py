"""Figures over time, for a page that has just been opened: the metrics as they were, sample by sample, for a few minutes back.

Sampled in the endpoint's own thread from the registry that /metrics shows, so that both say the same.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from prometheus_client import CollectorRegistry

from worker.service.telemetry.specification import PREFIX

KEPT_S, LATELY_S, RECENT_S = 600.0, 10.0, 300.0
MOST = 400  # samples
POINTS = 60  # of the line that the page draws
LATENCY = "end_to_end_latency_seconds"

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(slots=True)
class Sample:
    """The values at one moment; of a histogram the cumulated counts by upper bound."""

    at_s: float
    scored: float = 0.0
    deadletters: dict[str, float] = field(default_factory=dict)
    buckets: dict[float, float] = field(default_factory=dict)


def values_of(registry: CollectorRegistry) -> Series:
    """Every sample of the registry, by name without the prefix and by labels."""
    return {
        (sample.name.removeprefix(PREFIX), tuple(sorted(sample.labels.items()))): sample.value for family in registry.collect() for sample in family.samples
    }


class History:
    """The last KEPT_S seconds of a few metrics. For one thread."""

    def __init__(self, registry: CollectorRegistry, elapsed_s: Callable[[], float]) -> None:
        self._registry = registry
        self._elapsed_s = elapsed_s
        self._samples: deque[Sample] = deque(maxlen=MOST)

    def sample(self) -> Sample:
        """The values of now."""
        now = Sample(self._elapsed_s())
        for (name, labels), value in values_of(self._registry).items():
            if name == "events_scored_total":
                now.scored = value
            elif name == "deadletter_total":
                now.deadletters[labels[0][1]] = value
            elif name == f"{LATENCY}_bucket":
                now.buckets[float(labels[0][1])] = value
        return now

    def keep(self) -> None:
        """Keep the values of now; the server calls it regularly."""
        now = self.sample()
        while self._samples and self._samples[0].at_s < now.at_s - KEPT_S:
            self._samples.popleft()
        self._samples.append(now)

    def rate(self, now: Sample) -> float:
        """Events scored a second over the last LATELY_S; NaN until there are two samples."""
        before = self._before(now, LATELY_S)
        return (now.scored - before.scored) / (now.at_s - before.at_s) if before else math.nan

    def line(self, now: Sample) -> list[tuple[float, float]]:
        """Up to POINTS rates over time: seconds before now, events a second."""
        samples = [*self._samples, now]
        step = max(1, -(-len(samples) // POINTS))
        chosen = samples[::-1][::step][::-1]
        # what is shorter says little: one turn more or less
        return [(round(b.at_s - now.at_s, 1), round((b.scored - a.scored) / (b.at_s - a.at_s), 2)) for a, b in pairwise(chosen) if b.at_s - a.at_s >= 1]

    def recent_deadletters(self, now: Sample) -> dict[str, float]:
        """By reason, of the last RECENT_S."""
        before = self._before(now, RECENT_S) or Sample(now.at_s)
        return {reason: count - before.deadletters.get(reason, 0.0) for reason, count in now.deadletters.items()}

    def latency(self, now: Sample) -> tuple[float, float, float]:
        """p50 and p99 in seconds of the last RECENT_S, and of how many records; NaN where there were none."""
        before = self._before(now, RECENT_S) or Sample(now.at_s)
        reached = sorted((bound, count - before.buckets.get(bound, 0.0)) for bound, count in now.buckets.items())
        number = reached[-1][1] if reached else 0.0
        return quantile(reached, 0.5), quantile(reached, 0.99), number

    def _before(self, now: Sample, span_s: float) -> Sample | None:
        """The oldest sample of the span before now."""
        return next((sample for sample in self._samples if now.at_s - span_s <= sample.at_s < now.at_s), None)


def quantile(reached: list[tuple[float, float]], share: float) -> float:
    """A quantile of a histogram with cumulated counts, linear within a bucket as Prometheus has it; the last finite bound for what lies above it."""
    number = reached[-1][1] if reached else 0.0
    if number <= 0:
        return math.nan
    low_bound = low_count = 0.0
    for bound, count in reached:
        if count >= share * number:
            if math.isinf(bound):
                return low_bound
            return low_bound + (bound - low_bound) * (share * number - low_count) / max(count - low_count, 1e-12)
        low_bound, low_count = bound, count
    return low_bound
