"""Every metric there is: name, kind, meaning, labels with what bounds them. The registry and docs/telemetry.md are both made from this list.

Names carry the prefix clickscore_ and end in their unit, and in _total where they count. A label's values are bounded by the configuration or the
program, never by the input: no user, event, page or model version is a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from worker.core.action.guards.guards import REASONS as GUARDS
from worker.core.events.faults import REASONS
from worker.core.learning.drift import FEATURES
from worker.core.learning.window import BINS, HISTOGRAM_EDGES
from worker.core.privacy.requests import KINDS

PREFIX = "clickscore_"
STEPS, ROLES = ("poll", "restore", "score", "send", "commit"), ("scorer", "trainer", "deliver")
DROP_REASONS, CAUSES, OUTCOMES, GONE = ("late", "duplicate", "suppressed"), ("event", "silence"), ("happened", "absent"), ("expired", "evicted", "erased")
MODELS = ("published", "raw")
SKIPPED = ("failed", "erased")  # examples: they could not be learned, or their user was erased
REQUESTS: tuple[str, ...] = KINDS
ARMS, KNOWN = ("treated", "holdout"), ("assigned", "judged", "converted")
FATES = ("delivered", "refused", "expired", "failed", "unreadable", "erased")
ANSWERS = ("delivered", "refused", "throttled", "failed")
RESULTS, CHANGES, NO_REASON = ("fired", "held", "suppressed"), ("entered", "left"), "none"

STEP_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LATENCY_BOUNDS_S = (0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
RESTORE_BOUNDS_S = (0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
REQUEST_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WAIT_BOUNDS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
DELAY_BOUNDS_S = tuple(hours * 3600 for hours in (1, 6, 12, 24, 48, 72, 168, 336, 720, 1440, 2160))
SCORE_BOUNDS = HISTOGRAM_EDGES[1:-1]

Kind = Literal["counter", "gauge", "histogram"]
Part = Literal["process", "input", "partitions", "scoring", "action", "learning", "quality", "drift", "delivery"]

PARTS: dict[Part, str] = {
    "process": "The process",
    "input": "Input and output",
    "partitions": "Lag, partitions and restores",
    "scoring": "Turns and state",
    "action": "Segments and triggers",
    "learning": "Learning and models",
    "quality": "Quality of the probabilities",
    "drift": "Drift",
    "delivery": "Delivery of triggers",
}


@dataclass(frozen=True, slots=True)
class Label:
    """A label: what it says, and its values; without values they follow from what `bound` names."""

    says: str
    values: tuple[str, ...] = ()
    bound: str = ""


LABELS: dict[str, Label] = {
    "version": Label("The program's version.", bound="one a process"),
    "python": Label("The version of Python.", bound="one a process"),
    "level": Label("How severe the line is.", ("debug", "info", "warning", "error")),
    "role": Label("Which member of the process: the one that scores, the one that trains, or the ones that deliver.", ROLES),
    "reason": Label("The code of the reason; those of dead letters are listed on the page of events.", bound="the codes of the program"),
    "cause": Label("What a score or a decision was made at: an event, or a mark of silence.", CAUSES),
    "step": Label("A part of a turn.", STEPS),
    "partition": Label("A partition of the input that this worker owns; gone when it is given up.", bound="the input's partitions"),
    "rule": Label("A configured rule.", bound="the configured rules"),
    "result": Label("What became of a trigger.", RESULTS),
    "arm": Label("Whether a rule may reach the users, or they are its holdout.", ARMS),
    "known": Label("How far users are: assigned to an arm; judged, as their window has closed; converted, as they bought in it.", KNOWN),
    "segment": Label("A configured segment.", bound="the configured segments"),
    "change": Label("Whether a user came or went.", CHANGES),
    "request": Label("What was asked for.", REQUESTS),
    "target": Label("A configured target.", bound="the configured targets"),
    "outcome": Label("Whether what the target watches for has happened.", OUTCOMES),
    "treated": Label("Whether a trigger fired for the user between the decision and the end of its window.", ("yes", "no")),
    "model": Label("Which probability is judged: the published one, or the raw one before calibration.", MODELS),
    "bin": Label(f"One of {BINS} bins of equal weight, the lowest probabilities first.", tuple(str(number) for number in range(1, BINS + 1))),
    "feature": Label("A feature, named as in a score's reasons; those of the calendar and crosses are left out.", FEATURES),
    "destination": Label("A configured destination, of a worker that delivers.", bound="the configured destinations"),
    "fate": Label("What became of a trigger at a destination; all but delivered and erased (its user was) are dead letters.", FATES),
    "answer": Label("What an answer meant; failed is also none at all.", ANSWERS),
}


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric. `name` without the prefix; `bounds` are the upper bounds of a histogram's buckets."""

    part: Part
    kind: Kind
    name: str
    says: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    reasons: tuple[str, ...] = ()  # the values of the label `reason`, where there is one

    def values(self, label: str, targets: tuple[str, ...]) -> tuple[str, ...]:
        """The values that a label is known to take before any is seen; none where they come and go."""
        return targets if label == "target" else self.reasons if label == "reason" else LABELS[label].values


