"""Records out of fetched batches: what kafka-python makes of the same bytes, and where it fetches on."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kafka import TopicPartition as Partition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.protocol.consumer import IsolationLevel
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import calc_crc32c

from worker.log.kafka.kafka_python.fetched import FetchedRecords, decoded

TP = Partition("t", 3)
NOW_MS = 1_790_000_000_000
BYTES = st.none() | st.binary(max_size=70) | st.integers(0, 20_000).map(bytes)
HEADERS = st.lists(st.tuples(st.text(max_size=70), st.binary(max_size=70)), max_size=70)
TIMES = st.integers(NOW_MS - 10_000_000, NOW_MS + 10_000_000)
WRITTEN = st.lists(st.tuples(TIMES, BYTES, BYTES, HEADERS), min_size=1, max_size=150)
GZIP = 1


def batch_of(written: Sequence[Any], compression: int = 0, magic: int = 2, producer_id: int = -1) -> bytes:
    builder = MemoryRecordsBuilder(magic, compression, 10_000_000)
    for time_ms, key, value, headers in written:
        assert builder.append(time_ms, key, value, headers) is not None
    if producer_id >= 0:
        builder.set_producer_state(producer_id, 0, 0, True)
    builder.close()
    return bytes(builder.buffer())


def placed(batch: bytes, offset: int, **header: int) -> bytes:
    """The batch as a broker keeps it: at an offset, and with what else of its header is given."""
    fields = list(DefaultRecordBatch.HEADER_STRUCT.unpack_from(batch))
    names = (
        "base_offset",
        "length",
        "epoch",
        "magic",
        "crc",
        "attributes",
        "last_offset_delta",
        "first_ms",
        "max_ms",
        "producer_id",
        "producer_epoch",
        "sequence",
        "count",
    )
    for name, number in {"base_offset": offset, **header}.items():
        fields[names.index(name)] = number
    changed = bytearray(DefaultRecordBatch.HEADER_STRUCT.pack(*fields) + batch[DefaultRecordBatch.HEADER_STRUCT.size :])
    struct.pack_into(">I", changed, DefaultRecordBatch.CRC_OFFSET, calc_crc32c(memoryview(changed)[DefaultRecordBatch.ATTRIBUTES_OFFSET :]))
    return bytes(changed)


def taken(kind: Any, data: bytes, sizes: Sequence[int | None] = (None,), start: int = 0, **options: Any) -> tuple[list[tuple[Any, ...]], list[int]]:
    """What polls of these sizes take, and where each leaves the next fetch."""
    part = kind(start, TP, MemoryRecords(data), **options)
    found, positions = [], []
    for size in sizes:
        if part:
            found += [
                (
                    one.topic,
                    one.partition,
                    one.offset,
                    one.key,
                    one.value,
                    [(name, value or b"") for name, value in one.headers],
                    one[-1 if kind is FetchedRecords else 4],
                )
                for one in part.take(size)
            ]
        positions.append(part.next_fetch_offset)
    return found, positions


@given(WRITTEN, st.integers(0, 2**40), st.sampled_from([0, GZIP]), st.booleans())
def test_a_batch_has_the_records_that_the_library_would_take_from_it(written: Sequence[Any], offset: int, compression: int, appended: bool) -> None:
    batch = batch_of(written, compression)
    attributes = int.from_bytes(batch[21:23])  # a batch that compression would not make smaller is left as it is
    data = placed(batch, offset, attributes=attributes | 8, max_ms=NOW_MS) if appended else placed(batch, offset)
    theirs = taken(Fetcher.PartitionRecords, data, start=offset)
    assert len(theirs[0]) == len(written)
    assert taken(FetchedRecords, data, start=offset) == theirs


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=6), st.integers(0, 12), st.lists(st.integers(1, 7), max_size=6))
def test_polls_of_any_size_go_on_where_the_last_ended_also_in_compacted_batches(batches: list[tuple[int, int]], start: int, sizes: list[int]) -> None:
    data, offset = b"", 0
    for count, gone in batches:  # the last `gone` records of each batch have been compacted away
        one = batch_of([(NOW_MS, b"%d" % (offset + place), b"v", []) for place in range(count)])
        data += placed(one, offset, last_offset_delta=count - 1 + gone)
        offset += count + gone
    cuts = [*sizes, None, None]
    assert taken(FetchedRecords, data, cuts, min(start, offset)) == taken(Fetcher.PartitionRecords, data, cuts, min(start, offset))


class Aborted:
    """As the broker tells of an aborted transaction beside what was fetched."""

    def __init__(self, producer_id: int, first_offset: int) -> None:
        self.producer_id, self.first_offset = producer_id, first_offset


@pytest.mark.parametrize("level", [IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED])
def test_what_was_aborted_and_the_markers_are_left_out_as_the_library_does(level: Any) -> None:
    marker: list[Any] = [(NOW_MS, struct.pack(">hh", 0, 0), b"", [])]
    commit: list[Any] = [(NOW_MS, struct.pack(">hh", 0, 1), b"", [])]
    control = 0x10 | 0x20
    data = b"".join(
        (
            placed(batch_of([(NOW_MS, b"a", b"aborted", [])] * 2, producer_id=7), 0),
            placed(batch_of([(NOW_MS, b"b", b"committed", [])], producer_id=8), 2),
            placed(batch_of(marker, producer_id=7), 3, attributes=control),
            placed(batch_of(commit, producer_id=8), 4, attributes=control),
            placed(batch_of([(NOW_MS, b"a", b"of the next", [])], producer_id=7), 5),
            placed(batch_of(commit, producer_id=7), 6, attributes=control),
        )
    )
    options = {"isolation_level": level, "aborted_transactions": [Aborted(7, 0)]}
    ours = taken(FetchedRecords, data, [1, 1, None, None], **options)
    assert ours == taken(Fetcher.PartitionRecords, data, [1, 1, None, None], **options)
    committed = level is IsolationLevel.READ_COMMITTED
    assert [record[2] for record in ours[0]] == ([2, 5] if committed else [0, 1, 2, 5])
    assert ours[1][-1] == 7


def test_batches_of_the_formats_before_are_read_too() -> None:
    data = batch_of([(NOW_MS, b"k", b"v", []), (NOW_MS + 1, None, b"w", [])], magic=1)
    assert taken(FetchedRecords, data) == taken(Fetcher.PartitionRecords, data)
    damaged = bytearray(data)
    damaged[-1] ^= 1
    with pytest.raises(CorruptRecordError, match="offset 1"):
        taken(FetchedRecords, bytes(damaged), [None, None])  # the first poll still has the record before it


def test_a_changed_byte_is_noticed_by_the_checksum() -> None:
    data = bytearray(placed(batch_of([(NOW_MS, b"k", b"v" * 50, [])] * 3), 40))
    data[-5] ^= 1
    with pytest.raises(CorruptRecordError, match="offset 40"):
        taken(FetchedRecords, bytes(data), start=40)


@given(st.data())
def test_bytes_with_a_right_checksum_that_are_no_records_are_read_as_far_as_the_library_does(data: st.DataObject) -> None:
    batch = bytearray(placed(batch_of([(NOW_MS, b"key", b"value", [("h", b"x")])] * 3), 9))
    size = DefaultRecordBatch.HEADER_STRUCT.size
    place = data.draw(st.integers(size, len(batch) - 1))
    assume((place - size) % ((len(batch) - size) // 3) != 1)  # a record's attributes: a byte as specified, a number of any length to the library
    batch[place] = data.draw(st.integers(0, 255))
    changed = placed(bytes(batch), 9)
    assert read_singly(FetchedRecords, changed) == read_singly(Fetcher.PartitionRecords, changed)


def read_singly(kind: Any, data: bytes) -> tuple[list[Any], int, bool]:
    """Key and value of the records before anything broken, where the next fetch would begin, and whether there was anything broken."""
    part = kind(9, TP, MemoryRecords(data))
    found: list[Any] = []
    try:
        while part:
            found += [(one.offset, one.key, one.value) for one in part.take(1)]
    except CorruptRecordError:
        return found, part.next_fetch_offset, True
    return found, part.next_fetch_offset, False


def test_bytes_behind_the_last_record_are_noticed() -> None:
    data = placed(batch_of([(NOW_MS, b"k", b"v", [])] * 3), 9, count=2)
    assert read_singly(FetchedRecords, data) == read_singly(Fetcher.PartitionRecords, data) == ([(9, b"k", b"v"), (10, b"k", b"v")], 11, True)


def test_a_number_that_does_not_end_is_refused() -> None:
    batch = bytearray(placed(batch_of([(NOW_MS, b"k", bytes(40), [])]), 0))
    size = DefaultRecordBatch.HEADER_STRUCT.size
    batch[size : size + 20] = b"\xff" * 20
    found, broken = decoded(MemoryRecords(placed(bytes(batch), 0)).next_batch(), TP)
    assert found == []
    assert "more than ten bytes" in str(broken)


def test_a_poll_in_the_midst_of_a_batch_leaves_the_rest_for_the_next() -> None:
    part = FetchedRecords(0, TP, MemoryRecords(placed(batch_of([(NOW_MS, b"k", b"%d" % place, []) for place in range(5)]), 0)))
    assert [record.value for record in part.take(2)] == [b"0", b"1"]
    assert part.next_fetch_offset == 2
    assert [record.value for record in islice(part.take(None), 3)] == [b"2", b"3", b"4"]
    assert part.next_fetch_offset == 5
