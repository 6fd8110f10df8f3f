"""Dead letters: a refused record as it came, with headers that say where from and why.

The header names are Kafka's own for dead letters (KIP-1191, the constants of its ShareGroupDLQRecordHelper), so that tools made for share
groups read ours: topic, partition, offset, message, all as UTF-8 text. Group and delivery count are left out; they are optional facts of
share groups. The reason code has a header of our own, outside Kafka's reserved prefix.

Where tombstones are to reach the letters of erased users, each has a key of its own (`named`), and what was the record's key is one more header.
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
KEY, KEYLESS = "clickscore.key", "clickscore.keyless"  # of a letter under a key of its own: the record's key, or that it had none
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
    kept = own_headers(headers)
    written = b"" if value is None and key is None else value
    return DeadLetter(key, written, [*kept, *((name, text.encode("utf-8", "replace")) for name, text in cause.items())])


def own_headers(headers: Headers) -> list[tuple[str, bytes]]:
    """Those of the record itself, without what a dead letter says."""
    return [(name, content) for name, content in headers if not name.startswith(PREFIX) and name not in (REASON, KEY, KEYLESS)]


def named(letter: DeadLetter, *more: str) -> DeadLetter:
    """The letter for a compacted topic, under a key that no other letter has: where its record lies (topic, partition, offset), and what else tells it apart.

    An absent value, which would be a tombstone, becomes an empty one.
    """
    about = dict(letter.headers)
    name = b"/".join([*(about[part] for part in (TOPIC, PARTITION, OFFSET)), *(part.encode() for part in more)])
    return DeadLetter(name, letter.value or b"", [*letter.headers, (KEYLESS, b"") if letter.key is None else (KEY, letter.key)])


def is_named(headers: Headers) -> bool:
    """Whether a letter with these headers stands under a key of its own."""
    return any(name in (KEY, KEYLESS) for name, _ in headers)


def as_it_came(key: bytes | None, value: bytes | None, headers: Headers) -> tuple[bytes | None, bytes | None]:
    """Key and value of the record that a dead letter with this key, value and headers is about."""
    about = dict(headers)
    if KEYLESS in about:
        return None, value
    if KEY in about:
        return about[KEY], None if about.get(REASON) == b"null_value" else value
    return key, value
