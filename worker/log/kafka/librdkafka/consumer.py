"""Reading with librdkafka: members of a group, and readers without one. See client.py."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Mapping, Sequence, Set

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message

from worker.log.contract import Record, TopicPartition
from worker.log.errors import LogError, LogUnavailable, LogUnusable, MemberReplaced
from worker.log.kafka.client import MARK_END, Assignment, Membership, Position
from worker.log.kafka.connection import Connection
from worker.log.kafka.librdkafka.errors import Troubles, cause, log_error, made
from worker.log.kafka.librdkafka.records import by_partition
from worker.log.kafka.librdkafka.settings import Settings, close_within

_NOT_KNOWN_YET = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
_TOPIC_WAIT_S = 1.0  # brokers learn of a new topic a moment after it was made
_MOST_AT_ONCE = 1_000_000  # of consume()
_SLICE_S = 0.05  # librdkafka does not return early when the assignment changes: look that often
_NOBODY = Assignment(None, frozenset())
_TOKEN_HEAD = b"CGMDv2:"  # rd_kafka_consumer_group_metadata_write(): head, generation, group\0, member\0, ...


class _Reading:
    """What members and readers have in common: a consumer whose partitions are begun at positions of ours.

    `positions` holds the next offset of each partition that was begun, so that all can be begun anew from where the caller is, whatever
    librdkafka has fetched ahead by then. librdkafka is given no other partition: it would look for a place to start itself.
    """

    def __init__(self, connection: Connection, settings: Settings, *, joins: bool) -> None:
        self.troubles = Troubles(connection.where, settings.get("oauth_cb"))
        self.request_s = connection.timings.request_ms / 1000
        self.positions: dict[TopicPartition, int] = {}
        self.consumer = made(confluent_kafka.Consumer, settings, self.troubles)
        self._joins = joins
        self._ended: dict[TopicPartition, int] = {}  # where librdkafka last said that a partition ends, for readers of committed records
        self._next: LogError | None = None  # for the next poll to raise: this one had records
        self._replaced: MemberReplaced | None = None

    def begin(self) -> None:
        """Hand librdkafka all partitions anew: that drops what it has fetched ahead, and works whether or not it had begun to fetch."""
        self._next = None
        self._ended = {}
        try:
            self.consumer.assign(places(self.positions))
        except KafkaException as exception:
            found = self.troubles.explained(cause(exception), "beginning to read")
            self._replaced = found if isinstance(found, MemberReplaced) else self._replaced
            raise found from None

    def read(self, limit: int, wait_s: float) -> tuple[dict[TopicPartition, list[Record]], bool]:
        """Records that are there, or come within a slice of the time, and whether any position moved. Raises what came in place of a record."""
        if (found := self._replaced or self._next) is not None:
            self._next = None
            raise found
        try:
            records, ends, failed = by_partition(waiting(self.consumer, limit, wait_s))
            error = None if failed is None else failed.error()
        except KafkaException as exception:  # raised by confluent-kafka itself from within a callback, on fatal errors
            records, ends, failed, error = {}, {}, None, cause(exception)
        nexts = {name: some[-1].offset + 1 for name, some in records.items()}
        nexts.update((name, max(offset, nexts.get(name, 0))) for name, offset in ends.items())
        moved = {name: offset for name, offset in nexts.items() if self.positions.get(name, offset) != offset}
        self.positions.update(moved)
        self._ended.update(ends)
        if error is not None:
            self._heed(error, bool(records), stale=failed is not None and self._is_stale(failed))
        return records, bool(moved)

    def lag(self) -> dict[TopicPartition, int]:
        """See client.GroupConsumer. On the way to the end, the watermark counts what open transactions have written too; at the end it does not matter."""
        found: dict[TopicPartition, int] = {}
        for name, position in self.positions.items():
            if self._ended.get(name) == position:
                found[name] = 0
                continue
            known = self.consumer.get_watermark_offsets(confluent_kafka.TopicPartition(name.topic, name.partition), cached=True)
            if known[1] >= 0:
                found[name] = max(0, known[1] - position)
        return found

    def _is_stale(self, failed: Message) -> bool:
        """Whether a position is refused that we have left: librdkafka drops the records of an earlier beginning, but not its errors."""
        if (error := failed.error()) is None or error.code() != KafkaError._AUTO_OFFSET_RESET:
            return False
        return self.positions.get(TopicPartition(failed.topic() or "", failed.partition() or 0)) != failed.offset()

    def _heed(self, error: KafkaError, after_records: bool, stale: bool) -> None:
        """Raise what came in place of a record, unless it passes: by the next poll where records came before it. What came behind it is read again."""
        found = log_error(error, self.troubles.where)
        if isinstance(found, MemberReplaced):
            self._replaced = found
            raise found
        self.begin()
        if stale:
            return
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED and not self._joins:
            return  # librdkafka looks for the coordinator of every group name, that of readers is never joined
        if isinstance(found, LogUnavailable):
            self.troubles(error)  # such as a lost membership, of which on_lost tells
            return
        if not after_records:
            raise found
        self._next = found

    def explained(self, exception: KafkaException, doing: str) -> LogError:
        """The error of a call that failed. librdkafka tells what it met in the background only to those who read: records that come are left."""
        if self.read(1, 0)[0]:
            self.begin()
        return self.troubles.explained(cause(exception), doing)

    def close(self) -> None:
        """Static members send no LeaveGroup (KIP-345)."""
        close_within(self.request_s, self.consumer.close)


class LibrdkafkaConsumer:
    """client.GroupConsumer over confluent_kafka.Consumer."""

    def __init__(self, connection: Connection, settings: Settings, topics: Sequence[str]) -> None:
        self._assignments: list[Assignment] = []
        self._shared_out = self._closing = False
        self._reading = _Reading(connection, settings, joins=True)
        self._reading.consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def poll(self, limit: int, timeout_s: float) -> dict[TopicPartition, list[Record]]:
        """See client.GroupConsumer. Also raises UnknownTopic and NotAllowed, once for each topic that is so."""
        deadline = time.monotonic() + timeout_s
        while True:
            wait_s = deadline - time.monotonic()
            records, _ = self._reading.read(limit, wait_s)
            if records or self._assignments or wait_s <= 0:
                return records
            self._reading.troubles.raise_serious()

    def assignments(self) -> list[Assignment]:
        """See client.GroupConsumer."""
        seen, self._assignments = self._assignments, []
        return seen

    def stable(self) -> bool:
        """See client.GroupConsumer."""
        return self._shared_out

    def begin_at(self, positions: Mapping[TopicPartition, int]) -> None:
        """See client.GroupConsumer."""
        self._reading.positions.update(positions)
        self._reading.begin()

    def lag(self) -> dict[TopicPartition, int]:
        """See client.GroupConsumer."""
        return self._reading.lag()

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Position]:
        """See client.GroupConsumer: librdkafka asks for stable offsets because it reads committed records only. Waits for request_ms at most."""
        asked = [confluent_kafka.TopicPartition(name.topic, name.partition) for name in partitions]
        if not asked:
            return {}
        try:
            answers = self._reading.consumer.committed(asked, timeout=self._reading.request_s)
            for answer in answers:
                if answer.error is not None:
                    raise KafkaException(answer.error)
        except KafkaException as exception:
            raise self._reading.explained(exception, "asking for the group's positions") from None
        return {TopicPartition(answer.topic, answer.partition): Position(answer.offset, text_of(answer)) for answer in answers if answer.offset >= 0}

    def close(self) -> None:
        """See client.GroupConsumer."""
        self._closing = True
        close_within(self._reading.request_s, self._end)

    def _end(self) -> None:
        """An assignment that librdkafka has ready, and we have not heard of, must be heard of first: handed over while it closes, it waits for ever for
        the answer of a group that has ended, with Python's lock in hand."""
        consumer = self._reading.consumer
        consumer.unsubscribe()  # static members do not leave by that, but no assignment follows
        while consumer.consume(_MOST_AT_ONCE, 0):
            pass
        consumer.close()

    def _on_assign(self, consumer: confluent_kafka.Consumer, partitions: list[confluent_kafka.TopicPartition]) -> None:
        """Runs inside of consume(), before anything is read under the new assignment, and must not raise."""
        if self._closing:
            return
        membership = membership_of(consumer.consumer_group_metadata())
        if membership is None:  # lost again before we heard of it: another assignment follows
            self._on_lost(consumer, partitions)
            return
        names = frozenset(TopicPartition(place.topic, place.partition) for place in partitions)
        self._shared_out = True
        self._assignments.append(Assignment(membership, names))
        self._reading.positions = {name: offset for name, offset in self._reading.positions.items() if name in names}
        consumer.assign(places(self._reading.positions))

    def _on_lost(self, _consumer: confluent_kafka.Consumer, _partitions: list[confluent_kafka.TopicPartition]) -> None:
        self._reading.positions = {}
        self._shared_out = False
        self._assignments.append(_NOBODY)

    def _on_revoke(self, _consumer: confluent_kafka.Consumer, _partitions: list[confluent_kafka.TopicPartition]) -> None:
        """The group shares out anew. Nothing is lost yet: the outcome is the next assignment, and until then the broker fences our commits."""
        self._shared_out = False


