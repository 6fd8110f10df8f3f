"""The three service objectives, and the rules that say how fast their error budgets burn.

An error budget is what an objective leaves: 1 % of 30 days for 99 %. A burn rate of 1 uses it up in just that time, 14.4 uses 2 % of it in one hour.
Each alert looks at a long window, so that it is about something, and at a short one, so that it ends soon after its cause. The windows and rates
are those of the Site Reliability Workbook (Beyer and others 2018), chapter 5, "Alerting on SLOs".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tools.alerting.durations import promql

MINUTE_S, HOUR_S, DAY_S = 60.0, 3_600.0, 86_400.0
FRESH_S, CALIBRATED_FROM, CALIBRATED_TO, STILL_S, LEAST_JUDGED = 1.0, 0.8, 1.25, 60.0, 1_000
JOB, PUBLISHED = "clickscore", '{model="published"}'


@dataclass(frozen=True, slots=True)
class Burn:
    """A speed at which the budget goes, over a short and a long window, and how much that matters."""

    rate: float
    short_s: float
    long_s: float
    severity: str
    for_s: float


BURNS = (
    Burn(14.4, 5 * MINUTE_S, HOUR_S, "page", MINUTE_S),
    Burn(6, 30 * MINUTE_S, 6 * HOUR_S, "page", 5 * MINUTE_S),
    Burn(3, 2 * HOUR_S, DAY_S, "ticket", 15 * MINUTE_S),
    Burn(1, 6 * HOUR_S, 3 * DAY_S, "ticket", HOUR_S),
)


@dataclass(frozen=True, slots=True)
class Objective:
    """What was promised: the share of good out of all, and the PromQL of the share of bad over a window."""

    name: str
    alert: str
    good_share: float
    by: str
    says: str
    summary: str
    errors: Callable[[str], str]

    def record(self, window: str) -> str:
        """The name of the recorded share of bad over a window."""
        return f"clickscore:{self.name}_errors:ratio_rate{window}"


def _stale(window: str) -> str:
    fresh = f'sum by (job) (rate(clickscore_end_to_end_latency_seconds_bucket{{le="{FRESH_S}"}}[{window}]))'
    return f"1 - {fresh}\n  / sum by (job) (rate(clickscore_end_to_end_latency_seconds_count[{window}]))"


def _unavailable(window: str) -> str:
    return f"1 - avg by (job) (avg_over_time(clickscore:scoring:available[{window}]))"


def _uncalibrated(window: str) -> str:
    return f"1 - min by (job, target) (avg_over_time(clickscore:calibration:within_bounds[{window}]))"


OBJECTIVES = (
    Objective(
        "freshness",
        "ClickscoreFreshnessBurn",
        0.99,
        "job",
        f"99 % of events have their score committed within {FRESH_S:g} s of being written.",
        "Scores come too late: the budget of 1 % burns RATE times as fast as it may",
        _stale,
    ),
    Objective(
        "availability",
        "ClickscoreAvailabilityBurn",
        0.995,
        "job",
        f"99.5 % of the workers' time they answer, and have come forward within the last {STILL_S:g} s.",
        "Workers are down or stand still: the budget of 0.5 % burns RATE times as fast as it may",
        _unavailable,
    ),
    Objective(
        "calibration",
        "ClickscoreCalibrationBurn",
        0.95,
        "job, target",
        f"95 % of the time, what was foretold is between {CALIBRATED_FROM:g} and {CALIBRATED_TO:g} times what came, for each target, at events and in silence.",
        "Probabilities of {{ $labels.target }} are too high or too low: the budget of 5 % burns RATE times as fast as it may",
        _uncalibrated,
    ),
)


def judged(metric: str, *, matching: str = "") -> str:
    """A measure of quality over all workers: each judged other decisions, and counts by how many. Nothing where all of them together are too few."""
    weight, by = "clickscore_judged_decisions", "sum by (job, target, cause)"
    # a measure is NaN before its first decisions, and no NaN passes a comparison; 0 is one: the log-loss of the base rate where nothing came at all
    return (
        f"{by} ({metric}{matching} * on (job, instance, target, cause) {weight} >= 0)\n"
        f"  / ({by} ({weight} and on (job, instance, target, cause) {metric}{matching} >= 0) >= {LEAST_JUDGED})"
    )


def windows_s() -> list[float]:
    """Every window that a burn rate looks at, the shortest first."""
    return sorted({window_s for burn in BURNS for window_s in (burn.short_s, burn.long_s)})


def states(scale: float = 1.0) -> list[dict[str, Any]]:
    """Recorded 0 or 1 at each moment: what the objectives of time are averaged over."""
    still_s = max(STILL_S * scale, 2)
    alive = f"(time() - max by (job, instance) (clickscore_last_progress_timestamp_seconds) < bool {still_s:g})"
    up = f'max by (job, instance) (up{{job="{JOB}"}})'
    return [
        {"record": "clickscore:scoring:available", "expr": f"{up} * {alive}\n  or 0 * {up}"},
        {"record": "clickscore:log_loss:published", "expr": judged("clickscore_log_loss", matching=PUBLISHED)},
        {"record": "clickscore:log_loss:base_rate", "expr": judged("clickscore_log_loss_baseline")},
        {"record": "clickscore:calibration:ratio", "expr": judged("clickscore_calibration_ratio")},
        {
            "record": "clickscore:calibration:within_bounds",
            "expr": f"(clickscore:calibration:ratio >= bool {CALIBRATED_FROM:g})\n  * (clickscore:calibration:ratio <= bool {CALIBRATED_TO:g})",
        },
    ]


def recordings(objective: Objective, scale: float = 1.0) -> list[dict[str, Any]]:
    """The share of bad over each window."""
    windows = [promql(window_s * scale) for window_s in windows_s()]
    return [{"record": objective.record(window), "expr": objective.errors(window)} for window in windows]


def burn_alerts(objective: Objective, runbook: str, scale: float = 1.0) -> Iterator[dict[str, Any]]:
    """One alert a burn rate, all under the objective's name: they have one cause, and one page."""
    for burn in BURNS:
        short, long = promql(burn.short_s * scale), promql(burn.long_s * scale)
        limit = f"{burn.rate:g} * {1 - objective.good_share:.4g}"
        yield {
            "alert": objective.alert,
            "expr": f"{objective.record(short)} > {limit}\n  and {objective.record(long)} > {limit}",
            "for": promql(burn.for_s * scale),
            "labels": {"severity": burn.severity, "objective": objective.name, "window": long},
            "annotations": {
                "summary": objective.summary.replace("RATE", f"{burn.rate:g}"),
                "description": f"{objective.says} Bad in the last {long}: {{{{ $value | humanizePercentage }}}}.",
                "runbook_url": runbook.format(alert=objective.alert),
            },
        }
