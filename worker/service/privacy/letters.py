"""Dead letters of erased users: which they are, and tombstones over them where the topic is compacted.

The worker cannot do it in its turn, as it does with scores and segments: which letters name a user only the letters say, a month of them. So who asks for
users to be forgotten sweeps (`clickscore privacy sweep`, or `delete --wait`), and retention takes what nobody swept.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from worker.core.events.deadletters import OFFSET, PARTITION, TOPIC, as_it_came, is_named
from worker.log.contract import Log, Message, Record
from worker.service.privacy.erased import erased_by_receipts
from worker.settings import Settings

AT_ONCE = 1_000  # tombstones in one transaction


class ErasedLetters:
    """Which letters are of users who were erased, with all that had been read until then; none where privacy.key is not set."""

    def __init__(self, log: Log, settings: Settings) -> None:
        """Raises ReceiptsNotOurs."""
        self._erased, self._events = erased_by_receipts(log, settings), settings.topics.events

    def has(self, letter: Record) -> bool:
        """Whether a letter is of one of them, by the key of what it is about, or by the user id in its value where that can be read."""
        if self._erased is None:
            return False
        about = {name: content.decode("utf-8", "replace") for name, content in letter.headers}
        if about.get(TOPIC, self._events) != self._events:  # a trigger that could not be delivered
            return any(self._erased.has_record(user, letter.timestamp_ms) for user in _users(letter))
        partition, offset = about.get(PARTITION, ""), about.get(OFFSET, "")
        place = (int(partition) if partition.isdigit() else letter.partition, int(offset) if offset.isdigit() else 0)
        return any(self._erased.has_event(user, *place) for user in _users(letter))


def _users(letter: Record) -> set[str]:
    key, value = as_it_came(letter.key, letter.value, letter.headers)
    named = {key.decode("utf-8", "replace")} if key else set()
    try:
        record = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return named
    return named | {record["user_id"]} if isinstance(record, dict) and isinstance(record.get("user_id"), str) else named


def is_tombstone(record: Record) -> bool:
    """Whether a record of the dead letters' topic takes a letter back; a letter says where it came from, whatever its value."""
    return record.value is None and not record.headers


def sweep_letters(log: Log, settings: Settings) -> Iterator[int]:
    """Put tombstones over the letters of erased users; yields how many, after each transaction. Nothing where the topic is not compacted.

    Letters of the time before the topic was made with a key stand under keys that others have too, and are left to retention.
    Raises ReceiptsNotOurs, LogUnavailable; a sweep that was cut short is gone on with by the next.
    """
    name = settings.topics.deadletter
    topic = log.topics([name]).get(name)
    if topic is None or not topic.compacted:
        return
    erased = ErasedLetters(log, settings)
    for partition in range(topic.partitions):
        due: dict[bytes, None] = {}
        for record in log.read(name, partition):
            if record.key is not None and is_tombstone(record):
                due.pop(record.key, None)
            elif record.key is not None and is_named(record.headers) and erased.has(record):
                due[record.key] = None
        keys = list(due)
        for start in range(0, len(keys), AT_ONCE):
            batch = [Message(None, key, (), partition) for key in keys[start : start + AT_ONCE]]
            log.append(name, batch)
            yield len(batch)
