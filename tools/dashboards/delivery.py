"""Panels on triggers: for who acts on them what became of them, for who keeps the workers running how destinations do."""

from __future__ import annotations

from tools.dashboards.panel import Panel, Query, Row

RATE = "[$__rate_interval]"
BY_DESTINATION = "{{destination}}"


def increase(metric: str, by: str, more: str = "") -> str:
    """How much a counter has grown."""
    return f"sum by ({by}) (increase(clickscore_{metric}{{$S{more}}}{RATE}))"


def _quantile(share: float, metric: str) -> str:
    return f"histogram_quantile({share}, sum by (le, destination) (rate(clickscore_{metric}_bucket{{$S}}{RATE})))"


def _users(known: str) -> str:
    return f'sum by (rule, arm) (clickscore_uplift_users{{$S, known="{known}"}})'


ACTION = Row(
    "Segments, triggers and messages",
    (
        Panel(
            "Users in segments",
            "Users in each configured segment, by all workers together.",
            "short",
            (Query("sum by (segment) (clickscore_segment_members{$S})", "{{segment}}"),),
        ),
        Panel(
            "Triggers fired",
            "Triggers that fired, by rule. Each is to become one message.",
            "short",
            (Query(increase("triggers_total", "rule", ', result="fired"'), "{{rule}}"),),
            stack=True,
        ),
        Panel(
            "Triggers suppressed",
            "Crossings of a rule that became no message, by the guard that objected. Consent unknown means that nobody was asked.",
            "short",
            (Query(increase("triggers_total", "reason", ', result="suppressed"'), "{{reason}}"),),
            stack=True,
        ),
        Panel(
            "Triggers delivered and lost",
            "What became of triggers at each destination. All but delivered are dead letters.",
            "short",
            (Query(increase("deliveries_total", "destination, fate"), "{{destination}}, {{fate}}"),),
            stack=True,
        ),
        Panel(
            "From trigger to delivery",
            "Time from the firing of a trigger to the answer that took it, at the 95th percentile.",
            "s",
            (Query(_quantile(0.95, "delivery_delay_seconds"), BY_DESTINATION),),
        ),
        Panel(
            "Bought in the rule's window",
            "Of users who crossed a rule and whose window is over, the share who bought, by arm. clickscore report knows what of it is chance.",
            "percentunit",
            (Query(f"{_users('converted')} / {_users('judged')}", "{{rule}}, {{arm}}"),),
        ),
    ),
)

DELIVERY = Row(
    "Delivery",
    (
        Panel(
            "Circuit breakers",
            "The worst of each destination's: 0 closed, 1 half-open (one request decides), 2 open (nothing is sent).",
            "none",
            (Query("max by (destination) (clickscore_delivery_circuit_state{$S})", BY_DESTINATION),),
            maximum=2,
            steps=((None, "green"), (2, "red")),
        ),
        Panel(
            "Nearest expiry",
            "Of the undelivered trigger that expires first, the share of its time that is over. At 100 % it is lost; above 50 % for two minutes pages.",
            "percentunit",
            (Query("max by (destination) (clickscore_delivery_nearest_expiry_ratio{$S})", BY_DESTINATION),),
            maximum=1,
            steps=((None, "green"), (0.5, "red")),
        ),
        Panel(
            "Triggers waiting",
            "Triggers read whose fate is not decided, and offsets of their topic not read yet.",
            "short",
            (
                Query("sum by (destination) (clickscore_delivery_queue_records{$S})", "{{destination}}, undecided"),
                Query("sum by (destination) (clickscore_delivery_lag_records{$S})", "{{destination}}, unread"),
            ),
        ),
        Panel(
            "Answers",
            "Requests by what their answers meant. Throttled: asked to wait; failed: sent again; refused: a dead letter, or a batch sent again one by one.",
            "ops",
            (
                Query(
                    f"sum by (destination, answer) (rate(clickscore_delivery_request_duration_seconds_count{{$S}}{RATE}))",
                    "{{destination}}, {{answer}}",
                ),
            ),
            stack=True,
        ),
        Panel(
            "Time of a request",
            "From the beginning of a request to its whole answer, at the 95th percentile.",
            "s",
            (Query(_quantile(0.95, "delivery_request_duration_seconds"), BY_DESTINATION),),
        ),
        Panel(
            "Requests made again",
            "Requests that failed, or were put off by the destination, and are made again.",
            "ops",
            (Query(f"sum by (destination) (rate(clickscore_delivery_retries_total{{$S}}{RATE}))", BY_DESTINATION),),
        ),
        Panel(
            "Workers that deliver",
            "Workers that look after each destination. None for five minutes, though the configuration enables it, pages.",
            "none",
            (
                Query(
                    "count by (destination) (clickscore_delivery_last_progress_timestamp_seconds{$S})"
                    " or 0 * max by (destination) (clickscore_destination_enabled{$S})",
                    BY_DESTINATION,
                ),
            ),
            steps=((None, "red"), (1, "green")),
        ),
        Panel(
            "Since a destination was last looked after",
            "The age of each destination's thread's last sign of progress, the worst of all workers. Above 120 s for two minutes pages.",
            "s",
            (Query("max by (destination) (time() - clickscore_delivery_last_progress_timestamp_seconds{$S})", BY_DESTINATION),),
            steps=((None, "green"), (120, "red")),
        ),
    ),
)
