"""Reading: positions in, records out. Shared by turns, tails and plain reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from worker.log.contract import Headers, OnGap, Record, TopicPartition
from worker.log.embedded.outbox import unpack_headers
from worker.log.embedded.store import OFFSET_BITS, Store
from worker.log.errors import OffsetOutOfRange

_SELECT = "SELECT id, key, value, headers, timestamp_ms FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
_OFFSET_MASK = (1 << OFFSET_BITS) - 1
_NO_HEADERS: Headers = ()


def select(db: sqlite3.Connection, partition_id: int, name: TopicPartition, start: int, end: int, limit: int) -> list[Record]:
    """At most `limit` records of one partition with start <= offset < end."""
    base = partition_id << OFFSET_BITS
    topic, partition = name
    return [
        Record(topic, partition, row_id & _OFFSET_MASK, key, value, unpack_headers(headers) if headers else _NO_HEADERS, timestamp_ms)
        for row_id, key, value, headers, timestamp_ms in db.execute(_SELECT, (base + start, base + end, limit))
    ]


class Cursor:
    """The next offset to be read of each of some partitions (by id), and how to read on from there.

    `positions` may be set from outside, to go elsewhere. `on_gap`: what to do about a position that retention has
    passed: "stop" raises OffsetOutOfRange, "skip" goes on from the oldest record.
    """

    def __init__(self, names: Mapping[int, TopicPartition], on_gap: OnGap) -> None:
        self.positions: dict[int, int] = {}
        self.ends: dict[int, int] = {}  # as of the last fetch
        self._names = names
        self._on_gap = on_gap
        self._rotation = 0

    def named(self, partition_ids: Iterable[int]) -> frozenset[TopicPartition]:
        """The names of partitions given by id."""
        return frozenset(self._names[partition_id] for partition_id in partition_ids)

    def fetch(self, store: Store, limit: int) -> tuple[dict[TopicPartition, list[Record]], dict[TopicPartition, int]]:
        """At most `limit` records, and the number of offsets skipped, both by partition; moves the positions.

        Shared fairly: each partition gets an equal part of what the ones before it have left. After an error no
        position has moved.
        """
        records: dict[TopicPartition, list[Record]] = {}
        skipped: dict[TopicPartition, int] = {}
        moved: dict[int, int] = {}
        with store.snapshot() as db:
            bounds = self._bounds(db)
            for i, (partition_id, start, end) in enumerate(bounds):
                name, position = self._names[partition_id], self.positions[partition_id]
                if position < start:
                    self._refuse_gap(store.where, name, position, start)
                    skipped[name] = start - position
                    moved[partition_id] = position = start
                if limit > 0:
                    share = max(1, limit // (len(bounds) - i))
                    found = select(db, partition_id, name, position, end, share)
                    # a short answer reached the end, though compaction may have left nothing on the way there
                    moved[partition_id] = found[-1].offset + 1 if len(found) == share else end
                    if found:
                        records[name] = found
                        limit -= len(found)
        self.positions.update(moved)
        return records, skipped

    def _bounds(self, db: sqlite3.Connection) -> list[tuple[int, int, int]]:
        """(partition id, start offset, end offset) of the partitions with something unread, each first in its turn."""
        marks = ",".join("?" * len(self.positions))
        rows = db.execute(f"SELECT id, start_offset, end_offset FROM partitions WHERE id IN ({marks})", tuple(self.positions))
        known = rows.fetchall()
        self.ends = {partition_id: end for partition_id, _, end in known}
        bounds = [(partition_id, start, end) for partition_id, start, end in known if self.positions[partition_id] < end]
        self._rotation += 1  # so that a limit smaller than the number of partitions starves none of them
        first = self._rotation % max(1, len(bounds))
        return bounds[first:] + bounds[:first]

    def _refuse_gap(self, where: str, name: TopicPartition, position: int, start: int) -> None:
        if self._on_gap == "stop":
            raise OffsetOutOfRange(
                f"the next record to be read, offset {position}, was removed by retention; the oldest one left is {start}",
                f"{where}, topic {name.topic}, partition {name.partition}",
                "restore a copy of the log that still has it, or allow going on from the oldest record (the skipped offsets are counted)",
            )
