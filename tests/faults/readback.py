"""What a run has left behind on the broker, read with a bare client and nothing of the program: records, positions, open transactions."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer
from kafka import TopicPartition as Partition
from kafka.errors import RetriableError

PATIENCE_S = 30.0  # only reached when something is broken
MARKED_WITHIN_S = 5.0  # a transaction that has been ended is marked so in its partitions; longer than that, it counts as open
AT_MOST_BYTES = 32 * 1024 * 1024


class Found(NamedTuple):
    """One record as it lies in its partition."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """What is readable of one topic under read_committed, by partition, and the partitions that a transaction still holds back."""

    records: dict[int, list[Found]]
    held_back: list[int]

    def all(self) -> list[Found]:
        """The records of all partitions, one partition after the other."""
        return [record for partition in sorted(self.records) for record in self.records[partition]]


def consumer(bootstrap: str, *, committed_only: bool = True) -> Any:
    """A consumer without a group; whoever gets it assigns and closes it."""
    return KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed" if committed_only else "read_uncommitted",
        max_partition_fetch_bytes=AT_MOST_BYTES,
        fetch_max_bytes=AT_MOST_BYTES,
        metadata_max_age_ms=5_000,
        reconnect_backoff_max_ms=1_000,
    )


def read(bootstrap: str, topic: str) -> Topic:
    """A topic from its oldest record to its end. Waits a moment for markers that are still being written; a transaction that stays open is told."""
    return read_all(bootstrap, [topic])[0]


def read_all(bootstrap: str, topics: Iterable[str]) -> list[Topic]:
    """Several topics, over the same connections."""
    reader, unfiltered = consumer(bootstrap), consumer(bootstrap, committed_only=False)
    try:
        return [_read(reader, unfiltered, topic) for topic in topics]
    finally:
        reader.close()
        unfiltered.close()


def _read(reader: Any, unfiltered: Any, topic: str) -> Topic:
    names = [Partition(topic, number) for number in sorted(reader.partitions_for_topic(topic) or ())]
    ends = unfiltered.end_offsets(names)
    deadline_s = time.monotonic() + MARKED_WITHIN_S
    while (stable := reader.end_offsets(names)) != ends and time.monotonic() < deadline_s:
        unfiltered.poll(20)
    records: dict[int, list[Found]] = {name.partition: [] for name in names}
    reader.assign(names)
    reader.seek_to_beginning(*names)
    deadline_s = time.monotonic() + 4 * PATIENCE_S
    while any(reader.position(name) < stable[name] for name in names):
        assert time.monotonic() < deadline_s, f"{topic} cannot be read to its end {stable}"
        for name, found in reader.poll(100, max_records=20_000).items():
            records[name.partition] += [_found(record) for record in found if record.offset < stable[name]]
    return Topic(records, [name.partition for name in names if stable[name] < ends[name]])


def _found(record: Any) -> Found:
    return Found(record.offset, record.key, record.value, tuple((name, value or b"") for name, value in record.headers))


def positions(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """By partition, what the group has committed; nothing while a new broker is still making the topic that would hold it."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        found = admin.list_group_offsets(group).get(group, {})
    except RetriableError:
        return {}
    else:
        return {name.partition: at.offset for name, at in found.items() if name.topic == topic and at.offset >= 0}
    finally:
        admin.close()


def open_transactions(bootstrap: str, prefix: str) -> list[str]:
    """The transactional ids with this prefix whose transaction is neither committed nor aborted. Waits a moment for those that are about to be."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        deadline_s = time.monotonic() + MARKED_WITHIN_S
        while True:
            states = {t.transactional_id: str(getattr(t.state, "value", t.state)) for t in _listed(admin) if t.transactional_id.startswith(prefix)}
            found = sorted(f"{name} ({state})" for name, state in states.items() if state in ("Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"))
            if not found or time.monotonic() > deadline_s:
                return found
            threading.Event().wait(0.05)
    finally:
        admin.close()


def _listed(admin: Any) -> Sequence[Any]:
    listed = admin.list_transactions()
    return [one for part in listed.values() for one in part] if isinstance(listed, dict) else list(listed)
