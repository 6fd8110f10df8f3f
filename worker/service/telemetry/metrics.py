"""The values of the metrics, in a registry of their own.

Children of labelled metrics are looked up once and kept; values change once a turn. What happens is told in happenings.py, which alone changes them.
The names are those of specification.py; another one is a KeyError.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, disable_created_metrics
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from worker import __version__
from worker.service.telemetry.specification import BY_NAME, METRICS, PREFIX, Spec

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series a counter, that nobody asked for


class Buckets:
    """One histogram's counts. Takes a whole turn's values at once: one call an event would cost more than scoring it."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = np.array(bounds, dtype=np.float64)
        self._as_list = self._bounds.tolist()  # floats all of them: rules ask for le="1.0"
        self._state: tuple[NDArray[np.int64], float] = (np.zeros(len(bounds) + 1, dtype=np.int64), 0.0)  # counts and sum: replaced together

    def observe(self, values: NDArray[np.float64]) -> None:
        """Count each of n values."""
        counts, total = self._state
        found = np.bincount(self._bounds.searchsorted(values), minlength=len(counts))
        self._state = counts + found, total + float(values.sum())

    def observe_one(self, value: float) -> None:
        """Count one value; several times quicker than an array of one."""
        counts, total = self._state
        counts = counts.copy()
        counts[bisect_left(self._as_list, value)] += 1
        self._state = counts, total + value

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """The cumulated counts by upper bound, and the sum."""
        counts, total = self._state
        names = [*map(repr, self._as_list), "+Inf"]
        return list(zip(names, np.cumsum(counts).tolist(), strict=True)), total


class Histograms(Collector):
    """A histogram with its children."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._children: dict[tuple[str, ...], Buckets] = {}

    def labels(self, *values: str) -> Buckets:
        """The child of these label values, made when it is new."""
        return self._children.setdefault(values, Buckets(self._spec.bounds))

    def remove(self, *values: str) -> None:
        """Forget a child."""
        self._children.pop(values, None)

    def collect(self) -> Iterator[Metric]:
        """The histogram as it stands."""
        family = HistogramMetricFamily(PREFIX + self._spec.name, self._spec.says, labels=self._spec.labels)
        for values, child in sorted(self._children.copy().items()):
            buckets, total = child.read()
            family.add_metric(values, buckets, total)
        yield family


class Asking(Collector):
    """Has no metrics; before every reading of the others it asks for what was not told yet."""

    def __init__(self) -> None:
        self.asked: list[Callable[[], None]] = []

    def collect(self) -> Iterator[Metric]:
        """Nothing."""
        for tell in self.asked:
            tell()
        yield from ()


class Metrics:
    """All metrics of one process."""

    def __init__(self, targets: Iterable[str]) -> None:
        self.registry = registry = CollectorRegistry()
        self.targets = tuple(targets)
        self._families: dict[str, Any] = {}
        self._children: dict[tuple[str, ...], Any] = {}  # by name and label values
        self._asking = Asking()
        registry.register(self._asking)  # the first one, and so read first
        ProcessCollector(registry=registry)
        for spec in METRICS:
            self._families[spec.name] = self._family(spec)
            self._begin_at_zero(spec)
        self.set("build_info", 1, __version__, platform.python_version())

    def _family(self, spec: Spec) -> Any:
        if spec.kind == "histogram":
            family = Histograms(spec)
            self.registry.register(family)
            return family
        return (Counter if spec.kind == "counter" else Gauge)(PREFIX + spec.name, spec.says, spec.labels, registry=self.registry)

    def _begin_at_zero(self, spec: Spec) -> None:
        """Create the children of what counts: a rate needs the zero before the first one."""
        if spec.kind != "gauge":
            for values in product(*(spec.values(label, self.targets) for label in spec.labels)):
                self._child(spec.name, values)

    def _child(self, name: str, values: tuple[str, ...]) -> Any:
        key = (name, *values)
        child = self._children.get(key)
        if child is None:
            family = self._families[name]
            child = self._children[key] = family.labels(*values) if values or BY_NAME[name].kind == "histogram" else family
        return child

    def before_reading(self, tell: Callable[[], None]) -> None:
        """Have this called, in the reader's thread, whenever somebody is about to read."""
        self._asking.asked.append(tell)

    def begin(self, name: str, *labels: str) -> None:
        """Have a metric with these label values from now on, at zero: a rate needs the zero before the first one."""
        self._child(name, labels)

    # ---- changes

    def add(self, name: str, count: float, *labels: str) -> None:
        """Count; nothing happens for 0."""
        if count:
            self._child(name, labels).inc(count)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Say a gauge's value."""
        self._child(name, labels).set(value)

    def follow(self, name: str, value: Callable[[], float], *labels: str) -> None:
        """Have a gauge ask for its value whenever it is read, by another thread."""
        self._child(name, labels).set_function(value)

    def observe(self, name: str, values: NDArray[np.float64], *labels: str) -> None:
        """Count n values in a histogram."""
        self._child(name, labels).observe(values)

    def observe_one(self, name: str, value: float, *labels: str) -> None:
        """Count one value in a histogram."""
        self._child(name, labels).observe_one(value)

    def remove(self, name: str, *labels: str) -> None:
        """Take the children away whose label values begin with these."""
        for key in [key for key in self._children if key[: 1 + len(labels)] == (name, *labels)]:
            del self._children[key]
            self._families[name].remove(*key[1:])
