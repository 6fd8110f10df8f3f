"""Alive and ready: what an orchestrator asks. Both stay open to everybody, for a kubelet sends no token; they tell nothing of users or of the input."""

from __future__ import annotations

from typing import Any

from worker.service.watch import Watch
from worker.settings import Settings


def alive(watch: Watch, stalled_after_s: float) -> dict[str, Any]:
    """Whether the loop turns. A log that is away does not make it fail: asking again is a sign of life, and a restart would help nobody."""
    return {"alive": watch.silent_s <= stalled_after_s, "silent_seconds": round(watch.silent_s, 1), "stalled_after_seconds": stalled_after_s}


def ready(watch: Watch, settings: Settings) -> dict[str, Any]:
    """Whether the worker does its work, and what is missing for it; a model that has learned nothing yet is one, or a new shop could never start."""
    missing: dict[str, str] = {}
    if watch.log_away:
        missing["log"] = watch.log_away
    if not watch.rounds:
        missing["loop"] = "it has not come round yet"
    if watch.destinations:
        missing["destinations"] = "; ".join(f"{name}: {why}" for name, why in sorted(watch.destinations.items()))
    if "scorer" in settings.service.roles:
        if not watch.partitions:
            missing["partitions"] = "none of the input is owned and restored yet"
        if watch.restoring:
            missing["state"] = "being read back: " + ", ".join(f"partition {number}, {left:,} records left" for number, left in sorted(watch.restoring.items()))
        if unread := [name for name in settings.targets if name not in watch.models]:
            missing["models"] = f"not read yet: {', '.join(unread)}"
    untrained = sorted(name for name, version in watch.models.items() if version.endswith("@0"))
    return {"ready": not missing, "missing": missing, "partitions": sorted(watch.partitions), "untrained": untrained}
