"""The metrics: every name, its meaning, and how it is served.

Children of labelled metrics are looked up once and kept; values change once a turn. What happens is told in happenings.py, which alone changes them.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from worker import __version__
from worker.errors import ClickscoreError

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series a counter, that nobody asked for

STEPS = ("poll", "score", "send", "commit")
STEP_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LATENCY_BOUNDS_S = (0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
DROP_REASONS, CAUSES, OUTCOMES = ("late", "duplicate"), ("event", "silence"), ("happened", "absent")


class PortTaken(ClickscoreError):
    """The metrics cannot be served where they were asked for."""

    exit_code = 78


class Latency(Collector):
    """A histogram that takes a whole turn's values at once: one call an event would cost more than scoring it."""

    def __init__(self, name: str, text: str, bounds_s: Iterable[float]) -> None:
        self._name, self._text = name, text
        self._bounds = np.array(sorted(bounds_s))
        self._counts = np.zeros(len(self._bounds) + 1, dtype=np.int64)
        self._sum_s = 0.0

    def observe(self, values_s: NDArray[np.float64]) -> None:
        """Count each of n durations."""
        self._counts = self._counts + np.bincount(np.searchsorted(self._bounds, values_s), minlength=len(self._counts))
        self._sum_s += float(values_s.sum())

    def collect(self) -> Iterator[Metric]:
        """The histogram as it stands."""
        reached = np.cumsum(self._counts).tolist()
        names = [*(str(bound) for bound in self._bounds.tolist()), "+Inf"]
        yield HistogramMetricFamily(self._name, self._text, buckets=list(zip(names, reached, strict=True)), sum_value=self._sum_s)


class Metrics:
    """All metrics of one process, in a registry of its own."""

    def __init__(self, targets: Iterable[str]) -> None:
        self.registry = registry = CollectorRegistry()
        self.targets = tuple(targets)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"clickscore_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"clickscore_{name}", text, labels, registry=registry)

        self.events_read = counter("events_read_total", "Records read from the input; each is scored, dropped or a dead letter.")
        self.events_scored = counter("events_scored_total", "Events that got a score.")
        self.scores = counter("scores_total", "Scores published, by what changed them.", "cause")
        self.events_dropped = counter("events_dropped_total", "Events that count for nothing.", "reason")
        self.deadletters = counter("deadletter_total", "Records that could not be read as events.", "reason")
        self.examples = counter("examples_total", "Examples published, by what came of the decision.", "target", "outcome")
        self.outages = counter("outages_total", "Times that the input was away, by its own habit.")
        self.outcomes_voided = counter("outcomes_voided_total", "Outcomes that an outage of the input cut; nothing is learned from them.")
        self.examples_learned = counter("examples_learned_total", "Examples that a trainer has learned.", "target")
        self.examples_refused = counter("examples_refused_total", "Records among the examples that are none for their trainer.")
        self.log_retries = counter("log_retries_total", "Calls on the log that had to be made again.")
        self.turns_fenced = counter("turns_fenced_total", "Turns given up because another worker had taken their partitions.")
        self.step_s = Histogram("clickscore_turn_duration_seconds", "Time of a turn, by step.", ["step"], buckets=STEP_BOUNDS_S, registry=registry)
        self.turn_events = gauge("turn_events", "Records of the last turn.")
        self.latency = Latency("clickscore_end_to_end_latency_seconds", "From the record's writing to the commit of its score.", LATENCY_BOUNDS_S)
        registry.register(self.latency)
        self.assigned_partitions = gauge("assigned_partitions", "Partitions of the input that this worker owns.")
        self.profiles = gauge("profiles", "Users remembered.")
        self.profile_bytes = gauge("profile_bytes", "Memory of their profiles.")
        self.users_forgotten = counter("profile_evictions_total", "Users forgotten, by reason.", "reason")
        self.restore_remaining = gauge("restore_remaining_records", "Changelog records still to be read back.")
        self.log_loss = gauge("log_loss", "Mean log-loss of the probabilities published, over recent matured outcomes.", "target")
        self.log_loss_baseline = gauge("log_loss_baseline", "The same, had the base rate been published every time.", "target")
        self.model_version = gauge("model_version", "Examples that the model in force has learned.", "target")
        self.model_age_s = gauge("model_age_seconds", "Since the model in force was published.", "target")
        self.last_progress = gauge("last_progress_timestamp_seconds", "Unix time when the worker last had nothing left to do, or got something done.")
        gauge("build_info", "The program that runs.", "version", "python").labels(__version__, platform.python_version()).set(1)
        self.child = cache(self._child)
        self._begin_at_zero()

    def _child(self, metric: Any, *labels: str) -> Any:
        """A labelled metric's child; `child` keeps every one that was asked for."""
        return metric.labels(*labels)

    def _begin_at_zero(self) -> None:
        """Create the children that are known beforehand: a rate needs the zero before the first one."""
        for cause in CAUSES:
            self.child(self.scores, cause)
        for reason in DROP_REASONS:
            self.child(self.events_dropped, reason)
        for step in STEPS:
            self.child(self.step_s, step)
        for target in self.targets:
            self.child(self.examples_learned, target)
            for outcome in OUTCOMES:
                self.child(self.examples, target, outcome)

    def serve(self, host: str, port: int) -> Endpoint | None:
        """Serve them at http://host:port/metrics; port 0 serves none. Raises PortTaken."""
        if port == 0:
            return None
        try:
            server, thread = start_http_server(port, host, self.registry)
        except (OSError, OverflowError) as error:
            raise PortTaken(
                f"the metrics cannot be served: {getattr(error, 'strerror', None) or error}",
                f"{host}:{port}",
                "stop what listens there, or choose another port with --endpoint-port (0 serves none)",
            ) from None
        return Endpoint(server, thread)


class Endpoint:
    """The port on which metrics are served, until it is closed."""

    def __init__(self, server: Any, thread: Any) -> None:
        self._server, self._thread = server, thread

    def close(self) -> None:
        """Free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
