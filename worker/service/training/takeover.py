"""How a running trainer goes on from a model that was learned anew (`clickscore relearn`).

The relearned model has learned up to a position that the trainer had passed already. So at the mark it is brought up to where the trainer stands, from the
examples in between, a piece at a time so that nobody waits, while the trainer goes on with the old model and publishes nothing. Then it takes the old one's
place, and is published with the position as ever. Until that commit the committed position lies before the mark: whoever takes over after a crash, another
member perhaps, comes by the mark again and begins this anew. After it nobody does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from worker.core.learning.relearned import HEADER, Relearned, relearned_key
from worker.core.learning.snapshot import SnapshotError
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.log.contract import Log, Record
from worker.service.patience import Patience
from worker.service.scoring.models import LOOK_BACK, usable
from worker.service.telemetry.happenings import Happenings
from worker.service.training.target_examples import TargetExamples
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.core.learning.trainer import Trainer

AT_ONCE = 600  # examples of a step: more than come in meanwhile


@dataclass(slots=True)
class Coming:
    """A relearned model on its way to where the trainer stands."""

    target: str
    partition: int
    trainer: Trainer
    position: int  # of the next example that it has to learn
    records: Iterator[Record] | None = None  # from there on; None: to be read anew


class TakeOver:
    """Finds relearned models and brings them up. For the trainer's thread."""

    def __init__(self, log: Log, settings: Settings, happened: Happenings, patience: Patience, examples: TargetExamples) -> None:
        self._log, self._settings, self._happened, self._patience, self._examples = log, settings, happened, patience, examples

    def begin(self, target: str, mark: Record) -> Coming | None:
        """The model that a mark speaks of; None where there is none to go on from: a later mark replaced it, or it cannot be used."""
        try:
            relearned = Relearned.decode(mark.value or b"")
        except ValueError as error:
            self._happened.example_refused(mark.partition, mark.offset, error)
            return None
        found = self._patience.call("read relearned model", self._find, relearned)
        if found is None:
            self._happened.relearned_passed_over(target, "a later one has replaced it")
            return None
        try:
            snapshot = usable(found, target, self._settings.targets[target])
        except SnapshotError as error:
            self._happened.model_refused(found.offset, error)
            return None
        position = int(snapshot.numbers["positions"].get(str(mark.partition), 0))
        first = self._patience.call("read examples", self._log.start_offsets, self._settings.topics.examples)[mark.partition]
        if not first <= position <= mark.offset:
            self._happened.relearned_passed_over(target, f"it ends at offset {position}, and the examples from there on are gone")
            return None
        from worker.core.learning.trainer import Trainer  # River takes a second to import

        trainer = Trainer.from_snapshot(target, self._settings.targets[target], TABLE_SIZE, LAYOUT, snapshot)
        return Coming(target, mark.partition, trainer, position)

    def step(self, coming: Coming, until: int) -> bool:
        """Learn some of the examples before the offset `until`; returns whether all of them were."""
        while coming.position < until:
            records = self._patience.call("read examples", self._next, coming, until)
            taken = self._examples.take(coming.target, records)
            coming.position = records[-1].offset + 1 if records else until  # nothing more: markers of transactions
            coming.trainer.learn_many(taken.examples, {coming.partition: coming.position})
            if records:
                break
        return coming.position >= until

    def _next(self, coming: Coming, until: int) -> list[Record]:
        """The next records before `until`; none where there are none any more."""
        records, coming.records = coming.records, None  # what fails on the way is read anew
        for again in (records, None):  # a reading ends where the log ended when it began: only a new one tells that there is nothing
            reading = again or self._log.read(self._settings.topics.examples, coming.partition, coming.position)
            got = [record for record in islice(reading, AT_ONCE) if record.offset < until]
            if len(got) == AT_ONCE:
                coming.records = reading
            if got:
                return got
        return []

    def _find(self, relearned: Relearned) -> Record | None:
        """The snapshot of a mark, looked for from behind; the last one under its key counts."""
        topic, key = self._settings.topics.models, relearned_key(relearned.target)
        first, end, back = self._log.start_offsets(topic)[0], self._log.end_offsets(topic)[0], LOOK_BACK
        while True:
            start = max(first, end - back)
            latest: Record | None = None
            for record in self._log.read(topic, 0, start):
                if record.key == key:
                    latest = record
            if latest is not None or start == first:
                break
            back *= 8
        return latest if latest is not None and (HEADER, relearned.relearn_id.encode()) in latest.headers else None
