"""Looking for a user in everything that clickscore has on its log: the proof of an erasure, and the list of what only time will take.

An id counts where it stands as a word of its own: in a key, in a header, or in any text of a record, the events that wait in a partition's record included.
Packed numbers (profiles, decisions, weights of models) are not looked into: they hold no ids.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from worker.log.contract import Log, Record, Topic
from worker.settings import Settings, duration_text

Place = Literal["key", "header", "value"]
PACKED = frozenset(("sparse", "row", "packed", "bins"))


@dataclass(slots=True)
class Sighting:
    """A record that names the user, and where in it. `live`: a reader of the topic sees it; else a later record of its key, or it is itself a tombstone."""

    topic: str
    partition: int
    offset: int
    places: tuple[Place, ...]
    live: bool
    goes: str  # how, in words


def scan(log: Log, settings: Settings, user: str, *, the_input: bool = False) -> Iterator[Sighting]:
    """Every record that names a user, topic by topic; the input is not ours, and left out unless asked for."""
    names = [name for name in settings.topics.model_dump().values() if the_input or name != settings.topics.events]
    there = log.topics(names)
    word = _word(user)
    for name in names:
        if name in there:
            for partition in range(there[name].partitions):
                yield from _of_partition(log, there[name], partition, word, settings)


def _of_partition(log: Log, topic: Topic, partition: int, word: re.Pattern[bytes], settings: Settings) -> Iterator[Sighting]:
    found: list[Sighting] = []
    latest: dict[bytes, list[Sighting]] = {}  # by key, in a compacted topic: what a later record may cover
    for record in log.read(topic.name, partition):
        if topic.compacted and record.key is not None:
            for covered in latest.pop(record.key, []):
                covered.live, covered.goes = False, "with compaction: a later record has taken its place"
        if places := places_in(record, word):
            tombstone = record.value is None and (topic.compacted or topic.name == settings.topics.triggers)
            goes = f"{'with compaction' if topic.compacted else 'as a worker sweeps the log'}: it is a tombstone" if tombstone else _goes(topic, settings)
            sighting = Sighting(topic.name, partition, record.offset, places, not tombstone, goes)
            found.append(sighting)
            if topic.compacted and record.key is not None:
                latest.setdefault(record.key, []).append(sighting)
    yield from found


def _goes(topic: Topic, settings: Settings) -> str:
    """What takes a live record."""
    if topic.name == settings.topics.privacy:
        return "as the request is carried out"
    if topic.name == settings.topics.deadletter and topic.compacted:
        return "with `clickscore privacy sweep` and compaction, if it is of an erased user; else by retention"
    if topic.expires and topic.retention_ms is not None:
        return f"by retention, {duration_text(topic.retention_ms)} after it was written"
    if topic.name == settings.topics.deadletter and not settings.kafka.bootstrap:
        return "with an erasure, where the id is its key; else never by itself"
    if topic.name == settings.topics.triggers:
        return "with an erasure, as a worker sweeps the log"
    return "with an erasure" if topic.compacted else "never by itself"


def _word(user: str) -> re.Pattern[bytes]:
    """The id as it is, and as JSON may write it, neither a part of a longer word."""
    spellings = {user.encode(), json.dumps(user)[1:-1].encode(), orjson.dumps(user)[1:-1]}
    return re.compile(rb"(?<![\w\x80-\xff])(?:" + b"|".join(map(re.escape, sorted(spellings))) + rb")(?![\w\x80-\xff])")


def places_in(record: Record, word: re.Pattern[bytes]) -> tuple[Place, ...]:
    """Where a record names the user."""
    places: list[Place] = []
    if record.key is not None and word.search(record.key):
        places.append("key")
    if any(word.search(content) for _, content in record.headers):
        places.append("header")
    if record.value is not None and any(word.search(text) for text in _texts(record.value)):
        places.append("value")
    return tuple(places)


def _texts(value: bytes) -> Iterator[bytes]:
    """What a record says in words: of JSON its texts, of a snapshot of a model its head, of anything else all bytes."""
    head, _, rest = value.partition(b"\n")
    try:
        said = orjson.loads(value)
    except orjson.JSONDecodeError:
        try:
            said = orjson.loads(head) if rest and head.startswith(b'{"') else None
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict):
            yield value
            return
    yield from _walk(said)


def _walk(said: Any) -> Iterator[bytes]:
    if isinstance(said, str):
        yield said.encode("utf-8", "surrogatepass")
    elif isinstance(said, list):
        for one in said:
            yield from _walk(one)
    elif isinstance(said, dict):
        for name, one in said.items():
            if name == "held" and isinstance(one, list):
                yield from _waiting(one)
            elif name not in PACKED:
                yield name.encode("utf-8", "surrogatepass")
                yield from _walk(one)


def _waiting(held: list[Any]) -> Iterator[bytes]:
    """Events that wait for confirmation, in a partition's record as base64; in a user's record of triggers, `held` is something else."""
    for one in held:
        if isinstance(one, list) and len(one) == 3 and isinstance(one[1], str):
            try:
                yield base64.b64decode(one[1], validate=True)
                continue
            except binascii.Error:
                pass
        yield from _walk(one)
