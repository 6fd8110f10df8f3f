"""Dead letters: a refused record as it came, with headers that say where from and why.

The header names are Kafka's own for dead letters (KIP-1191, the constants of its ShareGroupDLQRecordHelper), so that tools made for share
groups read ours: topic, partition, offset, message, all as UTF-8 text. Group and delivery count are left out; they are optional facts of
share groups. The reason code has a header of our own, outside Kafka's reserved prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PREFIX = "__dlq.errors."
TOPIC = PREFIX + "topic"
PARTITION = PREFIX + "partition"
OFFSET = PREFIX + "offset"
MESSAGE = PREFIX + "message"
REASON = "clickscore.reason"
MESSAGE_LENGTH = 500  # characters; a detail is words about the record, not another copy of it

Headers = Sequence[tuple[str, bytes]]


class DeadLetter(NamedTuple):
    """A record for the dead-letter topic, to go to the partition that its input came from."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def dead_letter(value: bytes | None, key: bytes | None, topic: str, partition: int, offset: int, reason: str, detail: str, headers: Headers = ()) -> DeadLetter:
    """Address the record at `topic`, `partition`, `offset`, refused for `reason` (a code of `faults.REASONS`), as a dead letter.

    Key, value and the record's own `headers` stay byte for byte; only headers under our names, left by an earlier death, are replaced. A record
    with neither key nor value gets an empty value: brokers take one without either, but no client writes it.
    """
    cause = {TOPIC: topic, PARTITION: str(partition), OFFSET: str(offset), MESSAGE: detail[:MESSAGE_LENGTH], REASON: reason}
    kept = [(name, content) for name, content in headers if not name.startswith(PREFIX) and name != REASON]
    written = b"" if value is None and key is None else value
    return DeadLetter(key, written, [*kept, *((name, text.encode("utf-8", "replace")) for name, text in cause.items())])
