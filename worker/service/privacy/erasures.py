"""The scorer's part in erasure: the requests of the partitions that it owns, and what answers them, all in the turn's transaction.

Requests are no part of the group's input: two topics of one group need not come to the same member. Each owner of a partition follows the requests of the
same number without a group; how far they were carried out is a field of the partition's own record in the changelog. So a request waits while no worker
runs, is carried out with the first turn of whoever comes next, and whatever the turn's commit decides holds for all of it: erasure, tombstones, receipt
and position are there once, or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from worker.core.pipeline import Pipeline, Turn
from worker.core.privacy.carrying_out import carry_out
from worker.core.privacy.pseudonyms import Pseudonyms
from worker.core.privacy.receipts import Receipts
from worker.core.privacy.requests import Request, RequestRefused
from worker.core.privacy.suppression import passed_over
from worker.log.contract import Log, Message, Record, Tail
from worker.service.clock import Clock
from worker.service.patience import Patience
from worker.service.telemetry.happenings import Happenings
from worker.settings import Settings

LOOK_EVERY_S = 0.5  # at the topic of requests
AT_ONCE = 500  # requests of one look
IN_A_TURN = 200  # requests carried out on one partition: more would hold up events


@dataclass(slots=True)
class _Turn:
    """What was carried out in the open turn on one partition."""

    requests: list[Request] = field(default_factory=list)
    messages: list[tuple[str, list[Message]]] = field(default_factory=list)


class Erasures:
    """The requests of the partitions that one scorer owns. For the scorer's thread."""

    def __init__(self, log: Log, settings: Settings, clock: Clock, happened: Happenings, patience: Patience) -> None:
        """Only where privacy.key is set."""
        self._log, self._settings, self._clock, self._happened, self._patience = log, settings, clock, happened, patience
        self._topics = settings.topics
        self._receipts = Receipts(settings.privacy.key_bytes or b"")
        self._pseudonyms = Pseudonyms(settings.privacy.key_bytes)
        self._erasable = patience.call("topics", _erasable, log, settings)
        self._tail: Tail | None = None
        self._next: dict[int, int] = {}  # by partition: the next offset to be read
        self._waiting: dict[int, list[Record]] = {}  # by partition: read, and not carried out
        self._reached: dict[int, int] = {}  # by partition: the offset up to which the input was read
        self._open: dict[int, _Turn] = {}
        self._looked_s = -math.inf

    # ---- partitions come and go

    def follow(self, restored: Collection[int], pipelines: Mapping[int, Pipeline]) -> None:
        """These partitions were just restored, and `pipelines` has all that are owned: go on where their state says, from the requests that wait.

        After a turn that was given up all are restored, and what it had carried out is read again.
        """
        kept = pipelines.keys() - set(restored)
        if not restored and kept == self._next.keys():
            return
        for partition in self._next.keys() - kept:
            for known in (self._next, self._waiting, self._reached, self._open):
                known.pop(partition, None)
        committed = self._patience.call("positions", self._log.committed, self._settings.service.group, self._topics.events) if restored else {}
        for partition in sorted(restored):
            self._reached[partition] = committed.get(partition, 0)
            self._patience.call("read requests", self._read, partition, pipelines[partition])
        if self._tail:
            self._tail.close()
        self._tail = self._patience.call("follow requests", self._log.tail, self._topics.privacy, dict(self._next)) if self._next else None

    def _read(self, partition: int, pipeline: Pipeline) -> None:
        """All requests that are there by now, so that they are carried out with the partition's first turn."""
        position, end = pipeline.state.requests or 0, self._log.end_offsets(self._topics.privacy)[partition]
        if position > end:  # the topic was made anew
            position = 0
        self._next[partition], self._waiting[partition] = position, []
        for record in self._log.read(self._topics.privacy, partition, position):
            self._take(record)

    def _take(self, record: Record) -> None:
        self._next[record.partition] = record.offset + 1
        if record.value is not None:  # else it was answered
            self._waiting[record.partition].append(record)

    def look(self) -> None:
        """Take in what was asked for since the last look."""
        now_s = self._clock.elapsed_s()
        if self._tail and now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            for record in self._patience.call("look for requests", self._tail.poll, AT_ONCE, 0.0):
                self._take(record)

    # ---- within a turn

    def due(self, partition: int) -> bool:
        """Whether anything waits to be carried out."""
        return bool(self._waiting.get(partition))

    def admitted(self, partition: int, records: list[Record], pipeline: Pipeline) -> list[Record]:
        """The records of a turn without those that speak of suppressed users."""
        self._reached[partition] = records[-1].offset + 1
        values, keys = [record.value for record in records], [record.key for record in records]
        theirs = passed_over(values, keys, pipeline.state.suppressed, self._pseudonyms, self._settings.events.names)
        return [record for place, record in enumerate(records) if place not in theirs] if theirs else records

    def carry_out(self, partition: int, pipeline: Pipeline, turn: Turn) -> None:
        """Carry out what waits, at the end of the partition's turn."""
        waiting, rest = self._waiting[partition][:IN_A_TURN], self._waiting[partition][IN_A_TURN:]
        self._waiting[partition], read_to = rest, rest[0].offset if rest else self._next[partition]
        requests, keys = [], []
        for record in waiting:
            try:
                requests.append(Request.decode(record.key, record.value or b""))
                keys.append(record.key)
            except RequestRefused as error:
                self._happened.request_refused(record.partition, record.offset, str(error))
        now_ms = self._clock.now_ms()
        erased = carry_out(pipeline, requests, read_to, turn, self._pseudonyms, now_ms)
        done = _Turn(requests)
        answers = [
            Message(self._receipts.receipt(request, gone, now_ms, partition, self._reached[partition]), self._receipts.key(request, partition))
            for request, gone in zip(requests, erased, strict=True)
        ]
        users = dict.fromkeys(request.user_id.encode() for request in requests if request.erases)
        for topic in self._erasable:
            done.messages.append((topic, [Message(None, user, partition=partition) for user in users]))
        done.messages.append((self._topics.receipts, answers))
        done.messages.append((self._topics.privacy, [Message(None, key, partition=partition) for key in keys]))
        self._open[partition] = done

    def messages(self, partition: int) -> Sequence[tuple[str, list[Message]]]:
        """What answers the requests of the open turn, by topic: tombstones and receipts."""
        return self._open[partition].messages if partition in self._open else ()

    def committed(self) -> None:
        """The turn is published."""
        for partition, done in self._open.items():
            self._happened.requests_carried_out(partition, done.requests)
        self._open.clear()


def _erasable(log: Log, settings: Settings) -> list[str]:
    """The topics in which a tombstone under the user's id removes what there is of the user; those that are not there hold nobody.

    The topic of triggers is one whatever its policy: couriers heed its tombstones, and an embedded log is swept by them (sweeping.py).
    """
    topics = settings.topics
    there = log.topics([topics.scores, topics.segments, topics.triggers])
    return [name for name, topic in there.items() if topic.compacted or name == topics.triggers]
