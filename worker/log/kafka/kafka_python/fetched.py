"""Records out of the batches that kafka-python has fetched, a batch at a time.

The library takes 9 µs for a record: a call for each of its seven variable-length numbers, an object, then a tuple of 13 fields that is copied into ours.
What is done here instead is what is hot: the numbers, most of which are one byte, are read in one loop. Checksums, compression, control batches and which
transactions were aborted are still the library's to say. A test holds the records equal to those that the library makes of the same bytes.

Source of the format: the record batch of magic 2, KIP-98, in the page "Messages" of Kafka's documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition as Partition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.protocol.consumer import IsolationLevel

from worker.log.contract import Headers, Record


class FetchedRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka-python ships no types
    """What one fetch has brought of one partition. The library makes it, takes records out of it as they are polled, and asks where to fetch on."""

    def _unpack_records(self, tp: Partition, records: Any, *_: Any) -> Iterator[Record]:
        """See the class above. Raises CorruptRecordError."""
        batch = None
        while (following := records.next_batch()) is not None:
            batch = following
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"the checksum of the batch at offset {batch.base_offset} is wrong")
            if batch.magic == 2:
                self.leader_epoch = batch.leader_epoch
                if self._is_withheld(batch):
                    self.next_fetch_offset = batch.next_offset
                    continue
            found, broken = decoded(batch, tp)
            for record in found:
                self.next_fetch_offset = record[2] + 1
                yield record
            if broken:
                raise broken
        if batch is not None and batch.magic == 2:  # its last offset, which compaction keeps although the record may be gone
            self.next_fetch_offset = batch.next_offset
        self.drain()

    def _is_withheld(self, batch: Any) -> bool:
        """Whether a reader gets nothing of it: a marker, or part of a transaction that was aborted. Batches must come in the order of the log."""
        if self.isolation_level == IsolationLevel.READ_COMMITTED and batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return bool(batch.is_control_batch)


def decoded(batch: Any, tp: Partition) -> tuple[list[Record], CorruptRecordError | None]:
    """The records of one of the library's batches, of which none was taken yet, and why there are no more of them."""
    records: list[Record] = []
    try:
        if batch.magic == 2:
            iter(batch)  # which decompresses it
            _decode(bytes(batch._buffer), batch, tp, records)
        else:  # of topics and producers that are older than what this program writes: nothing is gained by haste
            records += (Record(tp.topic, tp.partition, old.offset, old.key, old.value, (), old.timestamp) for old in _checked(batch))
    except CorruptRecordError as error:
        return records, error
    except (IndexError, ValueError) as error:
        return records, CorruptRecordError(f"the batch at offset {batch.base_offset} has no valid structure ({error})")
    return records, None


def _checked(batch: Any) -> Iterator[Any]:
    for record in batch:
        if not record.validate_crc():
            raise CorruptRecordError(f"the checksum of the record at offset {record.offset} is wrong")
        yield record


def _decode(data: bytes, batch: Any, tp: Partition, records: list[Record]) -> None:
    """Adds to `records`. `data` is decompressed. Numbers are halved as they are written, in zigzag: the odd ones are negative, a length then says "none"."""
    topic, partition = tp
    base, first_ms = batch.base_offset, batch.first_timestamp
    appended_ms = batch.max_timestamp if batch.timestamp_type == batch.LOG_APPEND_TIME else None
    pos = batch._pos
    for _ in range(batch.records_count):
        length, pos = (number, pos + 1) if (number := data[pos]) < 0x80 else _number(data, pos)
        end = pos + _signed(length)
        pos += 1  # attributes, of which there are none yet
        after, pos = (number, pos + 1) if (number := data[pos]) < 0x80 else _number(data, pos)
        place, pos = (number, pos + 1) if (number := data[pos]) < 0x80 else _number(data, pos)
        length, pos = (number, pos + 1) if (number := data[pos]) < 0x80 else _number(data, pos)
        key = None
        if not length & 1:
            key = data[pos : (pos := pos + (length >> 1))]
        length, pos = (number, pos + 1) if (number := data[pos]) < 0x80 else _number(data, pos)
        value = None
        if not length & 1:
            value = data[pos : (pos := pos + (length >> 1))]
        count, pos = (number, pos + 1) if (number := data[pos]) < 0x80 else _number(data, pos)
        headers: Headers = ()
        if count:
            headers, pos = _headers(data, pos, _signed(count))
        if pos != end:
            raise ValueError(f"record {len(records)} ends at {pos} and not at {end}")
        written_ms = first_ms + _signed(after) if appended_ms is None else appended_ms
        records.append(Record(topic, partition, base + _signed(place), key, value, headers, written_ms))
    if pos != len(data):
        raise ValueError(f"{len(data) - pos} bytes follow the last record")


def _signed(number: int) -> int:
    """What a number means that was written in zigzag: 0, 1, 2, 3 for 0, -1, 1, -2."""
    return number >> 1 ^ -(number & 1)


def _number(data: bytes, pos: int) -> tuple[int, int]:
    """A number of several bytes as it is written, and where what follows begins."""
    number = shift = 0
    while (byte := data[pos]) > 0x7F:
        number |= (byte & 0x7F) << shift
        shift, pos = shift + 7, pos + 1
        if shift > 63:
            raise ValueError("a number has more than ten bytes")
    return number | byte << shift, pos + 1


def _headers(data: bytes, pos: int, count: int) -> tuple[Headers, int]:
    """`count` of them, and where what follows begins. A value that is not there is empty."""
    if count < 0:
        raise ValueError("a record has less than no headers")
    headers = []
    for _ in range(count):
        length, pos = _number(data, pos)
        if length & 1:
            raise ValueError("a header has no name")
        name = data[pos : pos + (length >> 1)].decode()
        length, pos = _number(data, pos + (length >> 1))
        size = 0 if length & 1 else length >> 1
        headers.append((name, data[pos : pos + size]))
        pos += size
    return tuple(headers), pos
