"""The trainer of one target: examples in, in order; scorecards to score with and snapshots to go on from out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.labels.examples import EVENT, Example
from worker.core.labels.tallies import Tally, looks_of
from worker.core.learning.bin_regression import INTERCEPT_PRIOR, BinRegression, Bins
from worker.core.learning.snapshot import Snapshot, levelled, meaning
from worker.core.scoring.calibration import Calibration
from worker.core.scoring.level import Level
from worker.core.scoring.scorecard import Scorecard
from worker.core.settings import TargetSettings

Floats = NDArray[np.float64]

WEIGHT_LIMIT = 1e6  # of an example
RATE_MEMORY = 20_000.0  # weight of the outcomes over which the base rate is an average
RATE_LIMIT = 1e-6  # the base rate stays this far from 0 and 1
GOOD_EVERY = 2_000  # examples between two copies of the good state


class Trainer:
    """Learns one target's outcome (where absence is published, the probability of the absence is 1 - p).

    A step that fails changes nothing and its example is counted as skipped. Weights that went bad by themselves are found when an example meets them,
    or within GOOD_EVERY examples; the trainer then goes back to its last good state and learns again what came since.
    """

    def __init__(self, name: str, settings: TargetSettings, table_size: int, layout: str) -> None:
        self.name = name
        self.settings = settings
        self.table_size = table_size
        self.layout = layout
        self.model = BinRegression(settings, table_size)
        self.calibration = Calibration()
        self.level = Level(len(looks_of(settings.horizon_ms)))
        self.outcomes = [0, 0]  # matured: did not happen, happened
        self.base_rate = settings.prior  # of the outcome, lately
        self.rate_weight = INTERCEPT_PRIOR / (settings.prior * (1.0 - settings.prior))
        # Sums over matured outcomes, by weight, of what was published: their quotients are log-loss and calibration ratio.
        self.published = {"weight": 0.0, "log_loss": 0.0, "log_loss_of_base_rate": 0.0, "p": 0.0, "happened": 0.0}
        self.named_before = 0  # added to the number in the model's name, so that no name comes up again after a relearning
        self.positions: dict[str, int] = {}  # partition of examples -> offset of the next one to learn
        self.skipped = 0  # examples that could not be learned
        self.returns = 0  # to the last good state, since the program started
        self._since: list[Example | Tally] = []  # the last good state
        self._good = self.snapshot()

    @property
    def learned(self) -> int:
        """Records learned: examples, and tallies, which the level alone learns."""
        return int(self.model.optimizer.n_iterations) + self.level.tallies

    @property
    def warming_up(self) -> bool:
        """Too few outcomes of one kind are known."""
        return min(self.outcomes) < self.settings.abstain_below

    def follow(self, other: Trainer) -> None:
        """Take another's place: from here on models are named after what it has named its own."""
        self.named_before = max(self.named_before, other.named_before + other.learned + 1 - self.learned)
        self._good, self._since = self.snapshot(), []

    def learn(self, example: Example | Tally) -> None:
        """Learn one example, or count it as skipped."""
        self.learn_many((example,))

    def learn_many(self, examples: Iterable[Example | Tally], positions: Mapping[int, int] | None = None) -> None:
        """Learn examples in order; `positions` say, for each partition, the offset after the last of them."""
        with np.errstate(all="ignore"):  # what numpy would warn of is found by the guard
            for example in examples:
                self._since.append(example)
                if not self._try(example) and not self.model.is_sound():
                    self._return_to_good()
                if len(self._since) >= GOOD_EVERY:
                    if not self.model.is_sound():
                        self._return_to_good()
                    self._good, self._since = self.snapshot(), []
        self.positions.update({str(partition): offset for partition, offset in (positions or {}).items()})

    def scorecard(self) -> Scorecard:
        """What has been learned so far, compiled: one copy of the weights, well under a millisecond and cheaper than keeping book of those that moved."""
        version, weights = f"{self.name}@{self.named_before + self.learned}", self.model.weights.copy()
        coefficients, shift = levelled(self.calibration, self.level), self.level.shift
        return Scorecard(self.name, version, self.layout, weights, float(self.model.intercept), coefficients, self.warming_up, self.base_rate, shift)

    # ---- one example

    def _try(self, example: Example | Tally) -> bool:
        try:
            if isinstance(example, Tally):
                self._fold(example)
            else:
                self._learn(example)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            self.skipped += 1
            return False
        return True

    def _fold(self, tally: Tally) -> None:
        if tally.target != self.name:
            raise ValueError(f"a tally of {tally.target}")
        self.level.fold(tally)

    def _learn(self, example: Example) -> None:
        bins = self._bins(example)
        if self.settings.scheme == "maturity":
            if example.sense == "matured":
                self.model.learn_one(bins, example.outcome, example.weight)
                self._judge(example, self.model.margin)
        elif example.sense == "matured":
            self._judge(example, math.log(example.raw / (1.0 - example.raw)))
        else:
            # Fake negative weighted (Ktena et al. 2019): together they teach what the matured label would.
            p = self.model.probability(bins)
            share = 1.0 + p if example.outcome else (1.0 - p) * (1.0 + p)
            self.model.learn_one(bins, example.outcome, example.weight * share)

    def _bins(self, example: Example) -> Bins:
        """The example's active bins; ValueError says what about the example cannot be learned."""
        if example.target != self.name or example.layout != self.layout:
            raise ValueError(f"an example of {example.target}, layout {example.layout}")
        if not (0.0 < example.weight <= WEIGHT_LIMIT and 0.0 < example.p < 1.0 and 0.0 < example.raw < 1.0):
            raise ValueError(f"weight {example.weight}, p {example.p}, raw {example.raw}")
        bins = np.sort(example.bins).astype(np.intp)
        if len(bins) and not 0 <= bins[0] <= bins[-1] < self.table_size:
            raise ValueError("a bin outside the table")
        return bins[bins.searchsorted(1) :]

    def _judge(self, example: Example, margin: float) -> None:
        """Hold a matured outcome against what was said of it: sums of what was published, base rate, calibration."""
        outcome, weight, p, rate = example.outcome, example.weight, example.p, self.base_rate
        published = self.published
        published["weight"] += weight
        published["log_loss"] -= weight * math.log(p if outcome else 1.0 - p)
        published["log_loss_of_base_rate"] -= weight * math.log(rate if outcome else 1.0 - rate)
        published["p"] += weight * p
        published["happened"] += weight * outcome
        self.outcomes[outcome] += 1
        if example.cause == EVENT:  # the base rate that lift is told against: of a user on a day on which they came
            self.rate_weight = min(self.rate_weight + weight, RATE_MEMORY)
            rate += (outcome - rate) * min(1.0, weight / self.rate_weight)
            self.base_rate = max(RATE_LIMIT, min(1.0 - RATE_LIMIT, rate))
        self.calibration.update(margin, outcome, weight, example.cause)

    # ---- state

    def _return_to_good(self) -> None:
        """Go back to the last good state and learn again what came since."""
        self.returns += 1
        positions = self.positions
        self._take(self._good)
        self.positions = positions
        for example in self._since:
            self._try(example)

    def snapshot(self) -> Snapshot:
        """The whole state, apart from this trainer."""
        tables = {"weights": self.model.weights, **self.model.optimizer.state()}
        bins = np.flatnonzero(np.logical_or.reduce([table != 0.0 for table in tables.values()])).astype(np.int32)
        numbers: dict[str, Any] = {
            "learned": self.learned,
            **({"named_before": self.named_before} if self.named_before else {}),
            "intercept": float(self.model.intercept),
            "information": self.model.information,
            "outcomes": list(self.outcomes),
            "base_rate": self.base_rate,
            "rate_weight": self.rate_weight,
            "published": dict(self.published),
            "skipped": self.skipped,
            "positions": dict(self.positions),
            "calibration": self.calibration.state(),
            "level": self.level.state(),
        }
        arrays = {name: table.take(bins) for name, table in tables.items()}
        return Snapshot(self.name, self.layout, self.table_size, meaning(self.settings), numbers, bins, arrays)

    @classmethod
    def from_snapshot(cls, name: str, settings: TargetSettings, table_size: int, layout: str, snapshot: Snapshot) -> Trainer:
        """Go on from a snapshot; raises SnapshotError where it is of something else."""
        snapshot.check(name, settings, table_size, layout)
        trainer = cls(name, settings, table_size, layout)
        trainer._take(snapshot)
        trainer._good = snapshot
        return trainer

    def _take(self, snapshot: Snapshot) -> None:
        numbers = snapshot.numbers
        self.named_before = numbers.get("named_before", 0)
        self.model.weights[:] = snapshot.table("weights")
        for name, table in self.model.optimizer.state().items():
            table[:] = snapshot.table(name)
        self.level = Level(len(looks_of(self.settings.horizon_ms)))
        self.level.go_on(numbers["level"])
        self.model.optimizer.n_iterations = numbers["learned"] - self.level.tallies
        self.model.intercept, self.model.information = numbers["intercept"], numbers["information"]
        self.outcomes, self.published, self.positions = list(numbers["outcomes"]), dict(numbers["published"]), dict(numbers["positions"])
        self.base_rate, self.rate_weight, self.skipped = numbers["base_rate"], numbers["rate_weight"], numbers["skipped"]
        self.calibration = Calibration.from_state(numbers["calibration"])
