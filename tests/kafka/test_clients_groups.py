"""What worker/log/kafka/client.py promises of groups, of every client library, on a real broker."""

from __future__ import annotations

import time

import pytest
from kafka import ConsumerGroupMetadata, OffsetAndMetadata
from kafka import TopicPartition as Partition

from tests.kafka import clients
from tests.kafka.clients import HASTY, PATIENCE_S, Opened, consume, joined, read, texts, until, values
from worker.log.contract import Record, TopicPartition
from worker.log.errors import Fenced, LogUnavailable, MemberReplaced, OffsetOutOfRange, RecordRefused
from worker.log.kafka.client import Assignment, Outgoing, Position
from worker.log.kafka.connection import Timings


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


def test_positions_that_were_begun_with_are_committed_with_the_records_that_come_later(client: Opened, topic: str) -> None:
    zero = TopicPartition(topic, 0)
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    (mine,) = joined(consumer)
    assert mine.membership is not None
    publisher = client.publisher(f"{topic}-p")
    for offset in (7, 8):
        publisher.begin({zero: Position(offset, "early")}, mine.membership)
        publisher.publish(texts(topic, [f"late {offset}"]), {zero: Position(offset, "early")}, mine.membership)
    publisher.publish(texts(topic, ["as ever"]), {zero: Position(9, "")}, mine.membership)
    assert consumer.committed([zero]) == {zero: Position(9, "")}
    assert values(read(client.reader(topic, {0: 0}), 3)) == ["late 7", "late 8", "as ever"]


def test_what_was_begun_and_never_published_is_ended_by_the_next_publisher(client: Opened, topic: str) -> None:
    zero = TopicPartition(topic, 0)
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    (mine,) = joined(consumer)
    assert mine.membership is not None
    publisher = client.publisher(f"{topic}-p")
    publisher.begin({zero: Position(7, "never")}, mine.membership)
    publisher.close()
    client.publisher(f"{topic}-p").publish(texts(topic, ["mine"]), {zero: Position(8, "mine")}, mine.membership)
    assert consumer.committed([zero]) == {zero: Position(8, "mine")}
    assert clients.all_visible(client, topic) == ["mine"]


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


@pytest.mark.parametrize("begun", [False, True])
def test_an_older_generation_cannot_publish(client: Opened, topic: str, begun: bool) -> None:
    zero = TopicPartition(topic, 0)
    first = client.consumer(f"{topic}-g", "m1", [topic])
    (old,) = joined(first)
    assert old.membership is not None
    second = client.consumer(f"{topic}-g", "m2", [topic])
    new = joined(first, second, after=old.membership.generation)[0]
    publisher = client.publisher(f"{topic}-p")
    if begun:
        publisher.begin({zero: Position(1, "old")}, old.membership)
    with pytest.raises(Fenced) as raised:
        publisher.publish(texts(topic, ["old"]), {zero: Position(1, "old")}, old.membership)
    assert not isinstance(raised.value, MemberReplaced)
    publisher.close()
    client.publisher(f"{topic}-p").publish(texts(topic, ["new"]), {zero: Position(1, "new")}, new.membership)
    assert first.committed([zero]) == {zero: Position(1, "new")}
    assert clients.all_visible(client, topic) == ["new"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_member_that_is_replaced_hears_of_it_in_its_polls_and_cannot_publish(client: Opened, topic: str, begun: bool) -> None:
    older = client.consumer(f"{topic}-g", "m", [topic])
    (old,) = joined(older)
    publisher = client.publisher(f"{topic}-p")
    (new,) = joined(client.consumer(f"{topic}-g", "m", [topic]))
    assert new.partitions == old.partitions
    if begun:
        assert old.membership is not None
        publisher.begin({TopicPartition(topic, 0): Position(1, "old")}, old.membership)
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
    again = patient.consumer(f"{topic}-g", "m1", [topic])
    found: list[Assignment] = []

    def has_joined() -> bool:
        for member in (again, second):  # librdkafka has the other one join again, too
            member.poll(1, 0.05)
        found.extend(again.assignments())
        return bool(found)

    until(has_joined, "the member is back")
    after = found[-1]
    assert after.partitions == before[0].partitions  # the group did not take them away, nor waited for the session to end


def test_closing_again_does_nothing(client: Opened, topic: str) -> None:
    consumer, publisher, reader = client.consumer(f"{topic}-g", "m", [topic]), client.publisher(f"{topic}-p"), client.reader(topic, {0: 0})
    never_polled = client.consumer(f"{topic}-g", "m2", [topic])
    joined(consumer)
    for made in (consumer, publisher, reader, never_polled):
        made.close()
        made.close()
    assert client.publisher(f"{topic}-p") is not publisher
