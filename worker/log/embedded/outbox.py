"""Writing: messages in, records out, all of them within one transaction of the caller."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import count

from worker.log.contract import Headers, Message, Topic
from worker.log.embedded.store import OFFSET_BITS
from worker.log.partitioner import placed

_Row = tuple[bytes | None, bytes | None, bytes | None]  # key, packed headers, value
_LENGTHS = struct.Struct(">II")


class Outbox:
    """Messages on their way, by partition id, in the order in which they came."""

    def __init__(self) -> None:
        self._rows: dict[int, list[_Row]] = {}
        self._keyless = count()

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, topic: Topic, partition_ids: list[int], messages: Iterable[Message], where: str) -> None:
        """Raises RecordRefused, and has then added none."""
        routed: dict[int, list[_Row]] = {}
        for partition, (value, key, headers, _) in placed(topic, messages, self._keyless, where):
            routed.setdefault(partition, []).append((key, pack_headers(headers) if headers else None, value))
        for partition, rows in routed.items():
            self._rows.setdefault(partition_ids[partition], []).extend(rows)

    def write(self, db: sqlite3.Connection, clock_ms: Callable[[], int]) -> None:
        """Give the messages their offsets and insert them. They stay in the outbox until clear(), for another try."""
        now_ms = clock_ms()
        for partition_id, rows in self._rows.items():
            (end,) = db.execute("SELECT end_offset FROM partitions WHERE id = ?", (partition_id,)).fetchone()
            first = (partition_id << OFFSET_BITS) + end
            db.executemany(
                "INSERT INTO records (id, timestamp_ms, key, headers, value) VALUES (?, ?, ?, ?, ?)",
                ((row_id, now_ms, *row) for row_id, row in enumerate(rows, first)),
            )
            db.execute("UPDATE partitions SET end_offset = ? WHERE id = ?", (end + len(rows), partition_id))

    def clear(self) -> None:
        """Forget all messages."""
        self._rows = {}


def pack_headers(headers: Headers) -> bytes:
    """Headers as bytes: for each, the lengths of name and value as two 32-bit big-endian numbers, then both."""
    return b"".join(_LENGTHS.pack(len(encoded), len(value)) + encoded + value for name, value in headers for encoded in (name.encode(),))


def unpack_headers(data: bytes) -> Headers:
    """The inverse of pack_headers."""
    return tuple(_headers(data))


def _headers(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(data):
        name_length, value_length = _LENGTHS.unpack_from(data, at)
        middle = at + _LENGTHS.size + name_length
        yield data[at + _LENGTHS.size : middle].decode(), data[middle : middle + value_length]
        at = middle + value_length
