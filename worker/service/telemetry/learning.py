"""What happened to examples, trainers and models: a part of happenings.py, by the same rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from worker.core.learning.window import BINS
from worker.service.clock import Clock
from worker.service.telemetry.logging import Logger
from worker.service.telemetry.metrics import Metrics
from worker.service.watch import Watch

if TYPE_CHECKING:
    from worker.core.learning.treatment import Treatment
    from worker.core.learning.window import Quality

BY_MEASURE = {
    "judged_decisions": "n",
    "base_rate": "base_rate",
    "log_loss_baseline": "baseline_log_loss",
    "roc_auc": "auc",
    "roc_auc_estimated": "estimated_auc",
    "calibration_ratio": "calibration_ratio",
    "calibration_error": "ece",
}
BY_MODEL = {"published": "log_loss", "raw": "raw_log_loss"}
BY_BIN = {"calibration_bin_predicted": "said", "calibration_bin_observed": "true", "calibration_bin_decisions": "decisions"}
OF_TRAINERS = (*BY_MEASURE, "log_loss", *BY_BIN, "treated_ratio", "treatment_decisions", "treatment_calibration_ratio", "example_backlog", "snapshot_bytes")


class LearningHappenings:
    """Happenings of learning; what they need is Happenings' own."""

    _log: Logger
    _metrics: Metrics
    _clock: Clock
    _watch: Watch

    def example_refused(self, partition: int, offset: int, error: Exception) -> None:
        """A record among the examples is none, or none of this trainer's."""
        self._metrics.add("examples_refused_total", 1)
        self._log.warning("example refused", partition=partition, offset=offset, error=str(error).splitlines()[0])

    def examples_erased(self, target: str, count: int) -> None:
        """A trainer has passed over examples of users who were erased."""
        self._metrics.add("examples_skipped_total", count, target, "erased")

    def receipt_refused(self, offset: int, error: Exception) -> None:
        """A record among the receipts is none of ours: what it says is not heeded."""
        self._log.error("receipt refused", offset=offset, error=str(error))

    def relearned_passed_over(self, target: str, why: str) -> None:
        """A model that was learned anew cannot be gone on from; the trainer stays with the one it has."""
        self._log.error("relearned model passed over", target=target, why=why)

    def relearned_taken_over(self, target: str, learned: int) -> None:
        """A trainer goes on from a model that was learned anew."""
        self._log.info("relearned model taken over", target=target, learned=learned)

    def examples_failed(self, target: str, skipped: int, returns: int) -> None:
        """Of what a trainer took in, it could not learn so many; so often its weights went bad and it went back to its last good state."""
        self._metrics.add("examples_skipped_total", skipped, target, "failed")
        self._metrics.add("model_returns_total", returns, target)
        if returns:
            self._log.warning("weights went bad", target=target, returns=returns)

    def outcomes_judged(self, target: str, cause: str, quality: Quality) -> None:
        """Published probabilities of one cause were compared with what came of them. What is not known is not said."""
        for name, measure in BY_MEASURE.items():
            self._say(name, getattr(quality, measure), target, cause)
        for model, measure in BY_MODEL.items():
            self._say("log_loss", getattr(quality, measure), target, cause, model)
        for name, measure in BY_BIN.items():
            for number, one in enumerate(quality.calibration, start=1):
                self._metrics.set(name, getattr(one, measure), target, cause, str(number))
            for number in range(len(quality.calibration) + 1, BINS + 1):  # there may have been more
                self._metrics.remove(name, target, cause, str(number))

    def treatment_seen(self, target: str, cause: str, treatment: Treatment) -> None:
        """Judged decisions were told apart by whether a message had reached their users."""
        self._say("treated_ratio", treatment.share, target, cause)
        self._metrics.set("treatment_decisions", treatment.n_treated, target, cause, "yes")
        self._metrics.set("treatment_decisions", treatment.n - treatment.n_treated, target, cause, "no")
        self._say("treatment_calibration_ratio", treatment.ratio_treated, target, cause, "yes")
        self._say("treatment_calibration_ratio", treatment.ratio_untreated, target, cause, "no")

    def _say(self, name: str, value: float, *labels: str) -> None:
        if math.isnan(value):
            self._metrics.remove(name, *labels)
        else:
            self._metrics.set(name, value, *labels)

    def backlog_seen(self, target: str, offsets: int) -> None:
        """A look at how many offsets of a target's examples are not learned yet."""
        self._metrics.set("example_backlog", offsets, target)

    def target_lost(self, target: str) -> None:
        """Another worker trains this target now."""
        for name in OF_TRAINERS:
            self._metrics.remove(name, target)
        self._log.info("trainer given up", target=target)

    def trainer_resumed(self, target: str, learned: int, offset: int) -> None:
        """A target's trainer goes on from its snapshot."""
        self._log.info("trainer resumed", target=target, learned=learned, next_example=offset)

    def trainer_began(self, target: str) -> None:
        """A target's trainer has nothing to go on from."""
        self._log.info("trainer began", target=target)

    def snapshot_out_of_step(self, target: str, learned_to: int, committed: int) -> None:
        """The snapshot and the position of its trainer were not written together, or one of them was changed since."""
        self._log.error("snapshot and position differ", target=target, learned_to=learned_to, position=committed)

    def snapshots_committed(self, took_s: float) -> None:
        """The transaction of one or more models took so long."""
        self._metrics.observe_one("commit_duration_seconds", took_s, "trainer")

    def snapshot_published(self, target: str, learned: int, skipped: int, size: int) -> None:
        """A model went out, together with the position of the examples it has learned."""
        self._metrics.add("snapshots_published_total", 1, target)
        self._metrics.set("snapshot_bytes", size, target)
        more = {"skipped": skipped} if skipped else {}
        self._log.info("snapshot published", target=target, learned=learned, kib=-(-size // 1024), **more)

    def models_read(self, versions: Mapping[str, str]) -> None:
        """The topic of models was read to its end: of each target the latest, or the untrained one."""
        self._watch.models_taken(versions)

    def model_taken(self, target: str, model: str, learned: int, published_ms: int, weight_norm: float, warming_up: bool) -> None:
        """The scorer goes on with another model."""
        self._metrics.add("models_taken_total", 1, target)
        self._metrics.set("weight_norm", weight_norm, target)
        self._metrics.set("model_warming_up", warming_up, target)
        metrics, clock = self._metrics, self._clock
        metrics.set("model_version", learned, target)
        self._watch.models_taken({target: model})
        metrics.follow("model_age_seconds", lambda: (clock.now_ms() - published_ms) / 1000, target)
        self._log.debug("model taken", target=target, model=model)

    def model_refused(self, offset: int, error: Exception) -> None:
        """A snapshot cannot be used; the scorer stays with the model it has."""
        self._metrics.add("models_refused_total", 1)
        self._log.error("model refused", offset=offset, error=str(error).splitlines()[0])
