"""A target's partition of examples as its trainer reads it: who was erased is passed over, by the receipts that have come so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from worker.core.labels.examples import Example, ExampleError
from worker.core.labels.tallies import Tally
from worker.core.learning.relearned import is_relearned
from worker.core.privacy.erased_users import ErasedUsers, ReceiptRefused
from worker.log.contract import Log, Record
from worker.service.patience import Patience
from worker.service.telemetry.happenings import Happenings
from worker.settings import Settings

RECEIPTS_AT_ONCE = 500


@dataclass(slots=True)
class Taken:
    """What is to be learned of some records, and what is not."""

    examples: list[Example | Tally] = field(default_factory=list)
    erased: int = 0
    refused: list[tuple[int, ExampleError]] = field(default_factory=list)  # offsets


class TargetExamples:
    """Reads records of targets' partitions. For one thread."""

    def __init__(self, settings: Settings, erased: ErasedUsers | None) -> None:
        self._pseudonyms = settings.pseudonyms
        self._erased = erased

    def take(self, target: str, records: Iterable[Record]) -> Taken:
        """Read records of a target's partition, in order; marks of relearned models are no examples."""
        taken = Taken()
        for record in records:
            if is_relearned(record.key):
                continue
            try:
                example = Example.decode(record.value or b"", self._pseudonyms)
                if example.target != target:
                    raise ExampleError(f"it is of {example.target!r:.40}, and this partition of {target!r}")
            except ExampleError as error:
                taken.refused.append((record.offset, error))
                continue
            if self._erased is not None and self._erased.has_example(example):
                taken.erased += 1
            else:
                taken.examples.append(example)
        return taken


class FollowedReceipts:
    """The receipts of erasures, read to their end and followed from there. There are none where privacy.key is not set."""

    def __init__(self, log: Log, settings: Settings, happened: Happenings, patience: Patience) -> None:
        self._happened, self._patience = happened, patience
        self.erased = ErasedUsers(settings.privacy.key_bytes) if settings.privacy.key_bytes else None
        if self.erased is not None:
            topic = settings.topics.receipts
            ends = patience.call("read receipts", log.end_offsets, topic)
            for partition in ends:
                self._take(patience.call("read receipts", _all_of, log, topic, partition))
            self._tail = log.tail(topic, ends)

    def look(self) -> None:
        """Take in what has come since the last look."""
        if self.erased is not None:
            self._take(self._patience.call("read receipts", self._tail.poll, RECEIPTS_AT_ONCE, 0))

    def _take(self, records: Iterable[Record]) -> None:
        assert self.erased is not None
        for record in records:
            try:
                if record.value is not None:
                    self.erased.take(record.value)
            except ReceiptRefused as error:
                self._happened.receipt_refused(record.offset, error)


def _all_of(log: Log, topic: str, partition: int) -> list[Record]:
    return list(log.read(topic, partition))
