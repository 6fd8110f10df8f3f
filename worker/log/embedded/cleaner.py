"""Compaction and retention of an embedded log, and the removal of keys for good.

All go in steps of a few thousand records, each a transaction of its own, so that turns get their commits in between.
A process that dies on the way leaves a log that is right and only not as small as it could be. Freed pages are used
again; the file itself does not shrink.
"""

from __future__ import annotations

from collections.abc import Callable

from worker.log.contract import Topic
from worker.log.embedded.store import OFFSET_BITS, Store

STEP = 5_000  # records removed in one transaction, some 20 ms

_SUPERSEDED = """
INSERT INTO temp.doomed SELECT id FROM records WHERE id >= :first AND id < :end AND key IS NOT NULL
    AND id NOT IN (SELECT max(id) FROM records WHERE id >= :first AND id < :end AND key IS NOT NULL GROUP BY key)
"""
_OLD_TOMBSTONES = """
INSERT INTO temp.doomed SELECT id FROM records WHERE id >= :first AND id < :end AND value IS NULL AND timestamp_ms < :before_ms
"""
_KEYS = "SELECT id, key, value IS NULL, timestamp_ms FROM records WHERE id >= :first AND id < :end ORDER BY id LIMIT :limit"
# retention removes whole stretches from the old end: everything before the first record that may stay
_FIRST_YOUNG = "SELECT min(id) FROM records WHERE id >= :first AND id < :end AND timestamp_ms >= :before_ms"
_FIRST_WITHIN_SIZE = """
SELECT min(id) FROM (
    SELECT id, sum(ifnull(length(key), 0) + ifnull(length(value), 0) + ifnull(length(headers), 0)) OVER (ORDER BY id DESC) AS bytes
    FROM records WHERE id >= :first AND id < :end
) WHERE bytes <= :bytes
"""


def clean(store: Store, topic: Topic, partition_ids: list[int], now_ms: int, *, drop_unread: bool) -> int:
    """Apply the topic's policy to its partitions; returns the number of records removed."""
    removed = 0
    for partition_id in partition_ids:
        if topic.compacted:
            removed += _compact(store, partition_id, now_ms - topic.tombstone_ms)
        if topic.expires:
            removed += _expire(store, topic, partition_id, now_ms, drop_unread=drop_unread)
    return removed


def _compact(store: Store, partition_id: int, tombstones_before_ms: int) -> int:
    """A tombstone may only go when what it covers is gone, or a crash in between would raise the dead: hence two passes."""
    bounds = _bounds(store, partition_id)
    return _remove(store, _SUPERSEDED, bounds) + _remove(store, _OLD_TOMBSTONES, {**bounds, "before_ms": tombstones_before_ms})


def _expire(store: Store, topic: Topic, partition_id: int, now_ms: int, *, drop_unread: bool) -> int:
    bounds = _bounds(store, partition_id)
    keep_from = bounds["first"]
    with store.snapshot() as db:
        if topic.retention_ms is not None:
            (young,) = db.execute(_FIRST_YOUNG, {**bounds, "before_ms": now_ms - topic.retention_ms}).fetchone()
            keep_from = max(keep_from, bounds["end"] if young is None else young)
        if topic.retention_bytes is not None:
            (within,) = db.execute(_FIRST_WITHIN_SIZE, {**bounds, "bytes": topic.retention_bytes}).fetchone()
            keep_from = max(keep_from, bounds["end"] if within is None else within)
    with store.transaction() as db:  # from here on readers see it gone; a group that joins or seeks sees the new start
        base = partition_id << OFFSET_BITS
        start = keep_from - base
        if not drop_unread:
            (read,) = db.execute("SELECT min(position) FROM positions WHERE partition_id = ?", (partition_id,)).fetchone()
            start = start if read is None else min(start, read)
        db.execute("UPDATE partitions SET start_offset = max(start_offset, ?) WHERE id = ?", (start, partition_id))
    gone = "INSERT INTO temp.doomed SELECT id FROM records WHERE id >= :base AND id < :base + (SELECT start_offset FROM partitions WHERE id = :partition_id)"
    return _remove(store, gone, {"base": base, "partition_id": partition_id})


def purge(store: Store, partition_ids: list[int], named: Callable[[bytes, int], bool], covered: bool) -> int:
    """Remove records by their keys, see EmbeddedLog.purge(). What a deletion leaves in the pages of the file is overwritten with zeros."""
    with store.snapshot() as db:
        db.execute("PRAGMA secure_delete = ON")
    return sum(_purge(store, _bounds(store, partition_id), named, covered) for partition_id in partition_ids)


def _purge(store: Store, bounds: dict[str, int], named: Callable[[bytes, int], bool], covered: bool) -> int:
    doomed: list[int] = []
    kept: dict[bytes, list[int]] = {}  # by key: until a tombstone is found behind them
    position = bounds["first"]
    while True:
        with store.snapshot() as db:  # in steps: a long one would keep the write-ahead log from being reused
            rows = db.execute(_KEYS, {**bounds, "first": position, "limit": STEP}).fetchall()
        for row_id, key, tombstone, timestamp_ms in rows:
            if key is None or not named(key, timestamp_ms):
                continue
            kept.setdefault(key, []).append(row_id)
            if tombstone or not covered:
                doomed += kept.pop(key)
        if len(rows) < STEP:
            break
        position = rows[-1][0] + 1
    removed = 0
    for start in range(0, len(doomed), STEP):
        with store.transaction() as db:
            removed += db.executemany("DELETE FROM records WHERE id = ?", [(row_id,) for row_id in doomed[start : start + STEP]]).rowcount
    return removed


def _bounds(store: Store, partition_id: int) -> dict[str, int]:
    with store.snapshot() as db:
        start, end = db.execute("SELECT start_offset, end_offset FROM partitions WHERE id = ?", (partition_id,)).fetchone()
    base = partition_id << OFFSET_BITS
    return {"first": base + start, "end": base + end}


def _remove(store: Store, doom: str, parameters: dict[str, int]) -> int:
    """Delete the records that the statement `doom` puts into temp.doomed, from the oldest on."""
    with store.snapshot() as db:  # writes only to the connection's own temporary tables
        db.execute("DROP TABLE IF EXISTS temp.doomed")
        db.execute("CREATE TEMP TABLE doomed (id INTEGER PRIMARY KEY)")
        db.execute(doom, parameters)
    removed, last = 0, 0
    while True:
        with store.transaction() as db:
            step = db.execute("SELECT id FROM temp.doomed WHERE id > ? ORDER BY id LIMIT ?", (last, STEP)).fetchall()
            if not step:
                return removed
            (last,) = step[-1]
            removed += db.executemany("DELETE FROM records WHERE id = ?", step).rowcount
