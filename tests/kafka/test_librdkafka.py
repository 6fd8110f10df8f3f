"""What is particular to librdkafka: how it is told where to begin, what it does behind our back, and what it would say on stderr."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka import TopicPartition as Place
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, MemberToRemove

from tests.kafka.fixtures import FreshName
from tests.kafka.librdkafka_bench import BRISK, Bench, joined, member, read, until, values
from worker.demo.broker import Broker
from worker.log.contract import Record, TopicPartition
from worker.log.errors import LogCorrupt, LogUnavailable, LogUnusable, MemberReplaced, OffsetOutOfRange
from worker.log.kafka.client import Assignment, GroupConsumer, Position
from worker.log.kafka.connection import Connection
from worker.log.kafka.failures import NotAllowed
from worker.log.kafka.librdkafka import consumer as librdkafka_consumer
from worker.log.kafka.librdkafka.client import Librdkafka
from worker.log.kafka.librdkafka.consumer import membership_of, waiting
from worker.log.kafka.librdkafka.settings import publisher_settings


@pytest.fixture
def bench(bootstrap: str, fresh_name: FreshName) -> Iterator[Bench]:
    bench = Bench(bootstrap, fresh_name)
    with bench.closing:
        yield bench


def test_asking_whether_it_is_installed_imports_nothing_of_it() -> None:
    code = "import sys; from worker.log.kafka.librdkafka.client import Librdkafka, installed; print(installed(), 'confluent_kafka' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split() == ["True", "False"]


# ---- members of a group


def test_the_membership_is_what_librdkafka_had_at_the_assignment(bench: Bench) -> None:
    topic = bench.topic(2)
    assignment = joined(bench.consumer(topic))
    membership = member(assignment)
    assert assignment.partitions == {TopicPartition(topic, 0), TopicPartition(topic, 1)}
    assert membership.generation == 1
    assert membership.member_id.startswith("m-")
    assert membership.token.startswith(b"CGMDv2:")
    assert membership_of(membership.token) == membership


@pytest.mark.parametrize("token", [b"CGMDv2:\xff\xff\xff\xffgroup\0id\0\0m\0", b"CGMDv2:\x01\0\0\0group\0\0\0m\0"])
def test_a_member_without_a_generation_or_an_id_is_none(token: bytes) -> None:
    assert membership_of(token) is None


def test_group_metadata_of_another_layout_is_refused() -> None:
    with pytest.raises(LogUnusable, match="layout"):
        membership_of(b"CGMDv3:\x01\0\0\0group\0id\0\0m\0")


def test_who_comes_when_all_partitions_are_taken_hears_that_it_has_none(bench: Bench) -> None:
    topic = bench.topic()
    first = bench.consumer(topic, "a")
    assert joined(first).partitions
    second = bench.consumer(topic, "b")
    seen: dict[GroupConsumer, Assignment] = {}

    def both() -> bool:
        for consumer in (first, second):
            consumer.poll(1, 0.05)
            seen.update((consumer, assignment) for assignment in consumer.assignments())
        return first in seen and second in seen

    until(both)
    assert [len(seen[consumer].partitions) for consumer in (first, second)] == [1, 0]
    assert member(seen[first]).generation == member(seen[second]).generation == 2


def test_nothing_is_read_before_it_is_said_where_to_begin(bench: Bench) -> None:
    topic = bench.topic()
    bench.write(topic, b"0", b"1", b"2")
    consumer = bench.consumer(topic)
    joined(consumer)
    assert consumer.poll(10, 0.3) == {}
    consumer.begin_at({TopicPartition(topic, 0): 1})
    assert values(read(consumer, 2)) == [b"1", b"2"]


def test_beginning_again_drops_what_was_fetched_ahead(bench: Bench) -> None:
    topic = bench.topic()
    name = TopicPartition(topic, 0)
    bench.write(topic, *(b"%d" % number for number in range(1_000)))
    consumer = bench.consumer(topic)
    joined(consumer)
    for offset in (3, 7, 500, 0):  # at once, when no fetcher has started yet, and then with records waiting
        consumer.begin_at({name: offset})
        consumer.begin_at({name: offset + 1})
        assert values(read(consumer, 1)) == [b"%d" % (offset + 1)]


def test_partitions_that_were_begun_before_go_on_from_where_they_were_read(bench: Bench) -> None:
    topic = bench.topic(2)
    for partition in (0, 1):
        bench.write(topic, b"a", b"b", b"c", partition=partition)
    consumer = bench.consumer(topic)
    joined(consumer)
    consumer.begin_at({TopicPartition(topic, 0): 0})
    assert values(read(consumer, 1)) == [b"a"]
    consumer.begin_at({TopicPartition(topic, 1): 2})
    assert sorted((record.partition, record.value) for record in read(consumer, 3)) == [(0, b"b"), (0, b"c"), (1, b"c")]


def test_a_position_that_is_not_there_is_told_until_it_is_mended(bench: Bench) -> None:
    topic = bench.topic()
    bench.write(topic, b"0", b"1")
    consumer = bench.consumer(topic)
    joined(consumer)
    consumer.begin_at({TopicPartition(topic, 0): 9})
    for _ in range(2):
        with pytest.raises(OffsetOutOfRange):
            until(lambda: consumer.poll(10, 0.5))
    consumer.begin_at({TopicPartition(topic, 0): 0})
    assert values(read(consumer, 2)) == [b"0", b"1"]


def test_a_position_that_was_left_is_not_told_of_any_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = bench.topic()
    bench.write(topic, b"0", b"1")
    consumer = bench.consumer(topic)
    joined(consumer)
    begun = {TopicPartition(topic, 0): 9}
    kept: list[Message] = []  # what librdkafka says of position 9, held back until position 0 was begun

    def held_back(reader: Consumer, limit: int, wait_s: float) -> list[Message]:
        messages = waiting(reader, limit, wait_s)
        if begun[TopicPartition(topic, 0)] == 9:
            kept.extend(messages)
            return []
        return [kept.pop(), *messages] if kept else messages

    monkeypatch.setattr("worker.log.kafka.librdkafka.consumer.waiting", held_back)
    consumer.begin_at(begun)
    until(lambda: consumer.poll(10, 0.1) or kept)
    begun[TopicPartition(topic, 0)] = 0
    consumer.begin_at(begun)
    assert values(read(consumer, 2)) == [b"0", b"1"]


def test_a_member_that_was_struck_off_hears_it_and_comes_back(bench: Bench) -> None:
    consumer = bench.consumer(bench.topic())
    before = joined(consumer)
    with closing(KafkaAdminClient(bootstrap_servers=bench.bootstrap)) as admin:
        group = bench.fresh_name("group")
        admin.remove_group_members(group, [MemberToRemove(member_id=member(before).member_id, group_instance_id="m")])
    seen: list[Assignment] = []

    def back() -> bool:
        consumer.poll(1, 0.1)
        seen.extend(consumer.assignments())
        return bool(seen) and seen[-1].membership is not None

    until(back)
    assert seen[0] == Assignment(None, frozenset())
    assert seen[-1].partitions == before.partitions
    assert member(seen[-1]).member_id != member(before).member_id


def test_a_replaced_member_hears_it_in_every_poll_and_cannot_commit(bench: Bench) -> None:
    topic = bench.topic()
    old = bench.consumer(topic)
    membership = member(joined(old))
    publisher = bench.publisher()
    new = bench.consumer(topic)
    joined(new)
    with pytest.raises(MemberReplaced):
        publisher.publish([], {TopicPartition(topic, 0): Position(0, "")}, membership)
    for _ in range(3):
        with pytest.raises(MemberReplaced):
            until(lambda: old.poll(1, 0.5))
    assert new.committed([TopicPartition(topic, 0)]) == {}


def test_positions_are_waited_for_while_a_transaction_holds_them(bench: Bench) -> None:
    topic = bench.topic()
    name = TopicPartition(topic, 0)
    consumer = bench.consumer(topic)
    membership = member(joined(consumer))
    settings = publisher_settings(bench.connection, bench.fresh_name("open"))
    open_one = Producer(settings)
    open_one.init_transactions(10)
    open_one.begin_transaction()
    open_one.send_offsets_to_transaction([Place(topic, 0, 5)], membership.token, 10)
    with pytest.raises(LogUnavailable):
        consumer.committed([name])
    open_one.commit_transaction(10)
    assert consumer.committed([name]) == {name: Position(5, "")}


def test_a_damaged_record_stops_the_reading_there_every_time(bench: Bench, broker: Broker) -> None:
    bench.bootstrap, bench.client = broker.bootstrap, Librdkafka(Connection(broker.bootstrap, timings=BRISK))
    topic = bench.topic()
    for value in (b"before", b"to be damaged", b"after"):
        bench.write(topic, value)
    (file,) = (broker.folder / "data").glob(f"{topic}-0/*.log")
    with file.open("r+b") as log:
        log.seek(file.read_bytes().index(b"damaged"))
        log.write(b"D")
    reader = bench.reader(topic, {0: 0})
    consumer = bench.consumer(topic)
    joined(consumer)
    consumer.begin_at({TopicPartition(topic, 0): 0})
    found: dict[object, list[bytes | None]] = {}
    for source, poll in (
        (reader, reader.poll),
        (consumer, lambda limit, wait_s: [record for some in consumer.poll(limit, wait_s).values() for record in some]),
    ):
        for _ in range(3):
            with pytest.raises(LogCorrupt, match="CRC"):
                until(lambda poll=poll, source=source: found.setdefault(source, []).extend(values(poll(10, 0.5))))  # type: ignore[misc]
        assert found[source] == [b"before"]
    assert reader.positions() == {0: 1}


def test_an_error_of_the_whole_member_that_comes_with_records_is_told_by_the_next_poll(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = bench.topic()
    consumer = bench.consumer(topic)
    joined(consumer)
    consumer.begin_at({TopicPartition(topic, 0): 0})
    refused = Message(topic=topic, partition=-1, offset=-1001, error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    came = iter([[Message(topic=topic, partition=0, offset=0, value=b"x", timestamp=(1, 2)), refused], []])
    monkeypatch.setattr(librdkafka_consumer, "waiting", lambda *_: next(came))
    assert consumer.poll(10, 0) == {TopicPartition(topic, 0): [Record(topic, 0, 0, None, b"x", (), 2)]}
    with pytest.raises(NotAllowed):
        consumer.poll(10, 0)
    assert consumer.poll(10, 0) == {}


def test_headers_whose_names_are_not_utf8_do_not_stop_the_reading(bench: Bench) -> None:
    class Wrong(str):
        __slots__ = ()

        def encode(self, *_: object) -> bytes:
            return b"\xff\xfe"

    topic = bench.topic()
    with closing(KafkaProducer(bootstrap_servers=bench.bootstrap)) as producer:
        for _ in range(100):  # CPython calls a method otherwise once it is called often
            producer.send(topic, b"wrong", headers=[(Wrong("x"), b"1")])
        producer.flush(10)
    other = Producer({"bootstrap.servers": bench.bootstrap})
    other.produce(topic, b"right", headers=[("ü", b"1"), ("empty", None)])
    other.flush(10)
    reader = bench.reader(topic, {0: 0})
    records: list[Record] = []

    def all_read() -> bool:
        records.extend(reader.poll(1_000, 0.5))
        return len(records) == 101

    until(all_read)
    assert [(record.value, record.headers) for record in records] == [(b"wrong", ())] * 100 + [(b"right", (("ü", b"1"), ("empty", b"")))]
