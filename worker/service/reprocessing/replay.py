"""A replay: event records in their order through one pipeline, with learning, without a log and without a clock.

The same records, settings and cut give the same bytes. Each turn is scored with what had been learned before it; its examples are learned after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from worker.core.action.plan import Plan
from worker.core.labels.examples import Example
from worker.core.labels.tallies import Tally
from worker.core.learning.evaluation import Evaluation, Summary
from worker.core.learning.trainer import Trainer
from worker.core.learning.window import columns_of, matured
from worker.core.pipeline import Pipeline, Turn
from worker.core.scoring.scorecard import Scorecard, Scorecards
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.core.settings import CoreSettings


@dataclass(frozen=True, slots=True)
class Judged:
    """What a replay has found out about one target: its scores at events, its scores in silence, and the scorecard of the end."""

    events: Summary
    silence: Summary
    scorecard: Scorecard
    learned: int


class Replay:
    """One pass over a stream of records."""

    def __init__(self, settings: CoreSettings, plan: Plan | None = None) -> None:
        """`plan`: segments and triggers to work out on the way; they are in each Turn."""
        self.pipeline = Pipeline(settings, keep_changes=False, plan=plan)
        self.targets = self.pipeline.targets
        self.trainers = {name: Trainer(name, target, TABLE_SIZE, LAYOUT) for name, target in self.targets.items()}
        self.evaluations = {name: (Evaluation(), Evaluation()) for name in self.targets}  # by cause
        self.scorecards = Scorecards.of([trainer.scorecard() for trainer in self.trainers.values()])
        self.read = self.events = self.silent = self.voided = 0
        self.first_ms: int | None = None
        self.dropped: Counter[str] = Counter()
        self.forgotten: Counter[str] = Counter()
        self.dead_letters: Counter[str] = Counter()

    def take(self, values: Sequence[bytes]) -> Turn:
        """One turn over the next records."""
        turn = self.pipeline.turn(values, range(self.read, self.read + len(values)), self.scorecards)
        return self._account(turn)

    def finish(self) -> Turn:
        """The input has ended."""
        return self._account(self.pipeline.finish(self.scorecards))

    def judged(self) -> dict[str, Judged]:
        """How good each target's published probabilities were, by what came of them."""
        return {
            name: Judged(self.evaluations[name][0].summary(), self.evaluations[name][1].summary(), trainer.scorecard(), trainer.learned)
            for name, trainer in self.trainers.items()
        }

    @property
    def last_ms(self) -> int | None:
        """The event time reached; None before the first event."""
        return self.pipeline.watermark.value if self.pipeline.watermark.value >= 0 else None

    @property
    def examples(self) -> int:
        """Examples learned, of all targets."""
        return sum(trainer.learned for trainer in self.trainers.values())

    def _account(self, turn: Turn) -> Turn:
        self.read += turn.read
        self.events += turn.events
        self.silent += turn.silent
        self.voided += turn.voided
        self.dropped.update(turn.dropped)
        self.forgotten.update(turn.forgotten)
        self.dead_letters.update(letter.reason for letter in turn.dead_letters)
        if self.first_ms is None and turn.scored is not None and len(turn.scored.time_ms):
            self.first_ms = int(turn.scored.time_ms[0])
        if turn.examples:
            self._learn(turn.examples)
        return turn

    def _learn(self, examples: Sequence[Example | Tally]) -> None:
        for name, trainer in self.trainers.items():
            mine = [example for example in examples if example.target == name]
            trainer.learn_many(mine)
            for facts, evaluation in zip(matured(mine), self.evaluations[name], strict=True):
                if facts:
                    evaluation.observe(columns_of(facts))
        self.scorecards = Scorecards.of([trainer.scorecard() for trainer in self.trainers.values()])
