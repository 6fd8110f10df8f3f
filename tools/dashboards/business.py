"""The dashboard of whoever acts on scores."""

from __future__ import annotations

from tools.dashboards.delivery import ACTION
from tools.dashboards.panel import Dashboard, Panel, Query, Row
from tools.dashboards.quality import TARGET, best_known
from tools.dashboards.service import RATE, rate


def above(bound: str) -> str:
    """The share of published probabilities above a bound of the histogram."""
    below = f'sum by (target) (increase(clickscore_score_probability_bucket{{$S{TARGET}, le="{bound}"}}{RATE}))'
    return f"1 - {below} / sum by (target) (increase(clickscore_score_probability_count{{$S{TARGET}}}{RATE}))"


USERS = Row(
    "Users and scores",
    (
        Panel("Users known", "Users remembered, by all workers together.", "short", (Query("sum (clickscore_profiles{$S})", "users"),), kind="stat", width=4),
        Panel(
            "Outcomes awaited",
            "Decisions whose outcome is not known yet.",
            "short",
            (Query("sum (clickscore_pending_decisions{$S})", "decisions"),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Scores",
            "Scores made: at events, and when silence reaches one of its marks.",
            "ops",
            (Query(rate("scores_total", "cause"), "{{cause}}"),),
            stack=True,
        ),
        Panel(
            "Users forgotten",
            "Users silent for profiles.time_to_live, or let go for lack of memory (evicted): those come back as strangers.",
            "short",
            (Query(f"sum by (reason) (increase(clickscore_profile_evictions_total{{$S}}{RATE}))", "{{reason}}"),),
        ),
    ),
)

CHANCES = Row(
    "Chances",
    (
        Panel(
            "Mean probability",
            "The mean of the probabilities being published. For churn it is the probability of staying away.",
            "percentunit",
            (
                Query(
                    f"{rate('score_probability_sum', 'target', TARGET)} / {rate('score_probability_count', 'target', TARGET)}",
                    "{{target}}",
                ),
            ),
        ),
        Panel(
            "Share of scores above 10 %",
            "Published probabilities above a tenth: those that a campaign on purchases might take.",
            "percentunit",
            (Query(above("0.1"), "{{target}}"),),
        ),
        Panel(
            "Share of scores above 50 %",
            "Published probabilities of more than one in two.",
            "percentunit",
            (Query(above("0.5"), "{{target}}"),),
        ),
        Panel(
            "Scores with a warning",
            "Share of scores published with a warning that too few outcomes are known yet. Do not act on those.",
            "percentunit",
            (Query(f"{rate('abstained_total', 'target', TARGET)} / on () group_left () {rate('scores_total')}", "{{target}}"),),
        ),
    ),
)

OUTCOMES = Row(
    "Outcomes",
    (
        Panel(
            "Rate of outcomes",
            "How often the outcome happened, of the matured decisions that are looked back on.",
            "percentunit",
            (Query(best_known("base_rate"), "{{target}}, {{cause}}"),),
        ),
        Panel(
            "Outcomes known",
            "Decisions whose window has closed, by what came of them.",
            "ops",
            (Query(rate("examples_total", "target, outcome", TARGET), "{{target}}, {{outcome}}"),),
        ),
        Panel(
            "How long until an outcome is known",
            "Event time between a decision and its example, at the median.",
            "s",
            (Query(f"histogram_quantile(0.5, {rate('label_delay_seconds_bucket', 'le, target', TARGET)})", "{{target}}"),),
        ),
        Panel(
            "Outages of the input",
            "Times that the collector was away, by its own habit, and outcomes that were voided for it: nothing is learned from those.",
            "short",
            (
                Query(f"sum (increase(clickscore_outages_total{{$S}}{RATE}))", "outages"),
                Query(f"sum (increase(clickscore_outcomes_voided_total{{$S}}{RATE}))", "outcomes voided"),
            ),
        ),
    ),
)

BUSINESS = Dashboard(
    "business",
    "clickscore: business",
    "How many users are scored, how likely they are to act, which messages that makes, and what came of it.",
    (USERS, CHANCES, ACTION, OUTCOMES),
    more=(("target", "clickscore_model_version"),),
)
