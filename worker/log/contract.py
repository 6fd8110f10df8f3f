"""The log: what the rest of the program may rely on, whichever form stands behind it.

A log is a set of topics; a topic is a number of partitions; a partition is a sequence of records, each with an
offset. Offsets grow by at least one, are never given twice, and stay with their record for ever. A form may leave
offsets out (Kafka's transaction markers take some, compaction removes some), so nobody may count records by
subtracting offsets.

Guarantees, for every form:
1. Order: a partition's records are read in the order of their offsets, and a turn's messages for one partition are
   written in the order in which they were sent.
2. One transaction: commit() publishes everything a turn has sent and moves the group's positions, or does neither.
   Readers never see a part of it, nor anything of a turn that was not committed.
3. One owner: a partition of a group's topics belongs to at most one member at a time as far as anyone can tell from
   the log: a member that lost it, and does not know yet, cannot commit (Fenced).
4. Death: what a killed process had committed stays; what it had not is as if it had never been. A new process under
   the same member name goes on at once; other members take over after the form's own delay.
5. Restart: a group's positions outlive its members. A member begins where the group's last commit ended.

The turn loop of a member:
    polled = turns.poll(limit, timeout_s)     # 1 what was lost, what was gained, what came in
    drop the state of polled.lost; restore the state of polled.gained; work on polled.records
    turns.send(topic, messages)               # 2 any number of times
    turns.commit(polled.next_offsets)         # 3 publish and move on; on an error see Turns.commit
More than one poll may go into one turn. Every turn ends in commit() or abort().
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]
Cleanup = Literal["delete", "compact", "compact,delete"]
Start = Literal["earliest", "latest"]
OnGap = Literal["stop", "skip"]

DAY_MS = 86_400_000


class TopicPartition(NamedTuple):
    """The name of one partition."""

    topic: str
    partition: int


class Record(NamedTuple):
    """One record as read. A named tuple, not a dataclass: a poll makes thousands, and a tuple costs a third.

    `value` None is a tombstone: in a compacted topic it removes the key. `timestamp_ms`: Unix time of writing.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


