"""Reading scores back: the latest of one user, or of everybody. Reads the topic from its end, for what is asked for is mostly near it."""

from __future__ import annotations

from collections.abc import Iterator

from worker.log.contract import Log, Record
from worker.log.partitioner import partition_of

FIRST_WINDOW = 2_000  # records; each window is twice the one before


def latest_score(log: Log, topic: str, user_id: str) -> Record | None:
    """The latest score record of a user, None when there is none. Raises UnknownTopic."""
    key, partitions = user_id.encode(), log.partition_count(topic)
    home = partition_of(key, partitions)
    # a producer with a partitioner of its own may have put the user elsewhere
    for partition in [home, *(other for other in range(partitions) if other != home)]:
        for record in _backwards(log, topic, partition):
            if record.key == key:
                return record
    return None


def latest_scores(log: Log, topic: str) -> Iterator[Record]:
    """The latest score record of every user, in no order that matters. Raises UnknownTopic."""
    for partition in range(log.partition_count(topic)):
        seen: set[bytes | None] = set()
        for record in _backwards(log, topic, partition):
            if record.key not in seen:
                seen.add(record.key)
                if record.value is not None:
                    yield record


def _backwards(log: Log, topic: str, partition: int) -> Iterator[Record]:
    """The records of a partition from its end to its start, window by window."""
    start, end = log.start_offsets(topic)[partition], log.end_offsets(topic)[partition]
    size = FIRST_WINDOW
    while end > start:
        first = max(start, end - size)
        window: list[Record] = []
        for record in log.read(topic, partition, first):
            if record.offset >= end:
                break
            window.append(record)
        yield from reversed(window)
        end, size = first, min(2 * size, 100 * FIRST_WINDOW)
