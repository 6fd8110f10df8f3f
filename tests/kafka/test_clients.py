"""What worker/log/kafka/client.py promises, of every client library, on a real broker."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from kafka import ConsumerGroupMetadata, OffsetAndMetadata
from kafka import TopicPartition as Partition

from tests.kafka import clients
from tests.kafka.clients import BRISK, CLIENTS, HASTY, PATIENCE_S, Opened, consume, create, joined, read, texts, until, values
from tests.kafka.proxy import Api, Proxy
from worker.demo.broker import Broker
from worker.log.contract import Record, TopicPartition
from worker.log.errors import Fenced, LogUnavailable, MemberReplaced, OffsetOutOfRange, RecordRefused, UnknownTopic
from worker.log.kafka.client import Assignment, InDoubt, Outgoing, Position
from worker.log.kafka.connection import Connection, Timings


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, bootstrap: str) -> Iterator[Opened]:
    opened = Opened(CLIENTS[request.param], bootstrap)
    yield opened
    opened.close()


@pytest.fixture
def topic(bootstrap: str, topic_name: str) -> str:
    """With two partitions."""
    create(bootstrap, topic_name, 2)
    return topic_name


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


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


# ---- groups


def test_the_first_poll_joins_and_a_group_without_positions_begins_where_it_is_told(client: Opened, topic: str) -> None:
    client.publisher(f"{topic}-p").publish([*texts(topic, ["a", "b"]), *texts(topic, ["c"], partition=1)], {}, None)
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    (mine,) = joined(consumer)
    assert mine.partitions == {TopicPartition(topic, 0), TopicPartition(topic, 1)}
    assert mine.membership is not None
    assert mine.membership.generation > 0
    assert mine.membership.member_id
    assert consumer.committed(mine.partitions) == {}
    consumer.begin_at(dict.fromkeys(mine.partitions, 0))
    found = consume(consumer, 3)
    assert {name.partition: values(records) for name, records in found.items()} == {0: ["a", "b"], 1: ["c"]}
    assert consumer.assignments() == []


def test_a_poll_without_time_does_not_wait_and_yet_joins_in_the_end(client: Opened, topic: str) -> None:
    consumer = client.consumer(f"{topic}-g", "m", [topic])

    def assigned() -> bool:
        assert consumer.poll(1, 0) == {}
        return bool(consumer.assignments())

    until(assigned, "an assignment")


def test_a_poll_returns_when_the_assignment_changes_without_a_record(client: Opened, topic: str) -> None:
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    begun_s = time.monotonic()
    assert consumer.poll(1, PATIENCE_S) == {}
    assert time.monotonic() - begun_s < PATIENCE_S
    assert [len(assignment.partitions) for assignment in consumer.assignments()] == [2]


def test_a_poll_keeps_to_its_limit_and_gives_everything_once(client: Opened, topic: str) -> None:
    client.publisher(f"{topic}-p").publish([record for partition in (0, 1) for record in texts(topic, list("abcdefghij"), partition)], {}, None)
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    joined(consumer)
    consumer.begin_at({TopicPartition(topic, 0): 0, TopicPartition(topic, 1): 0})
    found: dict[TopicPartition, list[Record]] = {}

    def enough() -> bool:
        some = consumer.poll(3, 0.1)
        assert sum(map(len, some.values())) <= 3
        assert all(some.values())
        for name, records in some.items():
            found.setdefault(name, []).extend(records)
        return sum(map(len, found.values())) >= 20

    until(enough, "20 records")
    assert {name.partition: "".join(values(records)) for name, records in found.items()} == {0: "abcdefghij", 1: "abcdefghij"}


def test_begin_at_drops_what_was_fetched_ahead_and_leaves_other_partitions_where_they_are(client: Opened, topic: str) -> None:
    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    client.publisher(f"{topic}-p").publish([record for partition in (0, 1) for record in texts(topic, list("abcde"), partition)], {}, None)
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    joined(consumer)
    consumer.begin_at({zero: 0, one: 2})
    assert {name: "".join(values(records)) for name, records in consume(consumer, 8).items()} == {zero: "abcde", one: "cde"}
    consumer.begin_at({zero: 3})
    assert {name: "".join(values(records)) for name, records in consume(consumer, 2).items()} == {zero: "de"}
    consumer.begin_at({zero: 0, one: 0})
    first = consumer.poll(1, PATIENCE_S)
    consumer.begin_at({zero: 1, one: 1})
    assert sum(map(len, first.values())) == 1
    assert {name: "".join(values(records)) for name, records in consume(consumer, 8).items()} == {zero: "bcde", one: "bcde"}


@pytest.mark.parametrize("offset", [0, 1_000])
def test_a_position_outside_the_log_is_said_to_be_so(client: Opened, bootstrap: str, topic: str, offset: int) -> None:
    client.publisher(f"{topic}-p").publish(texts(topic, list("abc")), {}, None)
    clients.delete_before(bootstrap, topic, 2)
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    joined(consumer)
    consumer.begin_at({TopicPartition(topic, 0): offset, TopicPartition(topic, 1): 0})
    with pytest.raises(OffsetOutOfRange):
        until(lambda: bool(consumer.poll(1, 0.1)), "OffsetOutOfRange")
    consumer.begin_at({TopicPartition(topic, 0): 2})
    assert values(consume(consumer, 1)[TopicPartition(topic, 0)]) == ["c"]


def test_positions_are_committed_with_the_records_and_read_back_with_their_text(client: Opened, topic: str) -> None:
    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    (mine,) = joined(consumer)
    publisher = client.publisher(f"{topic}-p")
    publisher.publish(texts(topic, ["out"]), {zero: Position(7, "turn 1, ü")}, mine.membership)
    assert consumer.committed([zero, one]) == {zero: Position(7, "turn 1, ü")}
    assert values(read(client.reader(topic, {0: 0}), 1)) == ["out"]
    publisher.publish([], {zero: Position(8, ""), one: Position(0, "turn 2")}, mine.membership)
    assert consumer.committed([zero, one]) == {zero: Position(8, ""), one: Position(0, "turn 2")}
    publisher.publish(texts(topic, ["no position"]), {}, mine.membership)
    assert consumer.committed([zero]) == {zero: Position(8, "")}


def test_a_refused_record_leaves_the_positions_alone(client: Opened, topic: str) -> None:
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    (mine,) = joined(consumer)
    with pytest.raises(RecordRefused):
        client.publisher(f"{topic}-p").publish([Outgoing(topic, 0, None, b"x" * 2_000_000, ())], {TopicPartition(topic, 0): Position(1, "")}, mine.membership)
    client.publisher(f"{topic}-p")
    assert consumer.committed([TopicPartition(topic, 0)]) == {}


def test_committed_waits_for_the_end_of_a_pending_transaction_but_not_for_ever(client: Opened, bootstrap: str, topic: str) -> None:
    pending = clients.open_transaction(bootstrap, f"{topic}-pending", topic, [])
    pending.send_offsets_to_transaction({Partition(topic, 0): OffsetAndMetadata(5, "pending", -1)}, ConsumerGroupMetadata(f"{topic}-g"))
    consumer = client.at(bootstrap, HASTY).consumer(f"{topic}-g", "m", [topic])
    with pytest.raises(LogUnavailable):
        consumer.committed([TopicPartition(topic, 0)])
    pending.commit_transaction()
    pending.close()
    assert consumer.committed([TopicPartition(topic, 0)]) == {TopicPartition(topic, 0): Position(5, "pending")}


def test_two_members_share_the_partitions_in_one_generation(client: Opened, topic: str) -> None:
    first = client.consumer(f"{topic}-g", "m1", [topic])
    (alone,) = joined(first)
    assert alone.membership is not None
    second = client.consumer(f"{topic}-g", "m2", [topic])
    one, two = joined(first, second, after=alone.membership.generation)
    assert one.partitions | two.partitions == {TopicPartition(topic, 0), TopicPartition(topic, 1)}
    assert (len(one.partitions), len(two.partitions)) == (1, 1)
    assert one.membership is not None
    assert two.membership is not None
    assert one.membership.member_id == alone.membership.member_id != two.membership.member_id


def test_a_member_too_many_is_told_that_it_has_no_partition(client: Opened, topic: str) -> None:
    members = [client.consumer(f"{topic}-g", f"m{number}", [topic]) for number in range(3)]
    assignments = joined(*members)
    assert sorted(len(assignment.partitions) for assignment in assignments) == [0, 1, 1]
    assert all(assignment.membership is not None for assignment in assignments)
    idle = members[[len(assignment.partitions) for assignment in assignments].index(0)]
    assert idle.poll(1, 0.05) == {}


def test_an_older_generation_cannot_publish(client: Opened, topic: str) -> None:
    zero = TopicPartition(topic, 0)
    first = client.consumer(f"{topic}-g", "m1", [topic])
    (old,) = joined(first)
    assert old.membership is not None
    second = client.consumer(f"{topic}-g", "m2", [topic])
    new = joined(first, second, after=old.membership.generation)[0]
    publisher = client.publisher(f"{topic}-p")
    with pytest.raises(Fenced) as raised:
        publisher.publish(texts(topic, ["old"]), {zero: Position(1, "old")}, old.membership)
    assert not isinstance(raised.value, MemberReplaced)
    publisher.close()
    client.publisher(f"{topic}-p").publish(texts(topic, ["new"]), {zero: Position(1, "new")}, new.membership)
    assert first.committed([zero]) == {zero: Position(1, "new")}
    assert clients.all_visible(client, topic) == ["new"]


def test_a_member_that_is_replaced_hears_of_it_in_its_polls_and_cannot_publish(client: Opened, topic: str) -> None:
    older = client.consumer(f"{topic}-g", "m", [topic])
    (old,) = joined(older)
    publisher = client.publisher(f"{topic}-p")
    (new,) = joined(client.consumer(f"{topic}-g", "m", [topic]))
    assert new.partitions == old.partitions
    with pytest.raises(MemberReplaced):
        publisher.publish(texts(topic, ["old"]), {TopicPartition(topic, 0): Position(1, "old")}, old.membership)
    for _ in range(2):  # it stays so
        with pytest.raises(MemberReplaced):
            until(lambda: bool(older.poll(1, 0.1)), "MemberReplaced")
    client.publisher(f"{topic}-p").publish([], {TopicPartition(topic, 0): Position(2, "new")}, new.membership)
    assert older.committed([TopicPartition(topic, 0)]) == {TopicPartition(topic, 0): Position(2, "new")}
    assert clients.all_visible(client, topic) == []


def test_a_member_that_fell_out_of_its_group_is_told_before_it_is_taken_in_again(client: Opened, bootstrap: str, topic: str) -> None:
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    (before,) = joined(consumer)
    clients.remove_member(bootstrap, f"{topic}-g", "m")
    found: list[Assignment] = []

    def again() -> bool:
        consumer.poll(1, 0.1)
        found.extend(consumer.assignments())
        return bool(found) and found[-1].membership is not None

    until(again, "a new membership")
    lost, after = found
    assert lost == Assignment(None, frozenset())
    assert after.partitions == before.partitions
    assert before.membership is not None
    assert after.membership is not None
    assert after.membership.generation > before.membership.generation
    with pytest.raises(Fenced):
        client.publisher(f"{topic}-p").publish([], {TopicPartition(topic, 0): Position(1, "")}, before.membership)


def test_a_member_that_was_closed_has_its_partitions_back_at_once_under_its_name(client: Opened, bootstrap: str, topic: str) -> None:
    patient = client.at(bootstrap, Timings(heartbeat_ms=200, session_ms=60_000))  # longer than any test waits
    first = patient.consumer(f"{topic}-g", "m1", [topic])
    second = patient.consumer(f"{topic}-g", "m2", [topic])
    before = joined(first, second)
    first.close()
    (after,) = joined(patient.consumer(f"{topic}-g", "m1", [topic]))
    assert after.partitions == before[0].partitions  # the group did not take them away, nor waited for the session to end


def test_closing_again_does_nothing(client: Opened, topic: str) -> None:
    consumer, publisher, reader = client.consumer(f"{topic}-g", "m", [topic]), client.publisher(f"{topic}-p"), client.reader(topic, {0: 0})
    never_polled = client.consumer(f"{topic}-g", "m2", [topic])
    joined(consumer)
    for made in (consumer, publisher, reader, never_polled):
        made.close()
        made.close()
    assert client.publisher(f"{topic}-p") is not publisher


# ---- a broker that is not there, or does not answer


def test_a_cluster_that_is_not_there_is_unavailable(client: Opened, nowhere: str, topic: str) -> None:
    away = client.at(nowhere, HASTY)
    with pytest.raises(LogUnavailable, match=nowhere) as raised:
        away.publisher(f"{topic}-p")
    assert not isinstance(raised.value, InDoubt)
    consumer = away.consumer(f"{topic}-g", "m", [topic])  # does not wait for the cluster
    with pytest.raises(LogUnavailable, match=nowhere):
        consumer.committed([TopicPartition(topic, 0)])


def test_with_the_broker_gone_polls_give_nothing_publishing_fails_and_closing_does_not(client: Opened, own_broker: Broker, topic_name: str) -> None:
    create(own_broker.bootstrap, topic_name)
    there = client.at(own_broker.bootstrap, HASTY)
    consumer, publisher, reader = there.consumer("g", "m", [topic_name]), there.publisher("p"), there.reader(topic_name, {0: 0})
    (mine,) = joined(consumer)
    consumer.begin_at({TopicPartition(topic_name, 0): 0})
    publisher.publish(texts(topic_name, ["one"]), {}, None)
    assert len(read(reader, 1)) == 1
    consume(consumer, 1)
    own_broker.kill()
    assert consumer.poll(1, 0.2) == {}
    assert reader.poll(1, 0.2) == []
    with pytest.raises(LogUnavailable) as raised:
        publisher.publish(texts(topic_name, ["two"]), {TopicPartition(topic_name, 0): Position(1, "")}, mine.membership)
    assert not isinstance(raised.value, InDoubt)
    with pytest.raises(LogUnavailable):
        consumer.committed([TopicPartition(topic_name, 0)])
    for made in (publisher, consumer, reader):
        made.close()


@pytest.mark.parametrize("api", [Api.PRODUCE, Api.ADD_OFFSETS_TO_TXN, Api.TXN_OFFSET_COMMIT])
def test_without_an_answer_before_the_commit_nothing_is_published(client: Opened, proxy: Proxy, topic: str, api: Api, bootstrap: str, broker: Broker) -> None:
    name = TopicPartition(topic, 0)
    if bootstrap != broker.bootstrap:
        create(broker.bootstrap, topic, 2)
    direct = client.at(broker.bootstrap)
    consumer = direct.consumer(f"{topic}-g", "m", [topic])
    (mine,) = joined(consumer)
    publisher = client.at(proxy.address, HASTY).publisher(f"{topic}-p")
    rule = proxy.stall(api)
    with pytest.raises(LogUnavailable) as raised:
        publisher.publish(texts(topic, ["held up"]), {name: Position(1, "held up")}, mine.membership)
    assert not isinstance(raised.value, InDoubt)
    assert rule.fired.is_set()
    publisher.close()
    direct.publisher(f"{topic}-p")
    rule.release()
    assert consumer.committed([name]) == {}
    assert clients.all_visible(direct, topic) == []


@pytest.mark.parametrize("place", ["request", "answer"])
def test_without_an_answer_to_the_commit_it_is_in_doubt(client: Opened, proxy: Proxy, topic: str, place: str, bootstrap: str, broker: Broker) -> None:
    name = TopicPartition(topic, 0)
    if bootstrap != broker.bootstrap:
        create(broker.bootstrap, topic, 2)
    direct = client.at(broker.bootstrap)
    consumer = direct.consumer(f"{topic}-g", "m", [topic])
    (mine,) = joined(consumer)
    publisher = client.at(proxy.address, HASTY).publisher(f"{topic}-p")
    rule = proxy.stall(Api.END_TXN, place="answer" if place == "answer" else "request")
    with pytest.raises(InDoubt):
        publisher.publish(texts(topic, ["held up"]), {name: Position(1, "held up")}, mine.membership)
    assert rule.fired.is_set()
    publisher.close()
    direct.publisher(f"{topic}-p")
    rule.release()
    happened = place == "answer"  # the committed position tells
    assert consumer.committed([name]) == ({name: Position(1, "held up")} if happened else {})
    assert clients.all_visible(direct, topic) == (["held up"] if happened else [])


def test_a_commit_whose_connection_is_cut_is_asked_for_again_or_in_doubt(client: Opened, proxy: Proxy, topic: str, bootstrap: str, broker: Broker) -> None:
    if bootstrap != broker.bootstrap:
        create(broker.bootstrap, topic, 2)
    publisher = client.at(proxy.address, BRISK).publisher(f"{topic}-p")
    rule = proxy.cut(Api.END_TXN, place="answer")
    confirmed = threading.Event()
    try:
        publisher.publish(texts(topic, ["cut"]), {}, None)
        confirmed.set()
    except InDoubt:
        publisher.close()
    rule.wait()
    assert confirmed.is_set() or client.at(broker.bootstrap).publisher(f"{topic}-p") is not None
    assert clients.all_visible(client.at(broker.bootstrap), topic) == ["cut"]


def test_a_publisher_that_gets_no_id_in_time_is_not_made(client: Opened, proxy: Proxy, topic: str) -> None:
    rule = proxy.stall(Api.INIT_PRODUCER_ID)
    with pytest.raises(LogUnavailable):
        client.at(proxy.address, HASTY).publisher(f"{topic}-p")
    assert rule.fired.is_set()
