"""A target's model learned anew from the examples that remain, as `clickscore relearn` does it, and handed to the trainer that runs.

What the trainer had learned when this began is learned again in its order, without the examples of erased users: the result is, to the bit, the model of a
trainer that never saw them. What comes after, the trainer adds itself (takeover.py). Examples that retention has removed are not learned again.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import numpy as np

from worker.core.labels.examples import Example
from worker.core.learning.relearned import HEADER, Relearned, relearned_key
from worker.core.learning.snapshot import Snapshot, SnapshotError
from worker.core.learning.window import log_losses
from worker.core.scoring.scorecard import Scorecard
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.log.contract import Log, Message, Record
from worker.service.assembly import trainer_group
from worker.service.clock import Clock
from worker.service.privacy.erased import erased_by_receipts
from worker.service.scoring.models import latest_of, usable
from worker.service.topics import target_partitions
from worker.service.training.target_examples import TargetExamples
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.core.labels.tallies import Tally

AT_ONCE = 1_000
RECENT = 5_000  # matured examples that both models are judged on
LOOK_EVERY_S = 0.5


@dataclass(slots=True)
class Relearning:
    """What came of one target."""

    target: str
    partition: int
    first: int  # offset of the oldest example there is; what came before is not learned again
    position: int  # of the trainer: the offset up to which it has learned, and this too
    learned: int = 0  # examples and tallies
    erased: int = 0
    refused: int = 0  # records that are no examples
    judged: int = 0  # examples that the two log-losses are means over
    log_loss: float = float("nan")  # of the model that runs
    relearned_log_loss: float = float("nan")
    snapshot: bytes = field(default=b"", repr=False)
    mark: int | None = None  # where the model was handed over

    @property
    def read(self) -> int:
        """Records read."""
        return self.learned + self.erased + self.refused


def relearn(log: Log, settings: Settings) -> Iterator[Relearning]:
    """Learn every target anew that a trainer has learned anything of. Publishes nothing. Raises ReceiptsNotOurs."""
    examples = TargetExamples(settings, erased_by_receipts(log, settings))
    topic = settings.topics.examples
    committed, firsts = log.committed(trainer_group(settings), topic), log.start_offsets(topic)
    for target, partition in target_partitions(settings).items():
        if position := committed.get(partition, 0):
            one = Relearning(target, partition, firsts[partition], position)
            _relearn(log, settings, examples, one)
            yield one


def _relearn(log: Log, settings: Settings, examples: TargetExamples, one: Relearning) -> None:
    from worker.core.learning.trainer import Trainer

    trainer = Trainer(one.target, settings.targets[one.target], TABLE_SIZE, LAYOUT)
    recent: deque[Example] = deque(maxlen=RECENT)
    for records in _before(log, settings, one):
        taken = examples.take(one.target, records)
        trainer.learn_many(taken.examples)
        recent.extend(_matured(taken.examples))
        one.learned += len(taken.examples)
        one.erased += taken.erased
        one.refused += len(taken.refused)
    trainer.learn_many((), {one.partition: one.position})
    snapshot = trainer.snapshot()
    one.snapshot, one.judged = snapshot.encode(), len(recent)
    abstain_below = settings.targets[one.target].abstain_below
    one.relearned_log_loss = _log_loss(snapshot.scorecard(abstain_below), recent)
    if (running := _running(log, settings, one.target)) is not None:
        one.log_loss = _log_loss(running.scorecard(abstain_below), recent)


def _before(log: Log, settings: Settings, one: Relearning) -> Iterator[list[Record]]:
    records = takewhile(lambda record: record.offset < one.position, log.read(settings.topics.examples, one.partition, one.first))
    while piece := list(islice(records, AT_ONCE)):
        yield piece


def _matured(examples: list[Example | Tally]) -> Iterator[Example]:
    return (example for example in examples if isinstance(example, Example) and example.sense == "matured" and example.layout == LAYOUT)


def _running(log: Log, settings: Settings, target: str) -> Snapshot | None:
    """The latest model in force that can be used."""
    for records in latest_of(log, settings.topics.models, 0, [target]):
        for record in reversed(records):
            try:
                return usable(record, target, settings.targets[target])
            except SnapshotError:
                continue
    return None


def _log_loss(card: Scorecard, examples: deque[Example]) -> float:
    """The mean log-loss, by weight, of what this model says of these examples now; they are among those that it has learned."""
    if not examples:
        return float("nan")
    margins = np.array([card.weights.take(example.bins).sum() for example in examples]) + card.intercept
    p = card.p(margins, np.array([example.cause for example in examples]))
    weight = np.array([example.weight for example in examples])
    return float((weight * log_losses(p, np.array([example.outcome for example in examples]))).sum() / weight.sum())


def hand_over(log: Log, settings: Settings, relearned: Relearning) -> None:
    """Let the trainer go on from this model: first the model, then the mark that it comes by.

    After a crash in between nothing has changed but a record that the next run replaces.
    """
    topics, mark, key = settings.topics, Relearned(relearned.target, uuid.uuid4().hex), relearned_key(relearned.target)
    before = log.end_offsets(topics.examples)[relearned.partition]
    log.append(topics.models, [Message(relearned.snapshot, key, ((HEADER, mark.relearn_id.encode()),), partition=0)])
    log.append(topics.examples, [Message(mark.encode(), key, partition=relearned.partition)])
    for record in log.read(topics.examples, relearned.partition, before):
        if record.key == key and record.value == mark.encode():
            relearned.mark = record.offset


def taken_over(log: Log, settings: Settings, handed: list[Relearning], clock: Clock, wait_s: float) -> list[str]:
    """Wait until trainers have gone on from these models; the targets of those that they have not within `wait_s`."""
    until_s = clock.elapsed_s() + wait_s
    while True:
        committed = log.committed(trainer_group(settings), settings.topics.examples)
        left = [one.target for one in handed if one.mark is not None and committed.get(one.partition, 0) <= one.mark]
        if not left or clock.elapsed_s() >= until_s:
            return left
        clock.sleep(LOOK_EVERY_S)
