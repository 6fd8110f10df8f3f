"""All recording and alerting rules, as Prometheus reads them. `scale` shortens every time in them: a drill cannot wait for three days."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.alerting.alert import Alerts
from tools.alerting.delivery import delivery
from tools.alerting.durations import promql
from tools.alerting.objectives import HOUR_S, JOB, MINUTE_S, OBJECTIVES, burn_alerts, recordings, states

RUNBOOKS = "https://docs.example.com/clickscore/runbooks"  # where docs/runbooks is served: everybody has another place
LETTERS_SHARE, LETTERS_LEAST, WORSE_BY, STALE_S = 0.01, 20, 1.02, HOUR_S
EVIDENCE_NATS = 10  # log-loss over all judged decisions: chance makes scores that are right look so much worse than hindsight once in 20,000 times


def groups(scale: float = 1.0, runbooks: str = RUNBOOKS) -> dict[str, Any]:
    """The content of a rule file."""
    page = runbooks.rstrip("/") + "/{alert}.md"
    made = Alerts(page, scale)
    interval = promql(max(MINUTE_S * scale, 1))
    recorded = [*states(scale), *(rule for objective in OBJECTIVES for rule in recordings(objective, scale))]
    burning = [alert for objective in OBJECTIVES for alert in burn_alerts(objective, page, scale)]
    return {
        "groups": [
            {"name": "clickscore-objectives", "interval": interval, "rules": recorded},
            {"name": "clickscore-burn", "interval": interval, "rules": burning},
            {"name": "clickscore-causes", "interval": interval, "rules": list(causes(made))},
            {"name": "clickscore-delivery", "interval": interval, "rules": list(delivery(made))},
        ]
    }


def causes(made: Alerts) -> Iterator[dict[str, Any]]:
    """Alerts on what is known to go wrong, each before or beside the objective that it hurts."""
    scale = made.scale
    short, long = made.window(5 * MINUTE_S), made.window(15 * MINUTE_S)
    yield made.alert(
        "ClickscoreNoWorkers",
        "page",
        2 * MINUTE_S,
        f'absent(up{{job="{JOB}"}} == 1)\n'
        # who only trains or delivers answers too, and owns none of the input
        f'or sum by (job) (clickscore_assigned_partitions{{job="{JOB}"}} + clickscore_restoring_partitions{{job="{JOB}"}}) == 0',
        "No worker scores",
        f"Prometheus reaches no worker of job {JOB} that owns a part of the input: nothing is scored, or nothing is seen of it.",
    )
    yield made.alert(
        "ClickscoreNoProgress",
        "page",
        2 * MINUTE_S,
        f"(sum by (job, instance) (deriv(clickscore_lag_records[{short}])) > 0\n"
        f"  and sum by (job, instance) (increase(clickscore_events_read_total[{short}])) == 0)\n"
        f"or (time() - max by (job, instance) (clickscore_last_progress_timestamp_seconds) > {max(120 * scale, 3):g}\n"
        "  unless max by (job, instance) (clickscore_restoring_partitions) > 0)",
        "{{ $labels.instance }} makes no progress",
        "Its lag grows and it reads nothing, or its loop has not come round for two minutes and it is not reading state back.",
    )
    letters = f"sum by (job) (increase(clickscore_deadletter_total[{long}]))"
    yield made.alert(
        "ClickscoreDeadLetters",
        "ticket",
        5 * MINUTE_S,
        f"{letters}\n  / sum by (job) (increase(clickscore_events_read_total[{long}])) > {LETTERS_SHARE:g}\nand {letters} > {LETTERS_LEAST}",
        "More than 1 % of the input cannot be read",
        f"{{{{ $value | humanizePercentage }}}} of the records of the last {long} went to the dead letters.",
    )
    yield made.alert(
        "ClickscoreRestoreStuck",
        "page",
        5 * MINUTE_S,
        f"min by (job, instance) (min_over_time(clickscore_restoring_partitions[{short}])) > 0\n"
        f"and max by (job, instance) (changes(clickscore_restore_remaining_records[{short}])) == 0",
        "{{ $labels.instance }} does not get on with reading its state back",
        "{{ $value }} of its partitions wait for their state, and nothing more of it has been read: they are not scored.",
    )
    yield made.alert(
        "ClickscoreModelStale",
        "ticket",
        10 * MINUTE_S,
        f"min by (job, target) (clickscore_model_age_seconds) > {max(STALE_S * scale, 5):g}\n"
        f"and sum by (job, target) (increase(clickscore_examples_total[{made.window(STALE_S)}])) > 0",
        "{{ $labels.target }} is scored with an old model",
        "There are outcomes to learn from, and no model was published for {{ $value | humanizeDuration }}.",
    )
    yield made.alert(
        "ClickscoreLogLossWorseThanBaseRate",
        "ticket",
        HOUR_S,
        f"(clickscore:log_loss:published > {WORSE_BY:g} * clickscore:log_loss:base_rate\n"
        "  and (clickscore:log_loss:published - clickscore:log_loss:base_rate) * sum by (job, target, cause) (clickscore_judged_decisions)"
        f" > {EVIDENCE_NATS})\n"
        "unless on (job, target) max by (job, target) (clickscore_model_warming_up) > 0",
        "Scores of {{ $labels.target }} are worse than none",
        "The mean log-loss of scores (cause: {{ $labels.cause }}) is {{ $value | humanize }}: giving everybody the base rate would be better.",
    )