def _counter(part: Part, name: str, says: str, *labels: str, reasons: tuple[str, ...] = ()) -> Spec:
    return Spec(part, "counter", name, says, labels, reasons=reasons)


def _gauge(part: Part, name: str, says: str, *labels: str) -> Spec:
    return Spec(part, "gauge", name, says, labels)


def _histogram(part: Part, name: str, says: str, bounds: tuple[float, ...], *labels: str) -> Spec:
    return Spec(part, "histogram", name, says, labels, tuple(sorted(bounds)))


METRICS: tuple[Spec, ...] = (
    _gauge("process", "build_info", "The program that runs; always 1.", "version", "python"),
    _gauge("process", "last_progress_timestamp_seconds", "Unix time when the loop last came round. Standing still, the worker hangs or waits for its log."),
    _counter("process", "log_retries_total", "Calls on the log that failed for a passing reason and were made again."),
    _counter("process", "log_lines_total", "Lines written to the worker's own log.", "level"),
    _counter("process", "log_lines_held_back_total", "Lines not written because the same had been said too often.", "level"),
    # ---- input and output
    _counter("input", "events_read_total", "Records read from the input; each is scored, dropped or a dead letter."),
    _counter("input", "events_scored_total", "Events that got a score."),
    _counter("input", "events_dropped_total", "Events that count for nothing.", "reason", reasons=DROP_REASONS),
    _counter("input", "deadletter_total", "Records that could not be read as events.", "reason", reasons=REASONS),
    _counter("input", "scores_total", "Scores made, by what changed them.", "cause"),
    _counter("input", "abstained_total", "Scores published with a warning that too few outcomes are known yet.", "target"),
    _histogram("input", "score_probability", "Probabilities published, in the published direction.", SCORE_BOUNDS, "target"),
    _histogram("input", "end_to_end_latency_seconds", "From the writing of an input record to the commit of its turn.", LATENCY_BOUNDS_S),
    _counter("input", "outages_total", "Times that the input was away, by its own habit."),
    _counter("input", "outcomes_voided_total", "Outcomes that an outage of the input cut; nothing is learned from them."),
    # ---- partitions
    _gauge(
        "partitions", "lag_records", "Offsets between what was committed and the end that a read_committed reader may see; 0 when all was read.", "partition"
    ),
    _gauge("partitions", "lag_seconds", "An upper bound of how long the oldest unread record has waited; 0 when all was read.", "partition"),
    _gauge("partitions", "watermark_timestamp_seconds", "Event time that the partition has reached, as Unix time.", "partition"),
    _gauge("partitions", "assigned_partitions", "Partitions of the input that this worker owns."),
    _counter("partitions", "rebalances_total", "Polls that brought or took partitions.", "role"),
    _counter("partitions", "turns_fenced_total", "Turns given up because another worker had taken their partitions.", "role"),
    _counter("partitions", "offsets_skipped_total", "Offsets of the input or the examples that retention took before they were read.", "role"),
    _gauge("partitions", "restoring_partitions", "Partitions owned whose state has not been read back yet; nothing of them is scored."),
    _gauge("partitions", "restore_remaining_records", "Changelog records still to be read back of the partition being restored, at most."),
    _histogram("partitions", "restore_duration_seconds", "Time to read a partition's state back.", RESTORE_BOUNDS_S),
    # ---- turns and state
    _histogram("scoring", "turn_duration_seconds", "Time of a scorer's turn, by step.", STEP_BOUNDS_S, "step"),
    _histogram("scoring", "commit_duration_seconds", "Time of a transaction's commit, with every retry.", STEP_BOUNDS_S, "role"),
    _gauge("scoring", "turn_events", "Records of the last turn."),
    _gauge("scoring", "profiles", "Users remembered."),
    _gauge("scoring", "profile_bytes", "Memory of their profiles."),
    _counter("scoring", "profile_evictions_total", "Users forgotten.", "reason", reasons=GONE),
    _gauge("scoring", "pending_decisions", "Decisions whose outcome is not known yet."),
    _counter("scoring", "privacy_requests_total", "Requests to be forgotten that were carried out, each with its receipt.", "request"),
    _counter("scoring", "privacy_requests_refused_total", "Records among the requests to be forgotten that are none."),
    _histogram("scoring", "privacy_request_delay_seconds", "From the time that a request names to the commit that carried it out.", WAIT_BOUNDS_S),
    # ---- segments and triggers
    _counter(
        "action",
        "triggers_total",
        "Triggers by what became of them; one that was held is counted again as it is settled.",
        "rule",
        "result",
        "reason",
        reasons=(NO_REASON, *GUARDS),
    ),
    _counter("action", "segment_changes_total", "Users who entered or left a segment.", "segment", "change"),
    _gauge("action", "segment_members", "Users in a segment, of the partitions owned; looked at now and then.", "segment"),
    _gauge(
        "action",
        "uplift_users",
        "Users who crossed a rule, by arm, of the partitions owned; the sum over workers is what clickscore report judges. Looked at now and then.",
        "rule",
        "arm",
        "known",
    ),
    # ---- learning
    _counter("learning", "examples_total", "Matured examples published, by what came of the decision.", "target", "outcome"),
    _histogram("learning", "label_delay_seconds", "Event time between a decision and the publishing of its outcome.", DELAY_BOUNDS_S, "target"),
    _gauge("learning", "example_backlog", "Offsets of the examples that the target's trainer has not learned yet; 0 when all were.", "target"),
    _counter("learning", "examples_learned_total", "Records of the examples that a trainer has taken in.", "target"),
    _counter("learning", "examples_skipped_total", "Examples that a trainer has not learned.", "target", "reason", reasons=SKIPPED),
    _counter("learning", "examples_refused_total", "Records among the examples that are none for their trainer."),
    _counter("learning", "model_returns_total", "Times that a trainer's weights went bad and it went back to its last good state.", "target"),
    _counter("learning", "snapshots_published_total", "Models that a trainer has published.", "target"),
    _gauge("learning", "snapshot_bytes", "Size of the last one.", "target"),
    _gauge("learning", "model_version", "Examples that the model in force has learned; the number after the @ in a score's model.", "target"),
    _gauge("learning", "model_age_seconds", "Since the model in force was published.", "target"),
    _gauge("learning", "model_warming_up", "1 while too few outcomes are known to rely on the model in force.", "target"),
    _gauge("learning", "weight_norm", "Euclidean norm of the weights in force, in log-odds.", "target"),
    _counter("learning", "models_taken_total", "Models that came into force.", "target"),
    _counter("learning", "models_refused_total", "Models that could not be used; the one before stays in force."),
    # ---- quality
    _gauge("quality", "judged_decisions", "Matured decisions that the measures below look back on.", "target", "cause"),
    _gauge("quality", "base_rate", "Rate at which the outcome happened.", "target", "cause"),
    _gauge("quality", "log_loss", "Mean log-loss of the probabilities, in nats.", "target", "cause", "model"),
    _gauge("quality", "log_loss_baseline", "The same, had the base rate been said to everyone.", "target", "cause"),
    _gauge("quality", "roc_auc", "Chance that a decision whose outcome happened had the higher probability; exact.", "target", "cause"),
    _gauge("quality", "roc_auc_estimated", "The same, expected from the probabilities alone were they right; of the same decisions.", "target", "cause"),
    _gauge("quality", "roc_auc_expected_now", "The same, of the scores being published, whose outcomes nobody knows yet.", "target", "cause"),
    _gauge("quality", "calibration_ratio", "Mean probability over the rate of outcomes; 1 is right, above 1 promises too much.", "target", "cause"),
    _gauge("quality", "treated_ratio", "Of judged decisions, the share (by weight) whose users a trigger reached before the window closed.", "target", "cause"),
    _gauge("quality", "treatment_decisions", "Judged decisions of treated users, and of all others.", "target", "cause", "treated"),
    _gauge("quality", "treatment_calibration_ratio", "calibration_ratio of treated users, and of all others.", "target", "cause", "treated"),
    _gauge("quality", "calibration_error", "Mean distance between probability and rate over the bins.", "target", "cause"),
    _gauge("quality", "calibration_bin_predicted", "Mean probability of a bin.", "target", "cause", "bin"),
    _gauge("quality", "calibration_bin_observed", "Rate of outcomes in a bin.", "target", "cause", "bin"),
    _gauge("quality", "calibration_bin_decisions", "Decisions in a bin.", "target", "cause", "bin"),
    # ---- drift
    _gauge(
        "drift",
        "feature_drift_psi",
        "Population stability index of a feature's bins at events, the last day against the week before, less what chance gives.",
        "feature",
    ),
    _gauge("drift", "score_drift_psi", "The same of the published probabilities.", "target"),
    _gauge("drift", "drift_scores", "Scores at events that the last day is judged by, a sample."),
    _gauge("drift", "drift_reference_scores", "Scores at events that the week before is known by."),
    # ---- delivery
    _counter("delivery", "deliveries_total", "Triggers whose fate at a destination was decided.", "destination", "fate"),
    _counter("delivery", "delivery_retries_total", "Requests that failed, or were put off by the destination, and are made again.", "destination"),
    _counter("delivery", "delivery_failures_total", "Times that a fault of the program ended the destination's thread, which was started anew.", "destination"),
    _histogram("delivery", "delivery_delay_seconds", "From the moment a trigger fired to the answer that took it.", WAIT_BOUNDS_S, "destination"),
    _histogram(
        "delivery",
        "delivery_request_duration_seconds",
        "From the beginning of a request to its whole answer, by what that meant.",
        REQUEST_BOUNDS_S,
        "destination",
        "answer",
    ),
    _gauge(
        "delivery",
        "destination_enabled",
        "1 for each destination that the worker's configuration enables, whether or not this worker delivers; so that it shows where nobody does.",
        "destination",
    ),
    _gauge("delivery", "delivery_queue_records", "Triggers read whose fate is not decided.", "destination"),
    _gauge("delivery", "delivery_lag_records", "Offsets of the triggers' topic that the destination's group has not read; 0 when all were.", "destination"),
    _gauge(
        "delivery",
        "delivery_nearest_expiry_ratio",
        "Of the undecided trigger that expires first, the share of its time that is over: 0 as it fires, 1 as it expires. 0 where none is undecided.",
        "destination",
    ),
    _gauge(
        "delivery",
        "delivery_last_progress_timestamp_seconds",
        "Unix time when the destination's thread last came round as it should. Standing still, it hangs, waits for its log, or fails again and again.",
        "destination",
    ),
    _gauge("delivery", "delivery_circuit_state", "The circuit breaker: 0 closed, 1 half-open, 2 open.", "destination"),
)

BY_NAME = {spec.name: spec for spec in METRICS}

# What the design names and this program does not have under that name.
ELSEWHERE: dict[str, str] = {
    "score_histogram": "is `score_probability`: `promtool check metrics` refuses names that hold a metric's kind.",
    "promotions_total": "is not there: no model waits to be promoted. Every snapshot that a trainer publishes and a scorer can use comes into force; "
    "`models_taken_total` counts those, `models_refused_total` the others.",
}
