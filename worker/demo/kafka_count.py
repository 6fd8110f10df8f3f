"""What became of every record of the input, counted from the topics alone: each event that decodes has one score, each other record one dead letter.

Nothing that a worker says of itself is used, only what everybody can read: the input, the scores, the dead letters. A score names its event by
partition and offset (`score_id`), as a dead letter does in its headers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import orjson

from worker.core.events.deadletters import OFFSET, PARTITION
from worker.core.events.decoding import decode
from worker.log.contract import Log, Record
from worker.settings import TopicSettings

AT_ONCE = 5_000
Place = tuple[int, int]  # partition and offset in the input


@dataclass(frozen=True, slots=True)
class Count:
    """The account of an input. `repeated` counts the surplus: an event with three scores is two repeated ones."""

    records: int
    scored: int
    dead_letters: int
    duplicates: int
    """Second copies of an event (same user, same event id), which are not to be scored again."""
    lost: int
    repeated: int
    foreign: int
    """Scores and dead letters of what is not in the input."""


def count(log: Log, topics: TopicSettings) -> Count:
    """Read all three topics to their present end. Raises LogUnavailable, UnknownTopic."""
    scores, letters = Counter(_scored(log, topics.scores)), Counter(_refused(log, topics.deadletter))
    once: set[tuple[str, str]] = set()
    known: set[Place] = set()
    records = duplicates = lost = repeated = 0
    for step in _steps(log, topics.events):
        copies = _copies(step, once)
        for record in step:
            place = record.partition, record.offset
            known.add(place)
            found = scores[place] + letters[place]
            records += 1
            if place in copies and not found:
                duplicates += 1
                continue
            lost += not found
            repeated += max(0, found - 1)
    foreign = sum(number for counted in (scores, letters) for place, number in counted.items() if place not in known)
    return Count(records, scores.total(), letters.total(), duplicates, lost, repeated, foreign)


def _copies(records: list[Record], once: set[tuple[str, str]]) -> set[Place]:
    """Those of the records that are a second copy of one that came before; `once` remembers them all."""
    batch, _ = decode([record.value for record in records])
    copies = set()
    for position, user_id, event_id in zip(batch.position.tolist(), batch.user_id, batch.event_id, strict=True):
        if event_id is None:
            continue
        if (user_id, event_id) in once:
            copies.add((records[position].partition, records[position].offset))
        once.add((user_id, event_id))
    return copies


def _scored(log: Log, topic: str) -> Iterator[Place]:
    """The events that scores are about. A score of silence is of no event."""
    for step in _steps(log, topic):
        for record in step:
            score = orjson.loads(record.value or b"{}")
            if score.get("cause") == "event":
                partition, _, offset = score["score_id"].partition("-")
                yield int(partition), int(offset)


def _refused(log: Log, topic: str) -> Iterator[Place]:
    for step in _steps(log, topic):
        for record in step:
            headers = dict(record.headers)
            if PARTITION in headers:
                yield int(headers[PARTITION]), int(headers[OFFSET])


def _steps(log: Log, topic: str) -> Iterator[list[Record]]:
    """All records of a topic, partition by partition."""
    for partition in range(log.partition_count(topic)):
        records = log.read(topic, partition)
        while step := list(islice(records, AT_ONCE)):
            yield step
