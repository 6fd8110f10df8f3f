"""Alerts of the role deliver, by destination: it takes nothing, its triggers are about to be lost, some were, a worker's thread hangs, and nobody delivers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.alerting.alert import Alerts
from tools.alerting.objectives import MINUTE_S

SPENT, LOST_SHARE, LOST_LEAST, HANGS_S = 0.5, 0.01, 5, 120.0


def delivery(made: Alerts) -> Iterator[dict[str, Any]]:
    """Those that page come first."""
    while_s, lost_s = made.window(10 * MINUTE_S), made.window(15 * MINUTE_S)
    yield made.alert(
        "ClickscoreTriggersNearExpiry",
        "page",
        2 * MINUTE_S,
        f"max by (job, destination) (clickscore_delivery_nearest_expiry_ratio) > {SPENT:g}",
        "Triggers for {{ $labels.destination }} are about to expire",
        "One of them has waited for {{ $value | humanizePercentage }} of the time in which it is worth sending; what expires is not sent any more.",
    )
    yield made.alert(
        "ClickscoreDeliveryStuck",
        "page",
        2 * MINUTE_S,
        f"time() - max by (job, instance, destination) (clickscore_delivery_last_progress_timestamp_seconds) > {max(HANGS_S * made.scale, 3):g}",
        "{{ $labels.instance }} does not look after {{ $labels.destination }}",
        "The destination's thread has not come round for {{ $value | humanizeDuration }}: it hangs, or waits for Kafka.",
    )
    yield made.alert(
        "ClickscoreNoDeliverers",
        "page",
        5 * MINUTE_S,
        # every worker tells what its configuration enables, and only who delivers tells of progress
        "max by (job, destination) (clickscore_destination_enabled) > 0\n"
        "unless on (job, destination) max by (job, destination) (clickscore_delivery_last_progress_timestamp_seconds)",
        "Nobody delivers to {{ $labels.destination }}",
        "The configuration enables it, and no worker that Prometheus reaches delivers to it: what fires waits, and expires.",
    )
    yield made.alert(
        "ClickscoreDestinationAway",
        "ticket",
        5 * MINUTE_S,
        f"min by (job, instance, destination) (min_over_time(clickscore_delivery_queue_records[{while_s}])) > 0\n"
        f'and sum by (job, instance, destination) (increase(clickscore_deliveries_total{{fate="delivered"}}[{while_s}])) == 0',
        "{{ $labels.destination }} takes no triggers",
        f"{{{{ $labels.instance }}}} has {{{{ $value }}}} or more waiting for it, and in {while_s} it took none.",
    )
    decided = f"sum by (job, destination) (increase(clickscore_deliveries_total[{lost_s}]))"
    lost = f'sum by (job, destination) (increase(clickscore_deliveries_total{{fate!~"delivered|erased"}}[{lost_s}]))'
    yield made.alert(
        "ClickscoreTriggersUndelivered",
        "ticket",
        5 * MINUTE_S,
        f"{lost}\n  / {decided} > {LOST_SHARE:g}\nand {lost} > {LOST_LEAST}",
        "Triggers are not delivered to {{ $labels.destination }}",
        f"{{{{ $value | humanizePercentage }}}} of those decided in the last {lost_s} are dead letters.",
    )
