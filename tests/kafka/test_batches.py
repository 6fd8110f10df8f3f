"""Record batches of our own making: byte for byte what kafka-python makes of the same records."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition as Partition
from kafka.errors import MessageSizeTooLargeError
from kafka.producer.record_accumulator import RecordAccumulator
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from worker.log.kafka.client import Outgoing
from worker.log.kafka.kafka_python.batches import BATCH_BYTES, Batch, _cut, _encoded, enqueue

NOW_MS = 1_790_000_000_000
BYTES = st.binary(max_size=70) | st.integers(0, 20_000).map(bytes)
HEADERS = st.lists(st.tuples(st.text(max_size=70), st.binary(max_size=70)), max_size=70).map(tuple)
RECORDS = st.lists(st.builds(Outgoing, st.just("t"), st.just(0), st.none() | BYTES, st.none() | BYTES, HEADERS), min_size=1, max_size=150)


@given(RECORDS)
def test_a_batch_has_the_bytes_that_the_library_would_write(records: list[Outgoing]) -> None:
    theirs = MemoryRecordsBuilder(2, 0, 10 * BATCH_BYTES + sum(len(record.value or b"") + len(record.key or b"") for record in records) * 2)
    for record in records:
        assert theirs.append(NOW_MS, record.key, record.value, list(record.headers)) is not None
    ours = Batch(Partition("t", 0), [_encoded(place, record) for place, record in enumerate(records)], NOW_MS)
    assert ours.record_count == len(records) == theirs.next_offset()
    for builder in (theirs, ours.records):
        builder.set_producer_state(4, 2, 17, True)
        builder.close()
    assert bytes(ours.records.buffer()) == bytes(theirs.buffer())


@given(st.lists(st.sampled_from([10, 1_000, 100_000, BATCH_BYTES, 300_000]), min_size=1, max_size=12))
def test_records_are_cut_into_batches_that_fit_and_keep_their_order(sizes: list[int]) -> None:
    records = [Outgoing("t", 0, b"%d" % number, bytes(size), ()) for number, size in enumerate(sizes)]
    found: list[bytes] = []
    for batch in _cut(iter(records)):
        assert len(batch) == 1 or sum(map(len, batch)) <= BATCH_BYTES
        whole = Batch(Partition("t", 0), batch, NOW_MS).records
        whole.set_producer_state(4, 2, 17, True)
        whole.close()
        found += [record.key for one in MemoryRecords(bytes(whole.buffer())) for record in one]
    assert found == [record.key for record in records]


class Producer:
    """As much of a KafkaProducer as enqueue() touches, and the real accumulator."""

    def __init__(self) -> None:
        self._accumulator = RecordAccumulator()
        self._transaction_manager = self._metadata = self
        self.added: set[Any] = set()

    def maybe_add_partition_to_transaction(self, partition: Any) -> None:
        self.added.add(partition)

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}

    def _ensure_valid_record_size(self, size: int) -> None:
        if size > 5 * BATCH_BYTES:
            raise MessageSizeTooLargeError(str(size))


def test_a_batch_that_was_split_is_followed_into_its_parts_and_theirs() -> None:
    producer = Producer()
    (whole,) = enqueue(producer, [Outgoing("t", 0, b"%d" % number, b"v", ()) for number in range(5)])
    accumulator, queue = producer._accumulator, producer._accumulator._batches[Partition("t", 0)]
    assert producer.added == {Partition("t", 0)}
    assert len(whole.unknown()) == 1
    _split(accumulator, queue)
    first, second = queue
    _split(accumulator, queue)
    assert [batch.record_count for batch in queue] == [2, 1, 2]
    for batch in list(queue)[:2]:
        batch.done(0, -1)
    assert whole.unknown() == [second.produce_future]
    assert whole.produce_future.wait(0)  # flush() may wait for it, and it will never be done
    assert not second.produce_future.wait(0)
    second.done(None, None, ValueError("no"), lambda place: ValueError(f"no {place}"))
    assert whole.unknown() == []
    assert {str(error) for error in whole.errors()} >= {"no 0", "no 1"}
    assert first.produce_future.is_done is False  # it was split itself, and is waited for by nobody


def _split(accumulator: RecordAccumulator, queue: Any) -> None:
    batch = queue.popleft()
    batch.records.set_producer_state(4, 2, 17, True)
    batch.records.close()
    accumulator.split_and_reenqueue(batch)


def test_nothing_is_handed_over_when_one_record_is_too_large() -> None:
    producer = Producer()
    with pytest.raises(MessageSizeTooLargeError):
        enqueue(producer, [Outgoing("t", 0, b"k", b"v", ()), Outgoing("u", 0, b"k", bytes(6 * BATCH_BYTES), ())])
    assert not any(producer._accumulator._batches.values())
    assert not producer._accumulator._incomplete


def test_a_partition_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="topic t has no partition 1"):
        enqueue(Producer(), [Outgoing("t", 1, b"k", b"v", ())])
