"""The trainers: examples in, models out. Each target has a partition of examples to itself, and one trainer learns it in order.

A snapshot of the model and the position of the first example that it has not learned are committed in one transaction, and a position is never
committed otherwise. So whatever a dead trainer had learned since its last snapshot is learned again by the next one, and everything counts once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.core.labels.examples import CAUSES, Example
from worker.core.labels.tallies import Tally
from worker.core.learning.relearned import is_relearned
from worker.core.learning.snapshot import Snapshot, SnapshotError
from worker.core.learning.treatment import TreatmentWindow
from worker.core.learning.window import Facts, Window, columns_of, matured
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.log.contract import Log, Message, Polled, Record, TopicPartition, Turns
from worker.log.errors import Fenced, MemberReplaced
from worker.service.clock import Clock
from worker.service.patience import Patience
from worker.service.scoring.models import latest_of, usable
from worker.service.telemetry.happenings import Happenings
from worker.service.topics import target_partitions
from worker.service.training.takeover import Coming, TakeOver
from worker.service.training.target_examples import FollowedReceipts, TargetExamples
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.core.learning.trainer import Trainer

LOOK_EVERY_S = 0.1  # for examples, once all were learned: looks at every turn would cost a tenth of the scorer's small ones
AT_ONCE = 200  # examples between two looks at the clock, some milliseconds
JUDGED = 20_000  # matured decisions of one cause that the measures of quality look back on
JUDGED_EVERY_S, JUDGED_AT_ONCE = 15.0, 1_000
FIRST_LOOK_S = 2.0  # after the start: what those before had judged is there at once


@dataclass(slots=True)
class _Learner:
    """One target's trainer: what it has learned beyond its last snapshot counts only once the next one is committed."""

    trainer: Trainer
    judged: tuple[Window, ...]  # of each cause the latest matured decisions; bounded, and read back from the log by who takes over
    reached: tuple[TreatmentWindow, ...]  # of each cause the latest that say whether a message reached their users
    unjudged: tuple[list[Facts], ...] = field(default_factory=lambda: matured(()))  # of each cause; fewer than JUDGED_AT_ONCE
    unpublished: int = 0
    since_s: float = 0.0  # when the first of them was learned
    failed: tuple[int, int] = (0, 0)  # examples skipped and returns to the good state, as last told
    coming: Coming | None = None  # a relearned model that is to take its place; nothing is published until it has
    at_once: bool = False  # whether a snapshot is due now

    def take(self, examples: Iterable[Example | Tally]) -> None:
        """Have what was published be held against what came of it."""
        for facts, more in zip(self.unjudged, matured(examples), strict=True):
            facts += more
        if sum(map(len, self.unjudged)) >= JUDGED_AT_ONCE:
            self.judge()

    def judge(self) -> None:
        """Bring the windows up to date."""
        for window, reached, facts in zip(self.judged, self.reached, self.unjudged, strict=False):  # no windows where nobody asks
            if facts:
                decisions = columns_of(facts)
                window.observe(*decisions[:4])
                reached.observe(decisions)
            facts.clear()


