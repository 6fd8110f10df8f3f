"""What the Kafka form needs of a client library. The folders kafka_python and librdkafka provide it; turns.py and log.py use nothing else of them.

Every method that talks to the cluster is bounded in time by the connection's timings, and raises errors of worker/log/errors.py only
(failures.py translates): LogUnavailable for what may pass, LogUnusable where a person must act, and what each docstring names besides.
None of them is called from two threads at once, but different objects may be used by different threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from worker.log.contract import Headers, Record, TopicPartition
from worker.log.errors import LogUnavailable


class InDoubt(LogUnavailable):
    """The wish to commit was sent, and no answer came: only the group's committed position can tell what happened."""


class Outgoing(NamedTuple):
    """One record to be written, its partition chosen."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


MARK_END = ";"  # ends the text of a position: one of the libraries does not keep its length


class Position(NamedTuple):
    """A committed position of a group: the next offset to be read, and the text that was committed with it. What must come back exactly ends in MARK_END."""

    offset: int
    metadata: str


@dataclass(frozen=True, slots=True)
class Membership:
    """One member in one generation of its group, noted when the partitions were assigned and never read again from the live consumer.

    The consumer's own metadata changes under our hands: after a lost membership it says generation -1, which the broker does not validate.
    `token` is what the library's send_offsets_to_transaction() takes.
    """

    generation: int
    member_id: str
    token: Any


class Assignment(NamedTuple):
    """The outcome of one rebalance. Without a membership, this member fell out of its group, and all that it had may be another's by now."""

    membership: Membership | None
    partitions: frozenset[TopicPartition]


class GroupConsumer(Protocol):
    """A static member of a consumer group, reading committed records only, without automatic commits and without a reset policy.

    Assignor: range, eager. The first poll joins.
    """

    def poll(self, limit: int, timeout_s: float) -> dict[TopicPartition, list[Record]]:
        """At most `limit` records, as soon as there are any, or as soon as the assignment changed; {} after timeout_s (0: do not wait).

        Also keeps the membership alive and takes part in rebalances. May return records from wherever the client believes to be, until begin_at()
        was called after an assignment: the caller drops those.
        Raises OffsetOutOfRange, MemberReplaced (another process joined under this member name), LogCorrupt.
        """

    def assignments(self) -> list[Assignment]:
        """The rebalances since the last call, oldest first."""

    def stable(self) -> bool:
        """False while the group shares out anew: only poll() may be called then.

        A broker answers one request of a connection at a time, and joining is answered only when every member has joined: whatever else is asked
        meanwhile waits behind it, until the request times out and takes the connection, and the joining, with it.
        """

    def begin_at(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets (of assigned partitions; all of them or some). What was fetched ahead is dropped."""

    def lag(self) -> dict[TopicPartition, int]:
        """By partition, the offsets from what poll() has returned to the end of what is committed, as far as fetches have told. Asks nobody.

        0 at the end, whatever markers stand there. Partitions of which nothing was fetched yet are left out.
        """

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Position]:
        """The group's positions, once no transaction on them is pending any more (KIP-447). Partitions without one are left out."""

    def close(self) -> None:
        """Close without leaving the group: static members never leave. Bounded, never fails."""


class Publisher(Protocol):
    """A transactional, idempotent producer with acks=all. Making one fences whoever had its transactional id and ends what that one left open."""

    def begin(self, positions: Mapping[TopicPartition, Position], membership: Membership) -> None:
        """Begin the transaction of the next publish(), which must come with the same positions and membership, and send it these in the background.

        Returns at once, and raises nothing: what goes wrong is raised by publish(). A publisher that has begun what is not to be published is closed.
        """

    def publish(self, records: Sequence[Outgoing], positions: Mapping[TopicPartition, Position], membership: Membership | None) -> None:
        """One transaction: all records, and with a membership the group's positions. Returns once it is committed.

        Raises InDoubt once the wish to commit was sent and not confirmed. Whatever else is raised, nothing was published: RecordRefused
        (a record that the broker will not take, such as one too large), UnknownTopic, Fenced (the generation is over), MemberReplaced (the
        member name is another process's now), LogUnavailable. After any error this publisher must be closed and a new one made.
        """

    def close(self) -> None:
        """Drop the producer at once, without waiting for what it still has. Bounded, never fails."""


class Reader(Protocol):
    """Reads given partitions of one topic, committed records only, without a group. Where retention overtakes it, it goes on from the oldest record."""

    def poll(self, limit: int, timeout_s: float) -> list[Record]:
        """At most `limit` records, in offset order within a partition, as soon as there are any. Raises LogCorrupt."""

    def positions(self) -> dict[int, int]:
        """By partition, the next offset to be read; it also moves past what holds no record, such as the markers of transactions."""

    def close(self) -> None:
        """Bounded, never fails."""


class Client(Protocol):
    """A client library, connected to one cluster."""

    name: str

    def consumer(self, group: str, member: str, topics: Sequence[str]) -> GroupConsumer:
        """Does not wait for the cluster; the first poll does."""

    def publisher(self, transactional_id: str) -> Publisher:
        """Waits until the cluster has given the id to this producer."""

    def reader(self, topic: str, starts: Mapping[int, int]) -> Reader:
        """A reader of the partitions in `starts`, each from its offset."""
