"""Durations as PromQL writes them."""

from __future__ import annotations

UNITS_S = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def promql(duration_s: float) -> str:
    """The shortest form of a duration of at least a second: 300 -> "5m", 5400 -> "90m"."""
    whole_s = max(1, round(duration_s))
    unit, size_s = next((unit, size_s) for unit, size_s in UNITS_S if whole_s % size_s == 0)
    return f"{whole_s // size_s}{unit}"
