"""The contract, for topics, plain writing and plain reading."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.log.forms import PATIENCE_S, Form, tail_records, written
from worker.log.contract import Log, Message, Record, Topic
from worker.log.errors import RecordRefused, TopicMismatch, UnknownTopic
from worker.log.partitioner import partition_of

NUMBERS = count()
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)  # librdkafka cuts a header's name at a NUL
MESSAGES = st.lists(
    st.builds(
        Message,
        value=st.none() | st.binary(max_size=40),
        key=st.none() | st.binary(max_size=12),
        headers=st.lists(st.tuples(NAMES, st.binary(max_size=5)), max_size=3).map(tuple),
        partition=st.none() | st.integers(0, 3),
    ).filter(lambda message: message.key is not None or message.value is not None),
    max_size=12,
)


def test_topics_are_there_for_every_handle(form: Form, log: Log) -> None:
    assert form.open().topics()["state"] == Topic("state", 2, "compact")
    assert form.open().partition_count("in") == 4


def test_creating_again_changes_nothing_but_retention(log: Log) -> None:
    log.append("in", [Message(b"kept")])
    log.create([Topic("in", 4, retention_ms=60_000)])
    assert log.topics()["in"].retention_ms == 60_000
    assert written(log, "in") == [b"kept"]


@pytest.mark.parametrize("other", [Topic("in", 5), Topic("in", 4, "compact")])
def test_another_shape_is_refused_and_nothing_created(log: Log, other: Topic) -> None:
    with pytest.raises(TopicMismatch, match="4 partitions and cleanup delete"):
        log.create([Topic("fresh"), other])
    assert "fresh" not in log.topics()


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "a b"}, {"name": ".."}, {"partitions": 0}, {"retention_ms": -1}, {"cleanup": "compress"}])
def test_what_kafka_would_refuse_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="topic"):
        Topic(**{"name": "fine", **fields})


CALLS: dict[str, Callable[[Log], object]] = {
    "partition_count": lambda log: log.partition_count("nowhere"),
    "start_offsets": lambda log: log.start_offsets("nowhere"),
    "end_offsets": lambda log: log.end_offsets("nowhere"),
    "committed": lambda log: log.committed("g", "nowhere"),
    "append": lambda log: log.append("nowhere", []),
    "read": lambda log: log.read("nowhere", 0),
    "tail": lambda log: log.tail("nowhere"),
    "turns": lambda log: log.turns("g", ["nowhere"], "m"),
    "send": lambda log: log.turns("g", ["in"], "m").send("nowhere", []),
    "cleanup": lambda log: log.cleanup("nowhere"),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_topic_is_named(log: Log, call: str) -> None:
    with pytest.raises(UnknownTopic, match="nowhere"):
        CALLS[call](log)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=MESSAGES)
def test_what_is_written_is_read_in_order(log: Log, other: Log, messages: list[Message]) -> None:
    topic = f"t{next(NUMBERS)}"
    log.create([Topic(topic, 4)])
    log.append(topic, messages[:5])
    log.append(topic, messages[5:])
    read = [list(other.read(topic, partition)) for partition in range(4)]
    assert sorted(map(content, chain(*read))) == sorted(map(content, messages))
    for partition, records in enumerate(read):
        sure = [m for m in messages if m.partition is not None or m.key is not None]
        mine = [m for m in sure if (m.partition if m.partition is not None else partition_of(m.key or b"", 4)) == partition]
        keyless = [m for m in messages if m.partition is None and m.key is None]
        assert [content(r) for r in records if content(r) not in map(content, keyless)] == [content(m) for m in mine if content(m) not in map(content, keyless)]
        assert [r.offset for r in records] == sorted({r.offset for r in records})
        assert all(r.topic == topic and r.partition == partition for r in records)
        assert not records or records[-1].offset < log.end_offsets(topic)[partition]


def content(record: Record | Message) -> tuple[str, ...]:
    return repr(record.value), repr(record.key), repr(record.headers)


@pytest.mark.parametrize(
    ("topic", "message"), [("state", Message(b"v")), ("in", Message(None)), ("in", Message(b"v", partition=4)), ("in", Message(b"v", partition=-1))]
)
def test_a_refused_message_takes_its_whole_call_along(log: Log, topic: str, message: Message) -> None:
    with pytest.raises(RecordRefused, match=topic):
        log.append(topic, [Message(b"good", b"k"), message])
    assert written(log, topic) == []


def test_reading_starts_where_told_and_ends_at_the_end_of_the_call(log: Log) -> None:
    log.append("in", [Message(b"%d" % i, partition=1) for i in range(10)])
    third = list(log.read("in", 1))[3].offset
    reading = log.read("in", 1, third)
    log.append("in", [Message(b"late", partition=1)])
    assert [record.value for record in reading] == [b"%d" % i for i in range(3, 10)]
    assert list(log.read("in", 1, log.end_offsets("in")[1])) == []


def test_reading_a_long_partition_misses_nothing(log: Log) -> None:
    log.append("in", [Message(b"%d" % i, partition=0) for i in range(2_500)])
    assert [record.value for record in log.read("in", 0)] == [b"%d" % i for i in range(2_500)]


def test_tails_follow_from_the_start_the_end_and_an_offset(form: Form, log: Log) -> None:
    log.append("in", [Message(b"%d" % i, partition=2) for i in range(5)])
    second = list(log.read("in", 2))[2].offset
    tails = {"earliest": log.tail("in", "earliest"), "latest": form.open().tail("in", "latest"), "offset": form.open().tail("in", {2: second})}
    log.append("in", [Message(b"new", partition=2), Message(b"elsewhere", partition=3)])
    earliest = tail_records(tails["earliest"], 7)
    assert [r.value for r in earliest if r.partition == 2] == [b"0", b"1", b"2", b"3", b"4", b"new"]
    assert [r.value for r in earliest if r.partition == 3] == [b"elsewhere"]
    assert {r.value for r in tail_records(tails["latest"], 2)} == {b"new", b"elsewhere"}
    assert [r.value for r in tail_records(tails["offset"], 4)] == [b"2", b"3", b"4", b"new"]
    assert tails["offset"].poll(10, 0) == []


def test_a_waiting_tail_is_woken_by_another_handle(form: Form, log: Log) -> None:
    tail = form.open().tail("in")
    writer = Thread(target=lambda: log.append("in", [Message(b"hello")]))
    writer.start()
    found = tail.poll(10, PATIENCE_S)
    writer.join()
    assert [record.value for record in found] == [b"hello"]


def test_a_tail_takes_no_more_than_its_limit(log: Log) -> None:
    log.append("in", [Message(b"%d" % i) for i in range(20)])
    tail = log.tail("in", "earliest")
    polls = [tail.poll(3, PATIENCE_S / 200) for _ in range(20)]
    assert max(map(len, polls)) == 3
    assert sum(map(len, polls)) == 20
