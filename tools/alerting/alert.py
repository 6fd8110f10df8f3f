"""An alert as a rule file holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tools.alerting.durations import promql


@dataclass(frozen=True, slots=True)
class Alerts:
    """Makes alerts. `page` is the address of an alert's runbook, with {alert} for its name; `scale` shortens every time."""

    page: str
    scale: float

    def alert(self, name: str, severity: str, for_s: float, expr: str, summary: str, description: str) -> dict[str, Any]:
        """One alert that fires when `expr` has had an answer for so long."""
        return {
            "alert": name,
            "expr": expr,
            "for": promql(for_s * self.scale),
            "labels": {"severity": severity},
            "annotations": {"summary": summary, "description": description, "runbook_url": self.page.format(alert=name)},
        }

    def window(self, duration_s: float) -> str:
        """A duration for a range, shortened."""
        return promql(duration_s * self.scale)