class Trainers:
    """The training member of one process. For one thread."""

    def __init__(self, log: Log, turns: Turns, group: str, settings: Settings, clock: Clock, happened: Happenings, patience: Patience) -> None:
        self._log = log
        self._turns = turns
        self._group = group
        self._settings = settings
        self._clock = clock
        self._happened = happened
        self._patience = patience
        self._target_of = {partition: name for name, partition in target_partitions(settings).items()}
        self.learners: dict[int, _Learner] = {}
        self._receipts = FollowedReceipts(log, settings, happened, patience)
        self._examples = TargetExamples(settings, self._receipts.erased)
        self._takeover = TakeOver(log, settings, happened, patience, self._examples)
        self._all_learned_s = -math.inf  # when the last look found nothing more to learn
        self._looked_s = clock.elapsed_s() + FIRST_LOOK_S - JUDGED_EVERY_S

    def learn(self, budget_s: float, wait_s: float) -> bool:
        """Learn for about budget_s, waiting at most wait_s for examples; returns whether there were any.

        Raises MemberReplaced, LogUnavailable when stopping.
        """
        now_s = self._clock.elapsed_s()
        until_s = now_s + budget_s
        learned = any(learner.coming for learner in self.learners.values())
        if not learned and not wait_s and now_s - self._all_learned_s < LOOK_EVERY_S:
            return False
        wait_s = 0.0 if learned else wait_s
        self._receipts.look()
        try:
            while True:
                polled = self._patience.call("poll examples", self._turns.poll, AT_ONCE, wait_s)
                self._follow(polled)
                for name, records in polled.records.items():
                    self._learn(name.partition, records)
                    learned = True
                self._bring_up()
                self._publish(everything=False)
                self._look()
                if not polled.records and not any(self._turns.lag().values()):  # where more is known to be there, it is on its way
                    self._all_learned_s = self._clock.elapsed_s()
                if not polled.records or self._clock.elapsed_s() >= until_s:
                    return learned
                wait_s = 0.0
        except MemberReplaced:
            raise
        except Fenced as error:
            self._give_up(error)
            return True

    def publish(self) -> None:
        """Publish whatever was learned since the last snapshots. Raises MemberReplaced, LogUnavailable when stopping."""
        try:
            self._publish(everything=True)
        except MemberReplaced:
            raise
        except Fenced as error:
            self._give_up(error)

    def close(self) -> None:
        """Leave the group. What was not published is left to the next owner to learn."""
        self._turns.close()

    def _give_up(self, error: Fenced) -> None:
        self._turns.abort()
        self.learners.clear()
        self._happened.turn_fenced("trainer", error)

    # ---- partitions come and go

    def _follow(self, polled: Polled) -> None:
        if polled.lost or polled.gained:
            self._happened.rebalanced("trainer", len(polled.gained), len(polled.lost))
        for name in polled.lost | polled.gained:
            if self.learners.pop(name.partition, None):
                self._happened.target_lost(self._target_of[name.partition])
        for name, offsets in polled.skipped.items():
            self._happened.input_skipped("trainer", name.topic, name.partition, offsets)
        new = [name.partition for name in sorted(self._turns.assignment()) if name.partition not in self.learners and name.partition in self._target_of]
        if new:
            targets = [self._target_of[partition] for partition in new]
            read = self._patience.call("restore trainer", latest_of, self._log, self._settings.topics.models, 0, targets)
            found = {records[0].key: records for records in read}
            for partition, target in zip(new, targets, strict=True):
                self.learners[partition] = self._patience.call("restore trainer", self._resume, partition, found.get(target.encode(), ()))

    def _resume(self, partition: int, found: Sequence[Record]) -> _Learner:
        """A trainer as the latest of the snapshots found has it, or a new one."""
        from worker.core.learning.trainer import Trainer  # River takes a second to import, which the scorer's first turn need not wait for

        target = self._target_of[partition]
        settings = self._settings.targets[target]
        committed = self._log.committed(self._group, self._settings.topics.examples).get(partition, 0)
        if not found:
            self._happened.trainer_began(target)
            return _Learner(Trainer(target, settings, TABLE_SIZE, LAYOUT), *_windows())
        snapshot = self._snapshot_at(committed, partition, found)
        trainer = Trainer.from_snapshot(target, settings, TABLE_SIZE, LAYOUT, snapshot)
        learned_to = _learned_to(snapshot, partition)
        if learned_to != committed:
            self._happened.snapshot_out_of_step(target, learned_to, committed)
        self._happened.trainer_resumed(target, trainer.learned, committed)
        learner = _Learner(trainer, *_windows(), failed=(trainer.skipped, trainer.returns))
        learner.take(self._learned_before(partition, committed))
        return learner

    def _learned_before(self, partition: int, committed: int) -> Iterator[Example | Tally]:
        """The examples that stand before the committed position, as many as the windows hold: what the trainer before us had judged."""
        topic = self._settings.topics.examples
        first = max(self._log.start_offsets(topic)[partition], committed - len(CAUSES) * JUDGED)
        for record in self._log.read(topic, partition, first):
            if record.offset >= committed:
                return
            yield from self._examples.take(self._target_of[partition], [record]).examples

    def _snapshot_at(self, committed: int, partition: int, records: Iterable[Record]) -> Snapshot:
        """The one that was published with the committed position: the last, unless somebody has put another behind it. Raises SnapshotError."""
        target = self._target_of[partition]
        sound: list[Snapshot] = []
        refused: SnapshotError | None = None
        for record in reversed(list(records)):
            try:
                snapshot = usable(record, target, self._settings.targets[target])
            except SnapshotError as error:
                self._happened.model_refused(record.offset, error)
                refused = refused or error
                continue
            if _learned_to(snapshot, partition) == committed:
                return snapshot
            sound.append(snapshot)
        if not sound and refused:
            raise refused
        return sound[0]

    # ---- learning

    def _learn(self, partition: int, records: list[Record]) -> None:
        learner = self.learners.get(partition)
        if learner is None:
            return  # a partition without a target
        target = self._target_of[partition]
        taken = self._examples.take(target, records)
        for offset, error in taken.refused:
            self._happened.example_refused(partition, offset, error)
        learner.trainer.learn_many(taken.examples, {partition: records[-1].offset + 1})
        learner.take(taken.examples)
        for mark in (record for record in records if is_relearned(record.key)):
            learner.coming = self._takeover.begin(target, mark) or learner.coming
        if not learner.unpublished:
            learner.since_s = self._clock.elapsed_s()
        learner.unpublished += len(records)
        self._happened.examples_learned(target, len(taken.examples))
        self._happened.examples_erased(target, taken.erased)

    def _bring_up(self) -> None:
        """Let relearned models come nearer; one that has learned what the running one has takes its place."""
        for partition, learner in self.learners.items():
            coming = learner.coming
            if coming and self._takeover.step(coming, learner.trainer.positions[str(partition)]):
                coming.trainer.follow(learner.trainer)
                learner.trainer, learner.coming, learner.at_once = coming.trainer, None, True
                learner.failed = (coming.trainer.skipped, coming.trainer.returns)
                self._happened.relearned_taken_over(coming.target, coming.trainer.learned)

    def _look(self) -> None:
        """Now and then: how far behind the trainers are, what they could not learn, and how good what was published is."""
        now_s = self._clock.elapsed_s()
        if now_s - self._looked_s < JUDGED_EVERY_S:
            return
        self._looked_s = now_s
        unread = {name.partition: offsets for name, offsets in self._turns.lag().items()}
        for partition, learner in self.learners.items():
            target, trainer = self._target_of[partition], learner.trainer
            if partition in unread:
                self._happened.backlog_seen(target, unread[partition])
            skipped, returns = learner.failed
            learner.failed = (trainer.skipped, trainer.returns)
            self._happened.examples_failed(target, max(0, trainer.skipped - skipped), max(0, trainer.returns - returns))
            learner.judge()
            for cause, window, reached in zip(CAUSES, learner.judged, learner.reached, strict=True):
                if len(window):
                    self._happened.outcomes_judged(target, cause, window.quality())
                if (treatment := reached.treatment()).n:
                    self._happened.treatment_seen(target, cause, treatment)

    def _publish(self, everything: bool) -> None:
        """Commit the snapshots that are due, with their positions."""
        service, now_s = self._settings.service, self._clock.elapsed_s()
        due = {
            partition: learner
            for partition, learner in self.learners.items()
            if learner.unpublished
            and not learner.coming
            and (
                everything or learner.at_once or learner.unpublished >= service.snapshot_examples or now_s - learner.since_s >= service.snapshot_wait_ms / 1000
            )
        }
        if not due:
            return
        topics = self._settings.topics
        positions, sizes = {}, {}
        for partition, learner in due.items():
            snapshot = learner.trainer.snapshot().encode()
            sizes[partition] = len(snapshot)
            positions[TopicPartition(topics.examples, partition)] = learner.trainer.positions[str(partition)]
            self._patience.call("send", self._turns.send, topics.models, [Message(snapshot, self._target_of[partition].encode(), partition=0)])
        began_s = self._clock.elapsed_s()
        self._patience.call("publish snapshot", self._turns.commit, positions)
        self._happened.snapshots_committed(self._clock.elapsed_s() - began_s)
        for partition, learner in due.items():
            learner.unpublished, learner.at_once = 0, False
            target, trainer = self._target_of[partition], learner.trainer
            self._happened.snapshot_published(target, trainer.learned, trainer.skipped, sizes[partition])


def _windows() -> tuple[tuple[Window, ...], tuple[TreatmentWindow, ...]]:
    return tuple(Window(JUDGED) for _ in CAUSES), tuple(TreatmentWindow(JUDGED) for _ in CAUSES)


def _learned_to(snapshot: Snapshot, partition: int) -> int:
    return int(snapshot.numbers["positions"].get(str(partition), 0))
