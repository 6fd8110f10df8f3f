"""Kafka over kafka-python 3.0: a client in pure Python, always installed. client.py says what each class promises.

What the library leaves to its user, and is done here: a commit that succeeds although a record was lost, group metadata that changes after the
fact, calls without a time limit, polls that never end after a damaged record, members that are not told that they were replaced.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka import TopicPartition as Partition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import FencedInstanceIdError, KafkaError, NoOffsetForPartitionError, RetriableError
from kafka.structs import MemberState

from worker.log.contract import Record, TopicPartition
from worker.log.errors import Fenced, LogCorrupt, LogError, LogUnavailable, UnknownTopic
from worker.log.kafka.client import Assignment, Membership, Position
from worker.log.kafka.connection import Connection
from worker.log.kafka.kafka_python.connection import opened, raise_refused, require_topics, translated
from worker.log.kafka.kafka_python.ends import Ends
from worker.log.kafka.kafka_python.fetched import FetchedRecords
from worker.log.kafka.kafka_python.publisher import KafkaPythonPublisher

SLICE_MS = 50  # of a poll: how late a changed assignment or a replacement may be noticed when no record comes
NEWER_MS = 5  # for what has come since records were fetched that nobody had asked for yet
BACKOFF_MS = 20  # between tries for what is not ready yet, such as offsets that a transaction holds
READING: dict[str, Any] = {
    "enable_auto_commit": False,
    "isolation_level": "read_committed",  # which also makes committed() wait for transactions that are still open
    "max_partition_fetch_bytes": 4 * 1024 * 1024,
    "retry_backoff_ms": BACKOFF_MS,
}


class KafkaPython:
    """A Client: see client.py."""

    name = "kafka-python"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def consumer(self, group: str, member: str, topics: Sequence[str]) -> KafkaPythonConsumer:
        """Does not wait for the cluster; the first call of the consumer does."""
        return KafkaPythonConsumer(self._connection, group, member, topics)

    def publisher(self, transactional_id: str) -> KafkaPythonPublisher:
        """Waits until the cluster has given the id to this producer. Raises LogUnavailable, NotAllowed, LoginRefused."""
        return KafkaPythonPublisher(self._connection, transactional_id)

    def reader(self, topic: str, starts: Mapping[int, int]) -> KafkaPythonReader:
        """Waits until the cluster has told of the topic. Raises UnknownTopic, LogUnavailable, NotAllowed, LoginRefused."""
        return KafkaPythonReader(self._connection, topic, starts)


class _Source:
    """A connected KafkaConsumer whose polls end in time, and raise the log's errors. After LogCorrupt and MemberReplaced every poll raises them again."""

    def __init__(self, connection: Connection, client_id: str, **options: Any) -> None:
        self.where = connection.where
        self._client_id = client_id
        self.consumer, self.network = opened(KafkaConsumer, connection, client_id, **READING, **options)
        self._broken: LogError | None = None
        self.ends = Ends(self.consumer)
        self.consumer._fetcher.PartitionRecords = FetchedRecords  # which it takes from its class otherwise

    def poll(self, limit: int, timeout_ms: float) -> dict[TopicPartition, list[Record]]:
        """At most `limit` records; {} when there is none, also for what passes by itself: a broker away, no position to read from yet."""
        if self._broken is not None:
            raise self._broken
        try:
            found = self.consumer.poll(timeout_ms, limit)
        except (NoOffsetForPartitionError, RetriableError, LogUnavailable):  # the last from where access tokens are had
            time.sleep(min(timeout_ms, BACKOFF_MS) / 1000)  # they come at once, and would come again at once
            found = {}
        except (KafkaError, LogError) as error:
            self.broken_by(error)
        except Exception as error:
            # Not one of Kafka's: the bytes could not be read as records. The next poll would never return, it would go on with a dead iterator.
            self._broken = LogCorrupt(f"a record cannot be read ({error!r})", self.where, "find it with kafka-dump-log, and mend or skip it")
            raise self._broken from error
        if not found:
            raise_refused(self._client_id, self.where)
        return {TopicPartition(*name): records for name, records in found.items()}

    def fetched_ahead(self) -> bool:
        """Whether there are records that an earlier poll has asked the broker for, and no poll has returned yet."""
        fetcher = self.consumer._fetcher
        return bool(fetcher._completed_fetches or fetcher._next_partition_records)

    def broken_by(self, error: KafkaError | LogError) -> NoReturn:
        """Raise the error as the log's; where no poll can succeed any more, so will all others."""
        raised = translated(error, self.where)
        if isinstance(raised, LogCorrupt | Fenced):
            self._broken = raised
        raise raised from error

    def close(self) -> None:
        try:
            self.consumer.close(autocommit=False)
        except (KafkaError, RuntimeError):  # its thread has died
            self.network.close()


class KafkaPythonConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """A GroupConsumer: see client.py."""

    def __init__(self, connection: Connection, group: str, member: str, topics: Sequence[str]) -> None:
        self._connection = connection
        self._group, self._member, self._topics = group, member, list(topics)
        self._source: _Source | None = None
        self._assignments: deque[Assignment] = deque()
        self._next: LogError | None = None  # for the next poll to raise: this one had records

    def _connected(self) -> _Source:
        if self._source is None:
            timings = self._connection.timings
            source = _Source(
                self._connection,
                self._member,
                group_id=self._group,
                group_instance_id=self._member,
                auto_offset_reset="none",
                partition_assignment_strategy=[RangePartitionAssignor],
                max_poll_interval_ms=timings.max_poll_interval_ms,
                heartbeat_interval_ms=timings.heartbeat_ms,
                session_timeout_ms=timings.session_ms,
            )
            try:
                source.consumer.subscribe(self._topics, listener=self)
                require_topics(source.network, self._topics, self._connection)
            except BaseException:
                source.close()
                raise
            self._source = source
        return self._source

    def poll(self, limit: int, timeout_s: float) -> dict[TopicPartition, list[Record]]:
        """See client.py. Raises besides: UnknownTopic and what else the first connection may raise."""
        if self._next is not None:
            error, self._next = self._next, None
            raise error
        deadline_s = time.monotonic() + timeout_s
        source = self._connected()
        while True:
            left_ms = max(0.0, (deadline_s - time.monotonic()) * 1000)
            ahead = source.fetched_ahead()
            found = self._found(source, limit, min(left_ms, SLICE_MS))
            if found and ahead and left_ms > 0:
                self._add_newer(source, found, limit, min(left_ms, NEWER_MS))
            if found or self._assignments or time.monotonic() >= deadline_s:
                return found

    def _found(self, source: _Source, limit: int, wait_ms: float) -> dict[TopicPartition, list[Record]]:
        _keep_joining(source.consumer._coordinator)
        found = source.poll(limit, wait_ms)
        self._refuse_if_replaced(source)
        return found

    def _add_newer(self, source: _Source, found: dict[TopicPartition, list[Record]], limit: int, wait_ms: float) -> None:
        """Add to records that were fetched before they were asked for what has come since.

        The library asks for more with the very poll that returns them, so each poll would return what had come by the one before: a turn late.
        """
        room = limit - sum(map(len, found.values()))
        if room > 0:
            try:
                newer = self._found(source, room, wait_ms)
            except LogError as error:
                self._next = error  # or what was found before it would be lost
                return
            for name, records in newer.items():
                found[name] = [*found.get(name, []), *records]

    def _refuse_if_replaced(self, source: _Source) -> None:
        """A member that is replaced hears of it in the answer to a heartbeat. kafka-python then stops the heartbeat and tells nobody.

        There is no other sign of it: the member goes on reading as if it were in the group. Hence the look into private attributes. A member that
        rejoins has no heartbeat either; whether it does is asked last, for the client's thread may be at it in this moment.
        """
        coordinator = source.consumer._coordinator
        silent = coordinator.state is MemberState.STABLE and not coordinator._heartbeat_enabled
        if silent and not coordinator.rejoining and not coordinator.need_rejoin():
            source.broken_by(FencedInstanceIdError(f"group {self._group}, member {self._member}"))

    def on_partitions_revoked(self, revoked: Any) -> None:
        """The beginning of a rebalance; only its outcome counts."""

    def on_partitions_lost(self, lost: Any) -> None:
        """Called on the client's own thread, where nothing may be done but to take note."""
        self._assignments.append(Assignment(None, frozenset()))

    def on_partitions_assigned(self, assigned: Any) -> None:
        """Called on the client's own thread, the moment the group has taken us in: the membership is that of this generation."""
        source = self._source
        if source is None:
            return
        token = source.consumer.group_metadata()
        if token.generation_id < 0:
            self._assignments.append(Assignment(None, frozenset()))
            return
        membership = Membership(token.generation_id, token.member_id, token)
        self._assignments.append(Assignment(membership, frozenset(TopicPartition(*name) for name in assigned)))

    def assignments(self) -> list[Assignment]:
        """See client.py."""
        found: list[Assignment] = []
        while self._assignments:
            found.append(self._assignments.popleft())
        return found

    def stable(self) -> bool:
        """See client.py."""
        return self._source is None or self._source.consumer.group_metadata().state is MemberState.STABLE

    def begin_at(self, positions: Mapping[TopicPartition, int]) -> None:
        """See client.py."""
        self._next = None  # what is in the way from here comes again
        source = self._connected()
        for name, offset in positions.items():
            source.ends.forget(name)  # what is known may be of long ago, when we had the partition last
            source.consumer.seek(Partition(*name), offset)

    def lag(self) -> dict[TopicPartition, int]:
        """See client.py."""
        return self._source.ends.lag() if self._source else {}

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Position]:
        """See client.py. Waits for open transactions up to the connection's watchdog_ms; raises LogUnavailable then."""
        deadline_s = time.monotonic() + self._connection.timings.watchdog_ms / 1000
        source = self._connected()
        found: dict[TopicPartition, Position] = {}
        try:
            for name in partitions:
                for _ in range(2):  # a request that an earlier call or poll gave up is kept, and its old answer handed out once: the second is new
                    left_ms = max(1.0, (deadline_s - time.monotonic()) * 1000)
                    position = source.consumer.committed(Partition(*name), metadata=True, timeout_ms=left_ms)
                if position is not None:
                    found[name] = Position(position.offset, position.metadata or "")
        except KafkaError as error:
            raise translated(error, source.where) from error
        return found

    def close(self) -> None:
        """See client.py. A consumer that was closed connects anew with its next call."""
        self._next = None
        if self._source is not None:
            self._source.close()
            self._source = None


