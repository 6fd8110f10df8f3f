"""The dashboard of whoever answers for the probabilities."""

from __future__ import annotations

from tools.dashboards.panel import Dashboard, Panel, Query, Row
from tools.dashboards.service import rate

TARGET, PUBLISHED = ', target=~"$target"', ', model="published"'


def best_known(metric: str, more: str = "") -> str:
    """A measure of quality over workers: each judges the decisions of its own partitions, so that they are weighed by their number."""
    weight = f"clickscore_judged_decisions{{$S{TARGET}}}"
    by = "sum by (target, cause)"
    same = "on (job, instance, target, cause)"
    value = f"clickscore_{metric}{{$S{TARGET}{more}}}"
    return f"{by} ({value} * {same} {weight} >= 0) / {by} ({weight} and {same} {value} >= 0)"


def each(metric: str, more: str = "") -> Query:
    """That measure, a series a target and cause."""
    return Query(best_known(metric, more), "{{target}}, {{cause}}")


LOSS = Row(
    "Against what came",
    (
        Panel(
            "Log-loss",
            "Mean log-loss of matured decisions, in nats: of what was published, of the raw probability before calibration, and of the "
            "base rate. Less is better; published must lie below the base rate.",
            "none",
            (
                Query(best_known("log_loss", PUBLISHED), "published, {{target}}, {{cause}}"),
                Query(best_known("log_loss", ', model="raw"'), "raw, {{target}}, {{cause}}"),
                Query(best_known("log_loss_baseline"), "base rate, {{target}}, {{cause}}"),
            ),
            width=12,
        ),
        Panel(
            "Log-loss spared",
            "How much less log-loss there is than with the base rate for everyone. Below 0 scores are worse than none.",
            "percentunit",
            (Query(f"1 - ({best_known('log_loss', PUBLISHED)}) / ({best_known('log_loss_baseline')})", "{{target}}, {{cause}}"),),
            width=12,
            minimum=None,
            steps=((None, "red"), (0, "green")),
        ),
        Panel(
            "Calibration",
            "Mean probability over the rate of outcomes: 1 is right, above 1 promises too much.",
            "none",
            (each("calibration_ratio"),),
            steps=((None, "red"), (0.8, "green"), (1.25, "red")),
        ),
        Panel(
            "Calibration with and without messages",
            "Mean probability over the rate of outcomes, of users whom a trigger reached before their window closed (yes) and of all others (no). "
            "Where they part, messages change what comes, or reach other people than the rest. Empty without triggers.",
            "none",
            (Query(f"max by (target, cause, treated) (clickscore_treatment_calibration_ratio{{$S{TARGET}}})", "{{target}}, {{cause}}, {{treated}}"),),
        ),
        Panel("Calibration error", "Mean distance between probability and rate over ten bins of equal weight.", "percentunit", (each("calibration_error"),)),
        Panel(
            "Calibration by bin",
            "Mean probability and rate of outcomes of each bin of decisions at events, the lowest first, now. The two should be alike.",
            "percentunit",
            (
                Query(f'max by (target, bin) (clickscore_calibration_bin_predicted{{$S{TARGET}, cause="event"}})', "{{target}} {{bin}} predicted"),
                Query(f'max by (target, bin) (clickscore_calibration_bin_observed{{$S{TARGET}, cause="event"}})', "{{target}} {{bin}} observed"),
            ),
            kind="bargauge",
        ),
    ),
)

RANK = Row(
    "Order",
    (
        Panel(
            "AUC",
            "Chance that a decision whose outcome happened had the higher probability than one whose did not, exact over the latest decisions.",
            "percentunit",
            (each("roc_auc"),),
            minimum=0.5,
            maximum=1,
        ),
        Panel(
            "AUC estimated and realised",
            "What the probabilities themselves say the AUC of the same decisions is, and of the scores being published. Where the first leaves the "
            "realised one, the probabilities are wrong; where the second falls, the order will get worse before outcomes tell.",
            "percentunit",
            (
                Query(best_known("roc_auc"), "realised, {{target}}, {{cause}}"),
                Query(best_known("roc_auc_estimated"), "estimated, {{target}}, {{cause}}"),
                Query(f"avg by (target, cause) (clickscore_roc_auc_expected_now{{$S{TARGET}}} >= 0)", "now, {{target}}, {{cause}}"),
            ),
            minimum=0.5,
            maximum=1,
        ),
        Panel(
            "Decisions judged",
            "Matured decisions that the measures look back on. Few make them jump.",
            "short",
            (Query(f"sum by (target, cause) (clickscore_judged_decisions{{$S{TARGET}}})", "{{target}}, {{cause}}"),),
        ),
    ),
)

DRIFT = Row(
    "Drift",
    (
        Panel(
            "Features that drift most",
            "Population stability index of the last day against the week before, of the ten that changed most. Above 0.1 look, above 0.25 something changed.",
            "none",
            (Query("topk(10, max by (feature) (clickscore_feature_drift_psi{$S}))", "{{feature}}"),),
            width=12,
            steps=((None, "green"), (0.1, "orange"), (0.25, "red")),
        ),
        Panel(
            "Scores that drift",
            "The same of the published probabilities.",
            "none",
            (Query(f"max by (target) (clickscore_score_drift_psi{{$S{TARGET}}})", "{{target}}"),),
            width=12,
            steps=((None, "green"), (0.1, "orange"), (0.25, "red")),
        ),
    ),
)

LEARNING = Row(
    "Learning",
    (
        Panel(
            "Age of models",
            "Since the model in force was published. Trainers publish every minute while they learn; an hour with outcomes and no model is an alert.",
            "s",
            (Query(f"max by (target) (clickscore_model_age_seconds{{$S{TARGET}}})", "{{target}}"),),
            steps=((None, "green"), (3600, "red")),
        ),
        Panel(
            "Examples in the model",
            "Examples that the model in force has learned: the number after the @ in a score's model.",
            "short",
            (Query(f"max by (target) (clickscore_model_version{{$S{TARGET}}})", "{{target}}"),),
        ),
        Panel(
            "Examples waiting",
            "Examples that the target's trainer has not learned yet.",
            "short",
            (Query(f"sum by (target) (clickscore_example_backlog{{$S{TARGET}}})", "{{target}}"),),
        ),
        Panel(
            "Examples learned",
            "Records of the examples that trainers have taken in.",
            "ops",
            (Query(rate("examples_learned_total", "target", TARGET), "{{target}}"),),
        ),
        Panel(
            "Size of the weights",
            "Euclidean norm of the weights in force, in log-odds. It grows slowly; a jump is a reason to look.",
            "none",
            (Query(f"max by (target) (clickscore_weight_norm{{$S{TARGET}}})", "{{target}}"),),
        ),
        Panel(
            "Models refused",
            "Models and examples that could not be used, and trainers that went back to a good state. All should be none.",
            "short",
            (
                Query("sum (increase(clickscore_models_refused_total{$S}[$__rate_interval]))", "models refused"),
                Query("sum (increase(clickscore_examples_refused_total{$S}[$__rate_interval]))", "examples refused"),
                Query(f"sum by (target) (increase(clickscore_model_returns_total{{$S{TARGET}}}[$__rate_interval]))", "went back, {{target}}"),
            ),
        ),
    ),
)

QUALITY = Dashboard(
    "quality",
    "clickscore: model quality",
    "Whether the probabilities are right, and will stay so.",
    (LOSS, RANK, DRIFT, LEARNING),
    more=(("target", "clickscore_model_version"),),
)