class Message(NamedTuple):
    """One record to be written. Without `partition`, the key chooses it (partitioner.py); without a key, any is taken."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic is created with.

    `cleanup`: "compact" keeps the last record of each key, "delete" removes from the old end by time and by size,
    "compact,delete" does both. `retention_ms` (age of a record) and `retention_bytes` (size of one partition's keys,
    values and headers) count only with "delete"; None is without limit. A tombstone goes `tombstone_ms` after it was
    written, which leaves a slow reader that long to see it. `record_bytes` raises a broker's limit on the size of one
    record; an embedded log has none. Raises ValueError for what Kafka would refuse.
    """

    name: str
    partitions: int = 1
    cleanup: Cleanup = "delete"
    retention_ms: int | None = None
    retention_bytes: int | None = None
    tombstone_ms: int = DAY_MS
    record_bytes: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", self.name) or self.name in (".", ".."):
            raise ValueError(f"topic name {self.name!r}: 1 to 249 of the characters a-z A-Z 0-9 . _ - are allowed")
        if not 1 <= self.partitions <= 10_000:
            raise ValueError(f"topic {self.name}: partitions must be 1 to 10000, not {self.partitions}")
        if self.cleanup not in ("delete", "compact", "compact,delete"):
            raise ValueError(f"topic {self.name}: cleanup must be delete, compact or compact,delete, not {self.cleanup}")
        if min(self.retention_ms or 0, self.retention_bytes or 0, self.tombstone_ms) < 0:
            raise ValueError(f"topic {self.name}: a retention must not be negative")

    @property
    def compacted(self) -> bool:
        """Only the last record of a key is sure to be kept; keys are required."""
        return self.cleanup != "delete"

    @property
    def expires(self) -> bool:
        """Records are removed from the old end."""
        return self.cleanup != "compact"


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll found. Act on `lost`, then on `gained`, then on `records`.

    A partition can be in `lost` and in `gained` at once: it was someone else's in between, and the state kept for it
    is stale. `records` holds the partitions that have any, each a non-empty list in offset order. `skipped` counts
    the offsets that retention took before the group had read them (only with on_gap="skip").
    """

    records: dict[TopicPartition, list[Record]] = field(default_factory=dict)
    gained: frozenset[TopicPartition] = frozenset()
    lost: frozenset[TopicPartition] = frozenset()
    skipped: dict[TopicPartition, int] = field(default_factory=dict)

    @property
    def next_offsets(self) -> dict[TopicPartition, int]:
        """The positions to commit once all of `records` is worked off."""
        return {name: records[-1].offset + 1 for name, records in self.records.items()}


class Turns(Protocol):
    """One member of a consumer group, reading its partitions in turns. For one thread."""

    def poll(self, limit: int, timeout_s: float) -> Polled:
        """The next records of the assigned partitions, at most `limit`, as soon as there are any.

        Returns at once when something is there or the assignment changed, else after timeout_s (0: do not wait) with
        nothing. Goes on after the last poll, committed or not; after abort(), from the committed positions. A form
        that can choose gives partitions up between turns only. Where a partition with uncommitted work is lost all
        the same, the turn can no longer be committed.
        Raises OffsetOutOfRange, MemberReplaced, LogUnavailable, LogCorrupt.
        """

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions of this member, as of the last poll."""

    def lag(self) -> dict[TopicPartition, int]:
        """By assigned partition, the offsets from what was polled to the end that readers see, as of the last poll: 0 when everything was polled.

        What an open transaction has written does not count, nor do markers once they were passed; markers and gaps on the way do. Asks nobody, so
        it costs little; a partition whose end the log has not told yet is left out.
        """

    def send(self, topic: str, messages: Iterable[Message]) -> None:
        """Add to the turn's output; nobody sees it before commit(). Raises UnknownTopic, RecordRefused, LogUnavailable: none was added."""

    def prepare(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Say early what commit() will be called with, where that is known: a form may do in the background what can be undone, and save time.

        Changes nothing that anybody sees, and raises nothing; a commit with other offsets, or an abort, costs more after it than without it.
        """

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """End the turn: publish what was sent and set the group's positions to `offsets` (the next to be read).

        Partitions not named keep their position; an empty mapping publishes only. After an error:
        - LogUnavailable: nothing happened and the turn is still open. Commit again, or abort.
        - Fenced, or anything else: the turn is over. abort() and poll; the committed position is the only witness of
          what happened. After MemberReplaced, stop.
        Raises ValueError for an offset beyond what was polled.
        """

    def abort(self) -> None:
        """End the turn as if it had never been: forget what was sent, go back to the committed positions. Never fails."""

    def close(self) -> None:
        """Abort, leave the group and give its partitions to the other members."""


class Tail(Protocol):
    """A reader without a group, that follows a topic as it grows. Any number of processes may follow one topic."""

    def poll(self, limit: int, timeout_s: float) -> list[Record]:
        """The next records, at most `limit`, in offset order within each partition; empty after timeout_s without any.

        A tail that is slower than retention goes on from the oldest record there is.
        """

    def close(self) -> None:
        """Follow no longer."""


class Log(Protocol):
    """A log. Its methods may be called from several threads."""

    def create(self, topics: Iterable[Topic]) -> None:
        """Create the topics that are not there, all or none; take over the retention of those that are.

        Raises TopicMismatch when one exists with other partitions or another cleanup policy.
        """

    def topics(self, names: Iterable[str] | None = None) -> dict[str, Topic]:
        """Those of `names` that are there, or all topics, by name."""

    def partition_count(self, topic: str) -> int:
        """Raises UnknownTopic."""

    def start_offsets(self, topic: str) -> dict[int, int]:
        """By partition, the offset from which retention still holds records. Raises UnknownTopic."""

    def end_offsets(self, topic: str) -> dict[int, int]:
        """By partition, the offset that the next record will have at least. Raises UnknownTopic."""

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """By partition, the group's position: the next offset to be read. Partitions it never had are left out.

        A glance from outside: a commit that has just returned may show a moment later. Who takes a partition over is told the truth by poll().
        """

    def turns(self, group: str, topics: Iterable[str], member: str, *, start: Start = "earliest", on_gap: OnGap = "stop") -> Turns:
        """Join `group` as `member`, to read `topics`. Partitions come with the polls that follow.

        The member name is static: a process that joins under a name in use takes over its partitions at once and
        fences the older process. `start`: where a group without a position begins. `on_gap`: whether a position that
        fell off retention raises OffsetOutOfRange, or goes on from the oldest record and counts what it missed.
        Raises UnknownTopic.
        """

    def read(self, topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        """The records from offset `start` to the end as it was at the call. Raises UnknownTopic.

        Records that compaction or retention removes during the reading may be missing; of a compacted partition that
        nobody writes to meanwhile, the last record of every key is always read.
        """

    def tail(self, topic: str, start: Start | Mapping[int, int] = "latest") -> Tail:
        """Follow all partitions from their oldest record or their end, or those named from an offset. Raises UnknownTopic."""

    def append(self, topic: str, messages: Iterable[Message]) -> None:
        """Write all messages or none, outside of any turn. Raises UnknownTopic, RecordRefused, LogUnavailable."""

    def cleanup(self, topic: str, *, drop_unread: bool = False) -> int:
        """Apply the topic's cleanup policy now; returns the number of records removed (0 where a broker does it itself).

        Retention keeps what any group of the topic has not read, unless `drop_unread`. Compaction keeps the last
        record of every key; survivors keep their offsets and their order. Raises UnknownTopic, LogUnavailable.
        """

    def close(self) -> None:
        """Close what is open, without leaving any group."""