class _Joining:
    """A join under way, or over, whose outcome nobody has taken note of yet."""

    is_done = False

    def __init__(self, task: Any) -> None:
        self.add_callback = task.add_callback
        self.add_errback = task.add_errback


def _keep_joining(coordinator: Any) -> None:
    """Let the next poll take up the join that an earlier one began, also when it has come to its end between the two.

    kafka-python looks first whether the join is over, takes that for "none under way", and joins again: which makes the whole group share out
    anew, so that members who are busy between polls may never come to rest. There is no public way to its outcome.
    """
    task = coordinator._join_task
    if task is not None and not isinstance(task, _Joining):
        coordinator._join_task = _Joining(task)


class KafkaPythonReader:
    """A Reader: see client.py."""

    def __init__(self, connection: Connection, topic: str, starts: Mapping[int, int]) -> None:
        self._source = _Source(connection, f"reader of {topic}", group_id=None, auto_offset_reset="earliest")
        self._names = {partition: Partition(topic, partition) for partition in starts}
        self._positions = dict(starts)
        try:
            self._source.consumer.assign(list(self._names.values()))
            require_topics(self._source.network, [topic], connection)
            missing = starts.keys() - self._source.network.cluster.partitions_for_topic(topic)
            if missing:
                raise UnknownTopic(f"topic {topic} has no partition {min(missing)}", connection.where)
            for partition, offset in starts.items():
                self._source.consumer.seek(self._names[partition], offset)
        except BaseException:
            self.close()
            raise

    def poll(self, limit: int, timeout_s: float) -> list[Record]:
        """See client.py."""
        return [record for records in self._source.poll(limit, timeout_s * 1000).values() for record in records]

    def positions(self) -> dict[int, int]:
        """See client.py."""
        for partition, name in self._names.items():
            with suppress(KafkaError):
                position = self._source.consumer.position(name, timeout_ms=0)
                if position is not None:  # as while the oldest offset is being asked for
                    self._positions[partition] = position
        return dict(self._positions)

    def close(self) -> None:
        """See client.py."""
        self._source.close()