def text_of(answer: confluent_kafka.TopicPartition) -> str:
    """The text of a position. librdkafka hands it over without its end: what lies behind it in memory comes along, and need not be text."""
    try:
        text = answer.metadata or ""
    except UnicodeDecodeError as error:
        text = error.object.decode("utf-8", "replace")
    mark, end, _ = text.partition(MARK_END)
    return mark + end


class LibrdkafkaReader:
    """client.Reader over confluent_kafka.Consumer, which never joins its group."""

    def __init__(self, connection: Connection, settings: Settings, topic: str, starts: Mapping[int, int]) -> None:
        self._reading = _Reading(connection, settings, joins=False)
        self._reading.positions = {TopicPartition(topic, partition): offset for partition, offset in starts.items()}
        try:
            self._require_topic(topic, starts.keys())
            self._reading.begin()
        except LogError:
            self.close()
            raise

    def _require_topic(self, topic: str, partitions: Set[int]) -> None:
        """Wait until the cluster has told of the topic: librdkafka itself would wait for ever for one that is not there."""
        begun = time.monotonic()
        while True:
            try:
                told = self._reading.consumer.list_topics(topic, timeout=self._reading.request_s).topics[topic]
                if told.error is None and partitions <= told.partitions.keys():
                    return
                raise KafkaException(told.error or KafkaError(KafkaError._UNKNOWN_PARTITION, f"of {sorted(partitions)} there are {sorted(told.partitions)}"))
            except KafkaException as exception:
                if cause(exception).code() not in _NOT_KNOWN_YET or time.monotonic() - begun > _TOPIC_WAIT_S:
                    raise self._reading.explained(exception, f"asking for topic {topic}") from None
            time.sleep(_SLICE_S)

    def poll(self, limit: int, timeout_s: float) -> list[Record]:
        """See client.Reader. Returns at once, with nothing, when it has moved past markers only. Also raises UnknownTopic, NotAllowed."""
        deadline = time.monotonic() + timeout_s
        while True:
            wait_s = deadline - time.monotonic()
            records, moved = self._reading.read(limit, wait_s)
            if moved or wait_s <= 0:
                return [record for some in records.values() for record in some]
            self._reading.troubles.raise_serious()

    def positions(self) -> dict[int, int]:
        """See client.Reader."""
        return {name.partition: offset for name, offset in self._reading.positions.items()}

    def close(self) -> None:
        """See client.Reader."""
        self._reading.close()


