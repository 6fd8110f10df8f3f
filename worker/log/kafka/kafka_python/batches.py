"""Record batches for kafka-python's producer, a partition's records at a time.

KafkaProducer.send() costs some 35 µs a record: checks, locks and a future for each of them, and a varint in as many Python calls as it has bytes.
Here a whole batch is encoded by joining byte strings, has one future, and is put where send() would have put it: into the producer's accumulator,
which has no public way in. From there on (sequence numbers, checksum, retries, order, splitting what is too large) everything is the library's.
A test holds the bytes equal to those that the library writes.

Source of the format: the record batch of magic 2, KIP-98, in the page "Messages" of Kafka's documentation.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from kafka import TopicPartition as Partition
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.memory_records import MemoryRecordsBuilder

from worker.log.contract import Headers
from worker.log.kafka.client import Outgoing

BATCH_BYTES = 262_144  # a batch is closed before it would grow beyond this; a larger record has one to itself
MAGIC, NO_COMPRESSION = 2, 0
RECORD_HEAD = b"\x00\x00"  # no attributes; the batch's own time
RECORD_OVERHEAD_BYTES = 32  # at most, of a record beside key, value and headers


def _varint(number: int) -> bytes:
    """A signed integer, zigzag and base 128, as in Protocol Buffers' sint32."""
    left, encoded = (number << 1) ^ (number >> 63), bytearray()
    while left > 0x7F:
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


_SHORT = tuple(map(_varint, range(8_192)))
_NULL, _NO_HEADERS = _varint(-1), _varint(0)


def _length(count: int) -> bytes:
    return _SHORT[count] if count < len(_SHORT) else _varint(count)


def _headers(headers: Headers) -> bytes:
    if not headers:
        return _NO_HEADERS
    parts = [_length(len(headers))]
    for name, value in headers:
        encoded = name.encode()
        parts += (_length(len(encoded)), encoded, _length(len(value)), value)
    return b"".join(parts)


def _encoded(place: int, record: Outgoing) -> bytes:
    """One record, the `place`-th of its batch."""
    _, _, key, value, headers = record
    key_length = _NULL if key is None else _length(len(key))
    value_length = _NULL if value is None else _length(len(value))
    body = b"".join((RECORD_HEAD, _length(place), key_length, key or b"", value_length, value or b"", _headers(headers)))
    return _length(len(body)) + body


class Batch(ProducerBatch):  # type: ignore[misc]  # kafka-python ships no types
    """Some records of one partition, and what became of them."""

    def __init__(self, partition: Partition, records: Sequence[bytes], now_ms: int) -> None:
        """`records`: encoded, each with its place."""
        builder = MemoryRecordsBuilder(MAGIC, NO_COMPRESSION, BATCH_BYTES)
        inner = builder._builder
        inner._buffer += b"".join(records)
        inner._first_timestamp = inner._max_timestamp = now_ms
        inner._num_records = builder._next_offset = len(records)
        inner._last_offset = len(records) - 1
        super().__init__(partition, builder)
        self.max_record_size = max(map(len, records))
        self._count = len(records)
        self._record_futures = _Handles(self._count, self.produce_future)

    def unknown(self) -> list[Any]:
        """The futures that are not done, on which the fate of records hangs: this batch's, or those of the batches that it was split into."""
        return [future for future in self._record_futures.futures() if not future.is_done]

    def errors(self) -> Iterator[Exception | None]:
        """Of records that were not written. None for those of which nothing is known."""
        for future in self._record_futures.futures():
            if not future.is_done:
                yield None
            elif not future.succeeded():
                yield future.exception
            elif (error_of := future.value[2]) is not None:
                yield from (error_of(place) for place in range(self._count))


class _Handles:
    """What the library takes for the futures of single records. It looks at them only when it splits a batch that is too large for its topic."""

    def __init__(self, count: int, future: Any) -> None:
        self._count, self._future = count, future
        self._handles: list[_Handle] = []

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, _place: int) -> _Handle:
        self._handles.append(_Handle(self._future))
        return self._handles[-1]

    def futures(self) -> set[Any]:
        return {handle.future for handle in self._handles} or {self._future}


class _Handle:
    """Follows one record into the batch that it was moved to."""

    __slots__ = ("future",)

    def __init__(self, future: Any) -> None:
        self.future = future

    def rebind(self, future: Any, _place: int) -> None:
        before, self.future = self.future, future
        before._latch.set()  # it will never be done: who waits for it, as flush() does, would wait for ever


def enqueue(producer: Any, records: Sequence[Outgoing]) -> list[Batch]:
    """Hand the records over to a producer that has begun a transaction and knows their topics, each partition's in the order given.

    Nothing is sent before flush(), or before the producer's linger has passed. Raises MessageSizeTooLargeError for a record beyond max_request_size,
    ValueError for a partition that is not there.
    """
    now_ms, batches = int(time.time() * 1000), []
    by_partition = sorted(records, key=itemgetter(0, 1))  # stable
    for name, of_partition in groupby(by_partition, key=itemgetter(0, 1)):
        partition = Partition(*name)
        if partition.partition not in (producer._metadata.partitions_for_topic(partition.topic) or ()):
            raise ValueError(f"topic {partition.topic} has no partition {partition.partition}")
        producer._transaction_manager.maybe_add_partition_to_transaction(partition)
        for encoded in _cut(of_partition):
            producer._ensure_valid_record_size(max(map(len, encoded)) + RECORD_OVERHEAD_BYTES)
            batches.append(Batch(partition, encoded, now_ms))
    accumulator = producer._accumulator
    for batch in batches:
        with accumulator._tp_lock(batch.topic_partition):
            accumulator._batches[batch.topic_partition].append(batch)
            accumulator._incomplete.add(batch)
    return batches


def _cut(records: Iterator[Outgoing]) -> Iterator[list[bytes]]:
    """Encoded records, as many together as a batch holds."""
    batch: list[bytes] = []
    size = 0
    for record in records:
        encoded = _encoded(len(batch), record)
        if batch and size + len(encoded) > BATCH_BYTES:
            yield batch
            batch, size = [], 0
            encoded = _encoded(0, record)
        batch.append(encoded)
        size += len(encoded)
    yield batch
