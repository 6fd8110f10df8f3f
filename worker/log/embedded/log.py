"""EmbeddedLog: the contract's Log in one SQLite file, for any number of processes of one machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from worker.log.contract import Message, OnGap, Record, Start, Tail, Topic, TopicPartition, Turns
from worker.log.embedded.cleaner import clean, purge
from worker.log.embedded.cursor import Cursor, select
from worker.log.embedded.group import Membership
from worker.log.embedded.outbox import Outbox
from worker.log.embedded.store import Store, Synchronous
from worker.log.embedded.turns import EmbeddedTurns
from worker.log.errors import TopicMismatch, UnknownTopic

READ_STEP = 1_000  # records of read() in one select: a longer one would keep the write-ahead log from being reused


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class EmbeddedLog:
    """A log in one file of a local disk, or in memory (path None), where it ends with this object.

    Beyond the contract, offsets are dense: what is appended to a partition takes 0, 1, 2, ….

    `synchronous`: "normal" loses nothing when a process dies, for the kernel has every commit by then. A power cut or
    a kernel crash can take the last commits, but always a turn's output together with its positions, so a scorer
    goes on as if they had never been; only who was told that an append() had succeeded may have to send it again.
    "full" waits for the disk at each commit (some milliseconds) and loses nothing then either.
    `create`: whether a missing file is created. `lock_timeout_s`: how long a write waits for another process's.
    `lease_s`: how long a member may neither poll nor commit before others take its partitions; a process that has
    died is noticed within a second, without it. `size_limit_bytes`: beyond it, writes raise LogFull.
    `clock_ms`: Unix time, for the records' timestamps, leases and retention.
    Raises LogMissing, NotALog, LayoutTooNew, LogCorrupt, LogLocked.
    """

    def __init__(
        self,
        path: str | Path | None,
        *,
        create: bool = True,
        synchronous: Synchronous = "normal",
        lock_timeout_s: float = 5.0,
        lease_s: float = 60.0,
        size_limit_bytes: int | None = None,
        clock_ms: Callable[[], int] = _now_ms,
    ) -> None:
        place = None if path is None else Path(path)
        self._store = Store(place, create=create, synchronous=synchronous, lock_timeout_s=lock_timeout_s, size_limit_bytes=size_limit_bytes)
        self._lease_ms = int(lease_s * 1000)
        self._clock_ms = clock_ms
        self._known: dict[str, tuple[Topic, list[int]]] = {}

    def create(self, topics: Iterable[Topic]) -> None:
        """Create what is missing in one transaction, so that processes may start together."""
        with self._store.transaction() as db:
            there = self._read_topics()
            for topic in topics:
                if topic.name in there:
                    self._refuse_mismatch(there[topic.name], topic)
                    db.execute(
                        "UPDATE topics SET retention_ms = ?, retention_bytes = ?, tombstone_ms = ? WHERE name = ?",
                        (topic.retention_ms, topic.retention_bytes, topic.tombstone_ms, topic.name),
                    )
                else:
                    row = (topic.name, topic.partitions, topic.cleanup, topic.retention_ms, topic.retention_bytes, topic.tombstone_ms)
                    db.execute("INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?)", row)
                    db.executemany("INSERT INTO partitions (topic, partition) VALUES (?, ?)", [(topic.name, i) for i in range(topic.partitions)])
                    there[topic.name] = topic

    def _refuse_mismatch(self, there: Topic, asked: Topic) -> None:
        if (there.partitions, there.cleanup) != (asked.partitions, asked.cleanup):
            raise TopicMismatch(
                f"the topic has {there.partitions} partitions and cleanup {there.cleanup}, asked for were {asked.partitions} and {asked.cleanup}",
                f"{self._store.where}, topic {asked.name}",
                "configure the topic as it is, or start with a new log",
            )

    def topics(self, names: Iterable[str] | None = None) -> dict[str, Topic]:
        """In order of their names."""
        with self._store.snapshot():
            there = self._read_topics()
        wanted = there.keys() if names is None else set(names)
        return {name: topic for name, topic in there.items() if name in wanted}

    def _read_topics(self) -> dict[str, Topic]:
        rows = self._store.connection.execute("SELECT name, partitions, cleanup, retention_ms, retention_bytes, tombstone_ms FROM topics ORDER BY name")
        return {row[0]: Topic(*row) for row in rows}

    def _lookup(self, topic: str) -> tuple[Topic, list[int]]:
        """The topic, and the ids of its partitions in order. Neither its partitions nor its policy ever change."""
        known = self._known.get(topic)
        if known is None:
            with self._store.snapshot() as db:
                found = self._read_topics().get(topic)
                if found is None:
                    raise UnknownTopic("there is no such topic", f"{self._store.where}, topic {topic}", "check the name, or create it first")
                ids = [partition_id for (partition_id,) in db.execute("SELECT id FROM partitions WHERE topic = ? ORDER BY partition", (topic,))]
            known = self._known[topic] = found, ids
        return known

    def partition_count(self, topic: str) -> int:
        """Costs nothing after the first call: the number never changes."""
        return self._lookup(topic)[0].partitions

    def start_offsets(self, topic: str) -> dict[int, int]:
        """By partition: 0 until retention removes something."""
        return self._by_partition(topic, "SELECT partition, start_offset FROM partitions WHERE topic = ?")

    def end_offsets(self, topic: str) -> dict[int, int]:
        """By partition: the number of records ever written to it."""
        return self._by_partition(topic, "SELECT partition, end_offset FROM partitions WHERE topic = ?")

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """By partition; a group has a position in each from the moment its first member joins."""
        query = "SELECT partition, position FROM partitions JOIN positions ON partition_id = id WHERE topic = ? AND group_name = ?"
        return self._by_partition(topic, query, group)

    def _by_partition(self, topic: str, query: str, *more: str) -> dict[int, int]:
        self._lookup(topic)
        with self._store.snapshot() as db:
            return dict(db.execute(f"{query} ORDER BY partition", (topic, *more)))

    def turns(self, group: str, topics: Iterable[str], member: str, *, start: Start = "earliest", on_gap: OnGap = "stop") -> Turns:
        """Join at once; what the same name owned is taken over in the same transaction."""
        looked_up = {topic: self._lookup(topic)[1] for topic in topics}
        membership = Membership(self._store, group, member, looked_up, start, self._lease_ms, self._clock_ms)
        names = {partition_id: TopicPartition(topic, i) for topic, ids in looked_up.items() for i, partition_id in enumerate(ids)}
        return EmbeddedTurns(self._store, membership, names, self._lookup, on_gap, self._clock_ms)

    def read(self, topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        """Reads in steps, so that a slow reader holds nothing up. Raises ValueError for a partition that is not there."""
        partition_id = self._partition_id(topic, partition)
        oldest, end = self.start_offsets(topic)[partition], self.end_offsets(topic)[partition]
        return self._read(partition_id, TopicPartition(topic, partition), max(start, oldest), end)

    def _read(self, partition_id: int, name: TopicPartition, position: int, end: int) -> Iterator[Record]:
        while position < end:
            with self._store.snapshot() as db:
                found = select(db, partition_id, name, position, end, READ_STEP)
            yield from found
            position = found[-1].offset + 1 if len(found) == READ_STEP else end

    def tail(self, topic: str, start: Start | Mapping[int, int] = "latest") -> Tail:
        """Raises ValueError for a partition that is not there."""
        ids = self._lookup(topic)[1]
        if isinstance(start, str):
            start = self.start_offsets(topic) if start == "earliest" else self.end_offsets(topic)
        cursor = Cursor({partition_id: TopicPartition(topic, i) for i, partition_id in enumerate(ids)}, on_gap="skip")
        cursor.positions = {self._partition_id(topic, partition): offset for partition, offset in start.items()}
        return EmbeddedTail(self._store, cursor)

    def _partition_id(self, topic: str, partition: int) -> int:
        ids = self._lookup(topic)[1]
        if not 0 <= partition < len(ids):
            raise ValueError(f"topic {topic} has the partitions 0 to {len(ids) - 1}, not {partition}")
        return ids[partition]

    def append(self, topic: str, messages: Iterable[Message]) -> None:
        """All messages are held in memory and written in one transaction: append a large file in parts of some thousand."""
        outbox = Outbox()
        outbox.add(*self._lookup(topic), messages, self._store.where)
        with self._store.transaction() as db:
            outbox.write(db, self._clock_ms)

    def cleanup(self, topic: str, *, drop_unread: bool = False) -> int:
        """See the contract. Works on a connection of its own: call it from another thread, and turns go on meanwhile."""
        ids = self._lookup(topic)[1]
        described = self.topics()[topic]  # afresh, for another process may have changed the retention
        store = self._store.again()
        try:
            return clean(store, described, ids, self._clock_ms(), drop_unread=drop_unread)
        finally:
            if store is not self._store:
                store.close()

    def purge(self, topic: str, named: Callable[[bytes, int], bool], *, covered: bool = True) -> int:
        """Beyond the contract: remove records for good, those for whose key and time of writing (Unix ms) `named` says yes; returns their number.

        `covered`: only what a tombstone of its key covers, the tombstone with it. No reader is waited for, and what goes is overwritten in the file.
        Works on a connection of its own, as cleanup() does. Raises UnknownTopic, LogUnavailable.
        """
        ids = self._lookup(topic)[1]
        store = self._store.again()
        try:
            return purge(store, ids, named, covered)
        finally:
            if store is not self._store:
                store.close()

    def close(self) -> None:
        """Close the file. What is used after it raises LogError."""
        self._store.close()


class EmbeddedTail:
    """Made by EmbeddedLog.tail()."""

    def __init__(self, store: Store, cursor: Cursor) -> None:
        self._store = store
        self._cursor = cursor

    def poll(self, limit: int, timeout_s: float) -> list[Record]:
        """Costs one select while there is nothing new."""
        deadline = time.monotonic() + timeout_s
        while True:
            token = self._store.token()
            records, _ = self._cursor.fetch(self._store, limit)
            left_s = deadline - time.monotonic()
            if records or left_s <= 0:
                return [record for found in records.values() for record in found]
            self._store.wait(token, left_s)

    def close(self) -> None:
        """Nothing is held open."""
