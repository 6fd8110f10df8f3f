"""The dashboard of whoever keeps the workers running."""

from __future__ import annotations

from tools.dashboards.delivery import DELIVERY
from tools.dashboards.panel import Dashboard, Panel, Query, Row

RATE = "[$__rate_interval]"


def rate(metric: str, by: str = "", more: str = "") -> str:
    """The sum of a counter's rates."""
    return f"sum{f' by ({by})' if by else ''} (rate(clickscore_{metric}{{$S{more}}}{RATE}))"


def quantile(share: float, metric: str, by: str = "") -> str:
    """A quantile of a histogram over the rate interval."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', f'le, {by}' if by else 'le')})"


WITHIN_1_S = ', le="1.0"'
FRESH = f"{rate('end_to_end_latency_seconds_bucket', more=WITHIN_1_S)} / {rate('end_to_end_latency_seconds_count')}"

OBJECTIVES = Row(
    "Objectives",
    (
        Panel(
            "Fresh scores",
            "Share of events whose score was committed within 1 s of their being written. Objective: 99 %.",
            "percentunit",
            (Query(FRESH, "fresh"),),
            maximum=1,
            steps=((None, "red"), (0.99, "green")),
        ),
        Panel(
            "Since the loop last came round",
            "The age of each worker's last sign of progress. Above 60 s the worker counts as not available, and burns that budget of 0.5 %.",
            "s",
            (Query("time() - max by (instance) (clickscore_last_progress_timestamp_seconds{$S})", "{{instance}}"),),
            steps=((None, "green"), (60, "red")),
        ),
        Panel(
            "Calibration",
            "Mean probability over the rate of outcomes, worst of all workers; empty before any are known. Objective: 0.8 to 1.25 for 95 % of the time.",
            "none",
            (Query("max by (target, cause) (clickscore_calibration_ratio{$S})", "{{target}}, {{cause}}"),),
            steps=((None, "red"), (0.8, "green"), (1.25, "red")),
        ),
    ),
)

FLOW = Row(
    "Input and output",
    (
        Panel(
            "Records read",
            "Records of the input by what became of them. Read = scored + dropped + dead letters.",
            "ops",
            (
                Query(rate("events_read_total"), "read"),
                Query(rate("events_scored_total"), "scored"),
                Query(rate("events_dropped_total", "reason"), "dropped, {{reason}}"),
                Query(rate("deadletter_total"), "dead letters"),
            ),
        ),
        Panel(
            "Dead letters",
            "Records that could not be read as events, by reason. More than 1 % for some minutes is an alert.",
            "ops",
            (Query(rate("deadletter_total", "reason"), "{{reason}}"),),
            stack=True,
        ),
        Panel(
            "Time to a score",
            "From the writing of a record to the commit of its turn. Where events come singly, turns begin service.turn_wait (17 ms) apart.",
            "s",
            tuple(Query(quantile(share, "end_to_end_latency_seconds"), f"{100 * share:g} %") for share in (0.5, 0.95, 0.99)),
        ),
    ),
)

LAG = Row(
    "Lag and partitions",
    (
        Panel(
            "Lag in records",
            "Records that can be read and were not, by worker. It grows where events come faster than they are scored.",
            "short",
            (Query("sum by (instance) (clickscore_lag_records{$S})", "{{instance}}"),),
        ),
        Panel(
            "Lag in seconds",
            "At most how long the oldest unread record of a partition has waited, the worst of each worker.",
            "s",
            (Query("max by (instance) (clickscore_lag_seconds{$S})", "{{instance}}"),),
        ),
        Panel(
            "Partitions",
            "Partitions of the input by owner, and those whose state is still being read back. The sum of the first is the topic's number.",
            "none",
            (
                Query("sum by (instance) (clickscore_assigned_partitions{$S})", "{{instance}}"),
                Query("sum by (instance) (clickscore_restoring_partitions{$S})", "{{instance}}, being restored"),
            ),
            stack=True,
        ),
        Panel(
            "Restores",
            "Changelog records still to be read of the partition being restored. It must fall; where it stands still for minutes there is an alert.",
            "short",
            (Query("max by (instance) (clickscore_restore_remaining_records{$S})", "{{instance}}"),),
        ),
        Panel(
            "Rebalances and fenced turns",
            "Polls that brought or took partitions, and turns given up because another worker had taken their partitions. Both are rare.",
            "short",
            (
                Query(f"sum by (role) (increase(clickscore_rebalances_total{{$S}}{RATE}))", "rebalances, {{role}}"),
                Query(f"sum by (role) (increase(clickscore_turns_fenced_total{{$S}}{RATE}))", "fenced, {{role}}"),
            ),
        ),
        Panel(
            "Calls made again",
            "Calls on Kafka that failed for a passing reason. Steady ones say that brokers are away or too slow.",
            "ops",
            (Query(rate("log_retries_total", "instance"), "{{instance}}"),),
        ),
    ),
)

TURNS = Row(
    "Turns",
    (
        Panel(
            "Where a turn's time goes",
            "Seconds a second of each step of turns, by all workers. Their sum over the number of workers is how busy they are.",
            "percentunit",
            (Query(rate("turn_duration_seconds_sum", "step"), "{{step}}"),),
            stack=True,
        ),
        Panel(
            "Commits",
            "Time of a transaction's commit, with every retry, at the 95th percentile.",
            "s",
            (Query(quantile(0.95, "commit_duration_seconds", "role"), "{{role}}"),),
        ),
        Panel(
            "Records of a turn",
            "Records of each worker's last turn. At service.turn_events (5,000) the worker is as fast as it gets.",
            "short",
            (Query("max by (instance) (clickscore_turn_events{$S})", "{{instance}}"),),
        ),
    ),
)

RESOURCES = Row(
    "Resources",
    (
        Panel(
            "Memory",
            "Resident memory of each worker, and what of it are profiles.",
            "bytes",
            (
                Query("max by (instance) (process_resident_memory_bytes{$S})", "{{instance}}"),
                Query("sum by (instance) (clickscore_profile_bytes{$S})", "{{instance}}, profiles"),
            ),
        ),
        Panel(
            "Processor",
            "Cores that each worker uses. One is all that a worker can use for scoring.",
            "short",
            (Query("sum by (instance) (rate(process_cpu_seconds_total{$S}[$__rate_interval]))", "{{instance}}"),),
        ),
        Panel(
            "Warnings and errors",
            "Lines of the workers' own logs.",
            "ops",
            (Query(rate("log_lines_total", "level", ', level=~"warning|error"'), "{{level}}"),),
        ),
    ),
)

SERVICE = Dashboard(
    "service",
    "clickscore: service",
    "Whether workers score and deliver, how fast, and what holds them up.",
    (OBJECTIVES, FLOW, LAG, TURNS, DELIVERY, RESOURCES),
)
