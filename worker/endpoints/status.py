"""All that the page shows, as one JSON object: figures of the metrics, the state of the worker, and the users who are likeliest.

It is the page's own: programs read /metrics. What has no value yet is null.
"""

from __future__ import annotations

import math
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from worker import __version__
from worker.endpoints.history import History, Series, values_of
from worker.endpoints.probes import alive, ready
from worker.service.clock import Clock
from worker.service.likeliest import Likely
from worker.service.masking import masked
from worker.service.watch import Watch
from worker.settings import Settings
from worker.views.bin_words import in_words
from worker.views.figures import printable
from worker.views.score_words import meaning

SHOWN = 10  # users a target
LONGEST_TEXT = 120


class Status:
    """Puts the object together. For the endpoint's thread."""

    def __init__(self, settings: Settings, member: str, where: str, registry: CollectorRegistry, watch: Watch, clock: Clock) -> None:
        self._settings = settings
        self._head = {"version": __version__, "member": member, "log": where, "roles": list(settings.service.roles)}
        self._registry = registry
        self._watch = watch
        self._clock = clock
        self.history = History(registry, clock.elapsed_s)

    def encoded(self) -> bytes:
        """The object as JSON."""
        return orjson.dumps(self.collected(), default=float)

    def collected(self) -> dict[str, Any]:
        """The object."""
        values, now = values_of(self._registry), self.history.sample()
        p50_s, p99_s, number = self.history.latency(now)
        recent = self.history.recent_deadletters(now)
        return {
            **self._head,
            "now_ms": self._clock.now_ms(),
            "began_ms": self._watch.began_ms,
            **alive(self._watch, self._settings.endpoint.stalled_after_ms / 1000),
            **ready(self._watch, self._settings),
            "restoring": dict(sorted((str(number), left) for number, left in self._watch.restoring.items())),
            "events_per_second": self.history.rate(now),
            "events_line": self.history.line(now),
            "latency": {"p50_s": p50_s, "p99_s": p99_s, "records": number},
            "totals": {name: one(values, f"{name}_total") for name in ("events_read", "events_scored")}
            | {"scores": summed(values, "scores_total"), "dropped": by(values, "events_dropped_total", "reason"), "users": one(values, "profiles")},
            "lag": lag(values),
            "deadletters": [
                {"reason": reason, "recent": recent.get(reason, 0.0), "total": total}
                for reason, total in sorted(by(values, "deadletter_total", "reason").items(), key=lambda item: (-recent.get(item[0], 0.0), -item[1]))
                if total
            ],
            "targets": [self._target(name, values) for name in self._settings.targets],
        }

    def _target(self, name: str, values: Series) -> dict[str, Any]:
        causes = [cause for cause in ("event", "silence") if one(values, "log_loss", target=name, cause=cause, model="published") >= 0]
        return {
            "name": name,
            "meaning": meaning(self._settings.targets[name]),
            "model": self._watch.models.get(name),
            "model_age_s": one(values, "model_age_seconds", target=name),
            "warming_up": one(values, "model_warming_up", target=name),
            "quality": [quality(values, name, cause) for cause in causes],
            "likeliest": [self._user(name, likely) for likely in self._watch.likeliest.top(name, SHOWN)],
        }

    def _user(self, target: str, likely: Likely) -> dict[str, Any]:
        record = orjson.loads(likely.record)
        mine = record[target]
        # What is untrained has no reasons that speak.
        reasons = [] if str(mine["model"]).endswith("@0") else mine.get("reasons") or []
        return {
            "user": self.shown(likely.user),
            "p": mine["p"],
            "lift": mine["lift"],
            "time_ms": likely.time_ms,
            "cause": record["cause"],
            "warming_up": mine.get("abstain") == "warming_up",
            "reasons": [[in_words(str(name))[:LONGEST_TEXT], points] for name, points in reasons],
        }

    def shown(self, user: str) -> str:
        """A user id as the page may show it: whole, or as in the log."""
        return printable(user)[:LONGEST_TEXT] if self._settings.endpoint.show_user_ids else masked(user)


def one(values: Series, name: str, **labels: str) -> float:
    """The value of one series, NaN where it is not there."""
    return values.get((name, tuple(sorted(labels.items()))), math.nan)


def by(values: Series, name: str, label: str) -> dict[str, float]:
    """The values of a metric with one label, by its value."""
    return {labels[0][1]: value for (found, labels), value in values.items() if found == name and len(labels) == 1 and labels[0][0] == label}


def summed(values: Series, name: str) -> float:
    """A metric over all of its labels."""
    return sum(value for (found, _), value in values.items() if found == name)


def lag(values: Series) -> dict[str, Any]:
    """By partition, as it was measured last; in seconds the longest."""
    records, waited_s = by(values, "lag_records", "partition"), by(values, "lag_seconds", "partition")
    return {
        "records": sum(records.values()) if records else math.nan,
        "seconds": max(waited_s.values(), default=math.nan),
        "partitions": [
            {"partition": int(number), "records": records[number], "seconds": waited_s.get(number, math.nan)} for number in sorted(records, key=int)
        ],
    }


def quality(values: Series, target: str, cause: str) -> dict[str, Any]:
    """How good the probabilities of one target and cause were; bins as said, came true, decisions."""
    of = {"target": target, "cause": cause}
    names = ("judged_decisions", "base_rate", "log_loss_baseline", "roc_auc", "calibration_ratio")
    numbers = sorted(
        (dict(labels)["bin"] for name, labels in values if name == "calibration_bin_decisions" and {**dict(labels), **of} == dict(labels)), key=int
    )
    bins = [[one(values, f"calibration_bin_{what}", **of, bin=number) for what in ("predicted", "observed", "decisions")] for number in numbers]
    return {
        "cause": cause,
        **{name: one(values, name, **of) for name in names},
        "log_loss": one(values, "log_loss", **of, model="published"),
        "bins": [row for row in bins if row[2] > 0],
    }
