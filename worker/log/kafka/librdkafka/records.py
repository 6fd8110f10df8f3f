"""librdkafka's messages as records: the hot path of reading."""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller
from typing import cast

from confluent_kafka import KafkaError, Message

from worker.log.contract import Headers, Record, TopicPartition

_headers_of = cast("Callable[[Message], list[tuple[str, bytes | None]] | None]", methodcaller("headers"))


def by_partition(messages: list[Message]) -> tuple[dict[TopicPartition, list[Record]], dict[TopicPartition, int], Message | None]:
    """Records by partition in their order, offsets at which partitions end, and the first that tells of an error, behind which nothing is taken.

    The hot path: it runs for every record that is read.
    """
    records: dict[TopicPartition, list[Record]] = {}
    ends: dict[TopicPartition, int] = {}
    name, some = TopicPartition("", -1), list[Record]()
    for message in messages:
        topic, partition, offset = cast("tuple[str, int, int]", (message.topic(), message.partition(), message.offset()))
        if (error := message.error()) is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                return records, ends, message
            ends[TopicPartition(topic, partition)] = offset
            continue
        if partition != name.partition or topic != name.topic:
            name = TopicPartition(topic, partition)
            some = records.setdefault(name, [])
        some.append(Record(name.topic, partition, offset, message.key(), message.value(), _headers(message), message.timestamp()[1]))
    return records, ends, None


def _headers(message: Message) -> Headers:
    """Of a record with a header whose name is not UTF-8 none: confluent-kafka leaves a hole in memory where the name should be.

    It reports that only to callers that look. message.headers() does not always: CPython's own shortcut for such calls leaves the check out.
    """
    try:
        headers = _headers_of(message)
    except SystemError:
        return ()
    return tuple((name, value or b"") for name, value in headers) if headers else ()
