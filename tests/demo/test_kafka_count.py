"""The demo's count of lost and repeated scores: it finds what is missing and what is too much, from the topics alone."""

from __future__ import annotations

import pytest

from worker.core.events.deadletters import dead_letter
from worker.demo.kafka_count import Count, count
from worker.log.contract import Message
from worker.log.embedded import EmbeddedLog
from worker.service.topics import create_topics
from worker.settings import Settings

TOPICS = Settings().topics


def event(number: int, event_id: str | None = None) -> bytes:
    return b'{"event_id":"%b","event":"page_view","user_id":"u1","timestamp":%d}' % ((event_id or f"e{number}").encode(), 1_700_000_000_000 + number)


@pytest.fixture
def log() -> EmbeddedLog:
    """Two partitions: three events in one, and in the other an event, its copy, and what is no event; all taken care of."""
    log = EmbeddedLog(None)
    create_topics(log, Settings(), 2)
    log.append(TOPICS.events, [Message(event(number), b"u1", partition=0) for number in range(3)])
    log.append(TOPICS.events, [Message(value, b"u1", partition=1) for value in (event(9, "twice"), event(9, "twice"), b"{")])
    for place in ("0-0", "0-1", "0-2", "1-0"):
        score(log, place)
    score(log, "0-2.1", "silence")
    refuse(log, 1, 2)
    return log


def score(log: EmbeddedLog, place: str, cause: str = "event") -> None:
    log.append(TOPICS.scores, [Message(b'{"schema":1,"score_id":"%b","cause":"%b"}' % (place.encode(), cause.encode()), b"u1")])


def refuse(log: EmbeddedLog, partition: int, offset: int) -> None:
    key, value, headers = dead_letter(b"{", None, TOPICS.events, partition, offset, "invalid_json", "it ends too soon")
    log.append(TOPICS.deadletter, [Message(value, key, tuple(headers), partition)])


def test_everything_has_been_taken_care_of(log: EmbeddedLog) -> None:
    assert count(log, TOPICS) == Count(records=6, scored=4, dead_letters=1, duplicates=1, lost=0, repeated=0, foreign=0)


def test_what_has_neither_score_nor_dead_letter_is_lost(log: EmbeddedLog) -> None:
    log.append(TOPICS.events, [Message(event(7), b"u1", partition=0), Message(b"}", None, partition=1)])
    assert count(log, TOPICS).lost == 2


def test_a_second_score_is_repeated_and_so_is_a_dead_letter_beside_a_score(log: EmbeddedLog) -> None:
    score(log, "0-1")
    score(log, "0-1")
    refuse(log, 0, 2)
    assert count(log, TOPICS).repeated == 3


def test_a_score_of_nothing_is_foreign(log: EmbeddedLog) -> None:
    score(log, "5-77")
    assert count(log, TOPICS).foreign == 1
