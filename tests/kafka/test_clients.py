"""What worker/log/kafka/client.py promises, of every client library, on a real broker."""

from __future__ import annotations

import time

import pytest

from tests.kafka import clients
from tests.kafka.clients import CLIENTS, Opened, create, joined, read, texts, until, values
from worker.log.contract import Record, TopicPartition
from worker.log.errors import LogUnavailable, RecordRefused, UnknownTopic
from worker.log.kafka.client import InDoubt, Outgoing, Position
from worker.log.kafka.connection import Connection


def test_a_client_has_the_name_by_which_it_is_chosen() -> None:
    assert {name: kind(Connection("nowhere:1")).name for name, kind in CLIENTS.items()} == {name: name for name in CLIENTS}


# ---- publishing and reading


def test_what_is_published_is_read_back_in_order_with_all_that_belongs_to_it(client: Opened, topic: str) -> None:
    before_ms = time.time_ns() // 1_000_000
    publisher = client.publisher(f"{topic}-p")
    publisher.publish([Outgoing(topic, 0, b"k\xff", b"v\x00", (("a", b"\x01"), ("a", b""), ("ü", b"2"))), Outgoing(topic, 0, b"k", None, ())], {}, None)
    publisher.publish([Outgoing(topic, 0, None, b"", ()), Outgoing(topic, 1, b"", b"other", ())], {}, None)
    records = read(client.reader(topic, {0: 0}), 3)
    assert [record[:6] for record in records] == [
        (topic, 0, 0, b"k\xff", b"v\x00", (("a", b"\x01"), ("a", b""), ("ü", b"2"))),
        (topic, 0, 1, b"k", None, ()),
        (topic, 0, 3, None, b"", ()),  # 2 is the marker of the first transaction
    ]
    assert all(type(record) is Record and before_ms <= record.timestamp_ms <= time.time_ns() // 1_000_000 for record in records)
    assert read(client.reader(topic, {1: 0}), 1)[0][:6] == (topic, 1, 0, b"", b"other", ())


def test_many_records_keep_their_order_in_each_partition(client: Opened, topic: str) -> None:
    records = [Outgoing(topic, number % 2, None, b"%d" % number + b"." * 500, ()) for number in range(3_000)]
    client.publisher(f"{topic}-p").publish(records, {}, None)
    found = read(client.reader(topic, {0: 0, 1: 0}), 3_000)
    for partition in (0, 1):
        numbers = [int((record.value or b"").rstrip(b".")) for record in found if record.partition == partition]
        assert numbers == list(range(partition, 3_000, 2))


def test_nothing_is_published_by_nothing(client: Opened, topic: str) -> None:
    publisher = client.publisher(f"{topic}-p")
    publisher.publish([], {}, None)
    publisher.publish(texts(topic, ["one"]), {}, None)
    assert values(read(client.reader(topic, {0: 0}), 1)) == ["one"]


def test_making_a_publisher_ends_what_was_left_open_under_its_id(client: Opened, bootstrap: str, topic: str) -> None:
    left = clients.open_transaction(bootstrap, f"{topic}-p", topic, [b"left open"])
    client.publisher(f"{topic}-p").publish(texts(topic, ["mine"]), {}, None)
    # as long as the other transaction were open, nothing behind it could be read
    assert values(read(client.reader(topic, {0: 0}), 1)) == ["mine"]
    left.close(timeout=0)


def test_a_publisher_whose_id_was_taken_publishes_nothing(client: Opened, topic: str) -> None:
    (mine,) = joined(client.consumer(f"{topic}-g", "m", [topic]))
    first = client.publisher(f"{topic}-p")
    first.publish(texts(topic, ["before"]), {}, None)
    second = client.publisher(f"{topic}-p")
    with pytest.raises(LogUnavailable) as raised:
        first.publish(texts(topic, ["after"]), {TopicPartition(topic, 0): Position(1, "")}, mine.membership)
    assert not isinstance(raised.value, InDoubt)
    second.publish(texts(topic, ["second"]), {}, None)
    assert clients.all_visible(client, topic) == ["before", "second"]


def test_a_publisher_whose_id_was_taken_moves_no_position(client: Opened, topic: str) -> None:
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    (mine,) = joined(consumer)
    first = client.publisher(f"{topic}-p")
    client.publisher(f"{topic}-p")
    with pytest.raises(LogUnavailable) as raised:
        first.publish([], {TopicPartition(topic, 0): Position(1, "")}, mine.membership)
    assert not isinstance(raised.value, InDoubt)
    assert consumer.committed([TopicPartition(topic, 0)]) == {}


@pytest.mark.parametrize("bytes_", [2_000_000, 17 * 1024 * 1024])
def test_a_record_that_is_too_large_is_refused_and_takes_all_others_with_it(client: Opened, topic: str, bytes_: int) -> None:
    publisher = client.publisher(f"{topic}-p")
    with pytest.raises(RecordRefused):
        publisher.publish([*texts(topic, ["small"]), Outgoing(topic, 1, None, b"x" * bytes_, ())], {}, None)
    publisher.close()
    client.publisher(f"{topic}-p")
    assert clients.all_visible(client, topic) == []


def test_a_large_record_goes_through_where_its_topic_takes_it(client: Opened, bootstrap: str, topic_name: str) -> None:
    create(bootstrap, topic_name, configs={"max.message.bytes": "16777216"})
    client.publisher(f"{topic_name}-p").publish([Outgoing(topic_name, 0, None, b"x" * 12_000_000, ()), *texts(topic_name, ["small"])], {}, None)
    assert [len(record.value or b"") for record in read(client.reader(topic_name, {0: 0}), 2)] == [12_000_000, 5]


def test_a_compacted_topic_refuses_a_record_without_a_key(client: Opened, bootstrap: str, topic_name: str) -> None:
    create(bootstrap, topic_name, configs={"cleanup.policy": "compact"})
    publisher = client.publisher(f"{topic_name}-p")
    with pytest.raises(RecordRefused):
        publisher.publish([Outgoing(topic_name, 0, b"k", b"v", ()), Outgoing(topic_name, 0, None, b"v", ())], {}, None)


def test_an_unknown_topic_is_said_to_be_unknown(client: Opened, topic: str, topic_name: str) -> None:
    publisher = client.publisher(f"{topic}-p")
    with pytest.raises(UnknownTopic):
        publisher.publish([*texts(topic, ["known"]), *texts(f"{topic_name}-missing", ["unknown"])], {}, None)
    consumer = client.consumer(f"{topic}-g", "m", [f"{topic_name}-missing"])
    with pytest.raises(UnknownTopic):
        until(lambda: bool(consumer.poll(1, 0.1)), "UnknownTopic")
    with pytest.raises(UnknownTopic):
        until(lambda: bool(client.reader(f"{topic_name}-missing", {0: 0}).poll(1, 0.1)), "UnknownTopic")


def test_a_partition_that_is_not_there_refuses_the_record(client: Opened, topic: str) -> None:
    with pytest.raises((RecordRefused, UnknownTopic)):
        client.publisher(f"{topic}-p").publish(texts(topic, ["nowhere"], partition=2), {}, None)


def test_a_reader_starts_where_it_is_told_and_keeps_to_its_limit(client: Opened, topic: str) -> None:
    client.publisher(f"{topic}-p").publish(texts(topic, [str(number) for number in range(50)]), {}, None)
    reader = client.reader(topic, {0: 20})
    found: list[Record] = []

    def next_ones() -> bool:
        some = reader.poll(7, 0.1)
        assert len(some) <= 7
        found.extend(some)
        return len(found) == 30

    until(next_ones, "30 records")
    assert values(found) == [str(number) for number in range(20, 50)]
    assert reader.poll(7, 0) == []


def test_a_readers_positions_move_past_what_holds_no_record(client: Opened, bootstrap: str, topic: str) -> None:
    reader = client.reader(topic, {0: 0, 1: 0})
    assert reader.positions() == {0: 0, 1: 0}
    client.publisher(f"{topic}-p").publish([*texts(topic, ["a", "b"]), *texts(topic, ["c"], partition=1)], {}, None)
    assert len(read(reader, 3)) == 3

    def at_the_end() -> bool:
        assert reader.poll(1, 0.05) == []
        return reader.positions() == {partition: clients.end_offset(bootstrap, topic, partition) for partition in (0, 1)}

    until(at_the_end, "the position behind the marker")
    aborted = clients.open_transaction(bootstrap, f"{topic}-aborted", topic, [b"never seen"])
    aborted.abort_transaction()
    aborted.close()
    until(at_the_end, "the position behind what was aborted")
    assert reader.positions() == {0: 5, 1: 2}


def test_a_reader_that_retention_overtakes_goes_on_from_the_oldest(client: Opened, bootstrap: str, topic: str) -> None:
    client.publisher(f"{topic}-p").publish(texts(topic, [str(number) for number in range(10)]), {}, None)
    clients.delete_before(bootstrap, topic, 6)
    assert values(read(client.reader(topic, {0: 2}), 4)) == ["6", "7", "8", "9"]