def membership_of(token: bytes) -> Membership | None:
    """What confluent-kafka's consumer_group_metadata() holds; None where the member has no generation or no id (any more).

    Source: rd_kafka_consumer_group_metadata_write() in rdkafka_cgrp.c: head, generation (int32 in this machine's byte order), group, NUL,
    member id, NUL, and the member's static name.
    """
    if not token.startswith(_TOKEN_HEAD):
        raise LogUnusable("confluent-kafka writes group metadata in a layout that is unknown here", todo="install confluent-kafka 2.16")
    (generation,) = struct.unpack_from("=i", token, len(_TOKEN_HEAD))
    member_id = token[len(_TOKEN_HEAD) + 4 :].split(b"\0", 2)[1].decode()
    return Membership(generation, member_id, token) if generation >= 0 and member_id else None


def waiting(consumer: confluent_kafka.Consumer, limit: int, wait_s: float) -> list[Message]:
    """At most `limit` messages, as soon as there are any, or none after a slice of the time. consume() itself waits until it has them all."""
    messages = consumer.consume(1, max(0.0, min(wait_s, _SLICE_S)))
    if messages and limit > 1:
        messages += consumer.consume(min(limit, _MOST_AT_ONCE) - 1, 0)
    return messages


def places(positions: Mapping[TopicPartition, int]) -> list[confluent_kafka.TopicPartition]:
    """As confluent-kafka writes them."""
    return [confluent_kafka.TopicPartition(name.topic, name.partition, offset) for name, offset in positions.items()]
