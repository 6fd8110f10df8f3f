"""Reading with librdkafka: members of a group, and readers without one. See librdkafka.py."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import methodcaller
from typing import NamedTuple, cast

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message

from worker.log.contract import Headers, Record, TopicPartition
from worker.log.errors import LogError, LogUnavailable, LogUnusable, MemberReplaced
from worker.log.kafka.client import Assignment, Membership, Position
from worker.log.kafka.connection import Connection
from worker.log.kafka.librdkafka import Settings, close_within
from worker.log.kafka.librdkafka_errors import Troubles, cause, log_error, made

_TOPIC_WAIT_S = 1.0  # brokers learn of a new topic a moment after it was made
_MOST_AT_ONCE = 1_000_000  # of consume()
_SLICE_S = 0.05  # librdkafka does not return early when the assignment changes: look that often
_headers_of = cast("Callable[[Message], list[tuple[str, bytes | None]] | None]", methodcaller("headers"))
_NOBODY = Assignment(None, frozenset())
_TOKEN_HEAD = b"CGMDv2:"  # rd_kafka_consumer_group_metadata_write(): head, generation, group\0, member\0, ...


class LibrdkafkaConsumer:
    """client.GroupConsumer over confluent_kafka.Consumer.

    librdkafka is given no partition before begin_at() says from where: it would look for a place to start itself. `_positions` holds the next
    offset of each that was begun, so that all can be begun anew from where the caller is, whatever librdkafka has fetched ahead by then.
    """

    def __init__(self, connection: Connection, settings: Settings, topics: Sequence[str]) -> None:
        self._troubles = Troubles(connection.where, settings.get("oauth_cb"))
        self._request_s = connection.timings.request_ms / 1000
        self._positions: dict[TopicPartition, int] = {}
        self._assignments: list[Assignment] = []
        self._replaced = False
        self._consumer = made(confluent_kafka.Consumer, settings, self._troubles)
        self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=_on_revoke, on_lost=self._on_lost)

    def poll(self, limit: int, timeout_s: float) -> dict[TopicPartition, list[Record]]:
        """See client.GroupConsumer. Also raises UnknownTopic and NotAllowed, once for each topic that is so."""
        if self._replaced:
            raise MemberReplaced("another process runs under the same member name", self._troubles.where)
        deadline = time.monotonic() + timeout_s
        while True:
            wait_s = deadline - time.monotonic()
            records, events = self._read(limit, wait_s)
            for event in events:
                self._heed(event)
            for name, some in records.items():
                self._positions[name] = some[-1].offset + 1
            if records or self._assignments or wait_s <= 0:
                return records
            self._troubles.raise_serious()

    def _read(self, limit: int, wait_s: float) -> tuple[dict[TopicPartition, list[Record]], list[Event]]:
        try:
            return by_partition(waiting(self._consumer, limit, wait_s))
        except KafkaException as exception:  # raised by callbacks of confluent-kafka itself, on fatal errors
            return {}, [Event(None, -1, cause(exception))]

    def _heed(self, event: Event) -> None:
        """Raise what came in place of a record, unless it passes. All that came with it is read again by the next poll, and so is the event."""
        found = log_error(event.error, self._troubles.where)
        if isinstance(found, MemberReplaced):
            self._replaced = True
        elif event.error.code() == KafkaError._MAX_POLL_EXCEEDED or isinstance(found, LogUnavailable):
            self._troubles(event.error)  # nothing was left out: a lost membership is told by _on_lost
            return
        else:
            self._begin()
        raise found

    def assignments(self) -> list[Assignment]:
        """See client.GroupConsumer."""
        seen, self._assignments = self._assignments, []
        return seen

    def begin_at(self, positions: Mapping[TopicPartition, int]) -> None:
        """See client.GroupConsumer."""
        self._positions.update(positions)
        self._begin()

    def _begin(self) -> None:
        """Hand librdkafka all partitions anew: that drops what it has fetched ahead, and works whether or not it had begun to fetch."""
        places = [confluent_kafka.TopicPartition(name.topic, name.partition, offset) for name, offset in self._positions.items()]
        try:
            self._consumer.assign(places)
        except KafkaException as exception:
            found = self._troubles.explained(cause(exception), "beginning to read")
            self._replaced = self._replaced or isinstance(found, MemberReplaced)
            raise found from None

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Position]:
        """See client.GroupConsumer: librdkafka asks for stable offsets because it reads committed records only. Waits for request_ms at most."""
        asked = [confluent_kafka.TopicPartition(name.topic, name.partition) for name in partitions]
        if not asked:
            return {}
        try:
            answers = self._consumer.committed(asked, timeout=self._request_s)
        except KafkaException as exception:
            raise self._explained(cause(exception), "asking for the group's positions") from None
        for answer in answers:
            if answer.error is not None:
                raise self._explained(answer.error, "asking for the group's positions")
        return {TopicPartition(answer.topic, answer.partition): Position(answer.offset, answer.metadata or "") for answer in answers if answer.offset >= 0}

    def _explained(self, error: KafkaError, doing: str) -> LogError:
        """The error of a call that failed. librdkafka tells what it met in the background only to those who read: records that come are left."""
        records, events = self._read(1, 0)
        for event in events:
            self._heed(event)
        if records:
            self._begin()
        return self._troubles.explained(error, doing)

    def close(self) -> None:
        """See client.GroupConsumer: static members send no LeaveGroup (KIP-345)."""
        close_within(self._request_s, self._consumer.close)

    def _on_assign(self, consumer: confluent_kafka.Consumer, partitions: list[confluent_kafka.TopicPartition]) -> None:
        """Runs inside of consume(), before anything is read under the new assignment, and must not raise."""
        membership = membership_of(consumer.consumer_group_metadata())
        if membership is None:  # lost again before we heard of it: another assignment follows
            self._on_lost(consumer, partitions)
            return
        names = frozenset(TopicPartition(place.topic, place.partition) for place in partitions)
        self._assignments.append(Assignment(membership, names))
        self._positions = {name: offset for name, offset in self._positions.items() if name in names}
        consumer.assign([confluent_kafka.TopicPartition(name.topic, name.partition, offset) for name, offset in self._positions.items()])

    def _on_lost(self, _consumer: confluent_kafka.Consumer, _partitions: list[confluent_kafka.TopicPartition]) -> None:
        self._positions = {}
        self._assignments.append(_NOBODY)


def _on_revoke(_consumer: confluent_kafka.Consumer, _partitions: list[confluent_kafka.TopicPartition]) -> None:
    """The group shares out anew. Nothing is lost yet: the outcome is the next assignment, and until then the broker fences our commits."""


class LibrdkafkaReader:
    """client.Reader over confluent_kafka.Consumer, which never joins its group."""

    def __init__(self, connection: Connection, settings: Settings, topic: str, starts: Mapping[int, int]) -> None:
        self._troubles = Troubles(connection.where, settings.get("oauth_cb"))
        self._request_s = connection.timings.request_ms / 1000
        self._topic = topic
        self._positions = dict(starts)
        self._consumer = made(confluent_kafka.Consumer, settings, self._troubles)
        try:
            self._require_topic()
            self._begin()
        except LogError:
            self.close()
            raise

    def _require_topic(self) -> None:
        """Wait until the cluster has told of the topic: librdkafka itself would wait for ever for one that is not there."""
        begun = time.monotonic()
        while True:
            try:
                told = self._consumer.list_topics(self._topic, timeout=self._request_s).topics[self._topic]
            except KafkaException as exception:
                self._consumer.consume(1, 0)  # hands over what was met in the background
                raise self._troubles.explained(cause(exception), f"asking for topic {self._topic}") from None
            missing = self._positions.keys() - told.partitions.keys()
            if told.error is None and not missing:
                return
            error = told.error or KafkaError(KafkaError._UNKNOWN_PARTITION, f"topic {self._topic} has no partition {min(missing)}")
            passing = error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
            if not passing or time.monotonic() - begun > _TOPIC_WAIT_S:
                raise self._troubles.explained(error, f"asking for topic {self._topic}")
            time.sleep(_SLICE_S)

    def _begin(self) -> None:
        self._consumer.assign([confluent_kafka.TopicPartition(self._topic, partition, offset) for partition, offset in self._positions.items()])

    def poll(self, limit: int, timeout_s: float) -> list[Record]:
        """See client.Reader. Returns at once, with nothing, when it has moved past markers only. Also raises UnknownTopic, NotAllowed."""
        deadline = time.monotonic() + timeout_s
        while True:
            wait_s = deadline - time.monotonic()
            try:
                records, events = by_partition(waiting(self._consumer, limit, wait_s))
            except KafkaException as exception:
                records, events = {}, [Event(None, -1, cause(exception))]
            nexts = {name.partition: some[-1].offset + 1 for name, some in records.items()}
            for event in events:
                if event.error.code() == KafkaError._PARTITION_EOF and event.partition is not None:
                    nexts[event.partition] = max(event.offset, nexts.get(event.partition, 0))
                else:
                    self._heed(event.error)
            moved = any(offset != self._positions[partition] for partition, offset in nexts.items())
            self._positions.update(nexts)
            if moved or wait_s <= 0:
                return [record for some in records.values() for record in some]
            self._troubles.raise_serious()

    def _heed(self, error: KafkaError) -> None:
        """Raise what came in place of a record, unless it passes. All that came with it is read again by the next poll."""
        found = log_error(error, self._troubles.where)
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return  # librdkafka looks for the coordinator of every group name, this one is never joined
        self._troubles(error)
        if not isinstance(found, LogUnavailable):
            self._begin()
            raise found

    def positions(self) -> dict[int, int]:
        """See client.Reader."""
        return dict(self._positions)

    def close(self) -> None:
        """See client.Reader."""
        close_within(self._request_s, self._consumer.close)


class Event(NamedTuple):
    """What librdkafka returned in place of a record: an error, or the end of a partition. `partition` None: not of one."""

    partition: int | None
    offset: int
    error: KafkaError


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


def by_partition(messages: list[Message]) -> tuple[dict[TopicPartition, list[Record]], list[Event]]:
    """Records by partition in their order, and what came in place of records. The hot path: it runs for every record that is read."""
    records: dict[TopicPartition, list[Record]] = {}
    events: list[Event] = []
    name, some = TopicPartition("", -1), list[Record]()
    for message in messages:
        topic, partition, offset = cast("tuple[str, int, int]", (message.topic(), message.partition(), message.offset()))
        if (error := message.error()) is not None:
            events.append(Event(partition if topic else None, offset, error))
            continue
        if partition != name.partition or topic != name.topic:
            name = TopicPartition(topic, partition)
            some = records.setdefault(name, [])
        some.append(Record(name.topic, partition, offset, message.key(), message.value(), _headers(message), message.timestamp()[1]))
    return records, events


def _headers(message: Message) -> Headers:
    """Of a record with a header whose name is not UTF-8 none: confluent-kafka leaves a hole in memory where the name should be.

    It reports that only to callers that look. message.headers() does not always: CPython's own shortcut for such calls leaves the check out.
    """
    try:
        headers = _headers_of(message)
    except SystemError:
        return ()
    return tuple((name, value or b"") for name, value in headers) if headers else ()
