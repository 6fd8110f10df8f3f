"""What is kafka-python's own: the traps that its source lays, and what it leaves behind. What every client promises is in test_clients.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import kafka.errors
import pytest
from kafka import KafkaAdminClient

from tests.kafka.clients import HASTY, Opened, all_visible, create, joined, read, texts, until, values
from tests.kafka.fixtures import StartBroker
from tests.kafka.proxy import Api, Proxy
from worker.demo.broker import Broker, BrokerOptions
from worker.log.contract import Record, TopicPartition
from worker.log.errors import Fenced, LogCorrupt, LogError, LogUnavailable, MemberReplaced, OffsetOutOfRange, RecordRefused, UnknownTopic
from worker.log.kafka.client import InDoubt, Membership, Outgoing, Position
from worker.log.kafka.connection import Connection
from worker.log.kafka.failures import ClusterTooOld, LoginRefused, NotAllowed
from worker.log.kafka.kafka_python import batches
from worker.log.kafka.kafka_python.client import KafkaPython, KafkaPythonConsumer
from worker.log.kafka.kafka_python.connection import translated
from worker.log.kafka.kafka_python.publisher import KafkaPythonPublisher

NOWHERE = "127.0.0.1:1"  # a port that only the system may open, and does not


@pytest.fixture
def client(bootstrap: str) -> Iterator[Opened]:
    opened = Opened(KafkaPython, bootstrap)
    yield opened
    opened.close()


@pytest.fixture
def topic(bootstrap: str, topic_name: str) -> str:
    create(bootstrap, topic_name)
    return topic_name


# ---- the steps of publish(), each against what the library does without them


def test_a_record_that_was_lost_keeps_the_others_from_being_published(client: Opened, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library itself would commit the rest: only the batch's future knows."""
    publisher = client.publisher(f"{topic}-p")
    lose_one(monkeypatch, kafka.errors.KafkaTimeoutError("expired"))
    with pytest.raises(LogUnavailable) as raised:
        publisher.publish(texts(topic, ["a", "lost", "c"]), {}, None)
    assert not isinstance(raised.value, InDoubt)
    publisher.close()
    client.publisher(f"{topic}-p")
    assert all_visible(client, topic) == []


def lose_one(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The record "lost" is not sent; its batch has failed."""
    enqueue = batches.enqueue

    def losing(producer: Any, records: Sequence[Outgoing]) -> list[batches.Batch]:
        sent = enqueue(producer, kept := [record for record in records if record.value != b"lost"])
        if len(kept) == len(records):
            return sent
        lost = batches.Batch(kafka.TopicPartition(*records[0][:2]), [b"lost"], 0)
        lost.complete_exceptionally(error, lambda _: error)
        return [*sent, lost]

    monkeypatch.setattr("worker.log.kafka.kafka_python.publisher.enqueue", losing)


def test_of_several_failures_the_one_that_says_most_is_raised(client: Opened, topic: str) -> None:
    """A refused record takes its whole batch with it, and the others of the batch can only say that."""
    publisher = client.publisher(f"{topic}-p")
    assert isinstance(publisher, KafkaPythonPublisher)
    with pytest.raises(RecordRefused):
        publisher._raise_any([kafka.errors.KafkaError("another's fault"), None, kafka.errors.InvalidRecordError(), kafka.errors.KafkaError()])
    with pytest.raises(LogUnavailable, match="no outcome"):
        publisher._raise_any([None])
    publisher._raise_any([])


def test_a_batch_that_its_topic_does_not_take_goes_through_in_parts(client: Opened, bootstrap: str, topic_name: str) -> None:
    create(bootstrap, topic_name, 1, {"max.message.bytes": "2000"})
    records = [Outgoing(topic_name, 0, None, b"%d" % number * 500, ()) for number in range(9)]
    client.publisher(f"{topic_name}-p").publish(records, {}, None)
    assert [record.value for record in read(client.reader(topic_name, {0: 0}), 9)] == [record.value for record in records]


def test_a_record_too_large_for_its_topic_is_refused_in_the_middle_of_a_batch(client: Opened, bootstrap: str, topic_name: str) -> None:
    create(bootstrap, topic_name, 1, {"max.message.bytes": "2000"})
    publisher = client.publisher(f"{topic_name}-p")
    with pytest.raises(RecordRefused):
        publisher.publish([Outgoing(topic_name, 0, None, b"x" * length, ()) for length in (10, 500, 3_000, 10)], {}, None)
    publisher.close()
    client.publisher(f"{topic_name}-p")
    assert all_visible(client, topic_name) == []


def test_a_generation_below_zero_is_refused_for_the_broker_would_take_it(client: Opened, topic: str) -> None:
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    publisher = client.publisher(f"{topic}-p")
    fallen_out = Membership(-1, "", kafka.ConsumerGroupMetadata(f"{topic}-g"))
    with pytest.raises(Fenced):
        publisher.publish(texts(topic, ["not mine"]), {TopicPartition(topic, 0): Position(1, "")}, fallen_out)
    assert consumer.committed([TopicPartition(topic, 0)]) == {}
    assert all_visible(client, topic) == []


def test_the_pinned_membership_does_not_follow_the_live_one(client: Opened, topic: str) -> None:
    first = client.consumer(f"{topic}-g", "m1", [topic])
    (before,) = joined(first)
    assert before.membership is not None
    (after, _) = joined(first, client.consumer(f"{topic}-g", "m2", [topic]), after=before.membership.generation)
    assert after.membership is not None
    assert before.membership.token.generation_id == before.membership.generation < after.membership.generation == after.membership.token.generation_id


@pytest.mark.parametrize("method", ["init_transactions", "send_offsets_to_transaction", "commit_transaction"])
def test_calls_without_a_time_limit_have_one_here(client: Opened, topic: str, bootstrap: str, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    (mine,) = joined(client.consumer(f"{topic}-g", "m", [topic]))
    hasty = client.at(bootstrap, HASTY)
    released = threading.Event()

    def publish() -> None:
        hasty.publisher(f"{topic}-p").publish([], {TopicPartition(topic, 0): Position(1, "")}, mine.membership)

    monkeypatch.setattr(kafka.KafkaProducer, method, lambda *_: released.wait())
    with pytest.raises(LogUnavailable) as raised:
        publish()
    assert isinstance(raised.value, InDoubt) == (method == "commit_transaction")
    hasty.close()  # does not wait for the call
    assert not released.is_set()
    released.set()


def test_a_cut_connection_at_the_commit_is_mended_by_the_library(client: Opened, proxy: Proxy, broker: Broker, topic_name: str) -> None:
    create(broker.bootstrap, topic_name)
    publisher = client.at(proxy.address).publisher(f"{topic_name}-p")
    rule = proxy.cut(Api.END_TXN, place="answer")
    publisher.publish(texts(topic_name, ["a"]), {}, None)
    assert rule.fired.is_set()
    assert proxy.seen(Api.END_TXN) >= 2
    assert values(read(client.at(broker.bootstrap).reader(topic_name, {0: 0}), 1)) == ["a"]


# ---- what it does not tell


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (kafka.errors.MessageSizeTooLargeError(), RecordRefused),
        (kafka.errors.UnknownTopicOrPartitionError(), UnknownTopic),
        (kafka.errors.CommitFailedError("metadata mismatch: IllegalGenerationError"), Fenced),
        (kafka.errors.CommitFailedError("metadata mismatch: UnknownMemberIdError"), Fenced),
        (kafka.errors.FencedInstanceIdError(), MemberReplaced),
        (kafka.errors.ProducerFencedError(), LogUnavailable),
        (kafka.errors.InvalidProducerEpochError(), LogUnavailable),
        (kafka.errors.KafkaError("Cannot perform send", kafka.errors.TopicAuthorizationFailedError()), NotAllowed),
        (kafka.errors.KafkaError(kafka.errors.InvalidTxnStateError()), LogUnavailable),
        (kafka.errors.KafkaError(f"Unexpected error in TxnOffsetCommitResponse: {kafka.errors.TopicAuthorizationFailedError()}"), NotAllowed),
        (kafka.errors.KafkaTimeoutError("too late"), LogUnavailable),
        (kafka.errors.LogTruncationError({}), OffsetOutOfRange),
        (kafka.errors.IncompatibleBrokerVersion(), ClusterTooOld),
        (kafka.errors.CorruptRecordError(), LogCorrupt),
        (LoginRefused("the token server says no"), LoginRefused),
    ],
)
def test_its_errors_are_told_apart(error: Exception, kind: type[LogError]) -> None:
    assert type(translated(error, "here")) is kind


@pytest.mark.parametrize("error", [kafka.errors.CorruptRecordError("crc"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "header"), IndexError("varint")])
def test_after_an_unreadable_record_it_is_not_polled_again(client: Opened, topic: str, error: Exception) -> None:
    """It would go on with a dead iterator, and not return."""
    consumer, reader = client.consumer(f"{topic}-g", "m", [topic]), client.reader(topic, {0: 0})
    joined(consumer)
    both: tuple[Any, Any] = (consumer, reader)
    for made in both:
        polls: list[int] = []

        def poll(*_: Any, polls: list[int] = polls) -> None:
            polls.append(1)
            raise error

        made._source.consumer.poll = poll
        for _ in range(2):
            with pytest.raises(LogCorrupt):
                made.poll(1, 0)
        assert len(polls) == 1


@pytest.fixture
def ahead(client: Opened, topic: str, monkeypatch: pytest.MonkeyPatch) -> KafkaPythonConsumer:
    """A member that holds the record "first", fetched for a poll that did not wait for it; "second" has come since."""
    monkeypatch.setattr("worker.log.kafka.kafka_python.client.NEWER_MS", 10_000)  # a slow machine may take longer than 5 ms
    consumer = client.consumer(f"{topic}-g", "m", [topic])
    assert isinstance(consumer, KafkaPythonConsumer)
    joined(consumer)
    consumer.begin_at({TopicPartition(topic, 0): 0})
    assert consumer.poll(10, 0.0) == {}
    publisher = client.publisher(f"{topic}-p")
    publisher.publish(texts(topic, ["first"]), {}, None)
    source, waiting = consumer._connected(), threading.Event()
    until(lambda: source.fetched_ahead() or waiting.wait(0.01), "the answer to the fetch")
    publisher.publish(texts(topic, ["second"]), {}, None)
    return consumer


def test_what_was_fetched_before_it_was_asked_for_comes_with_what_has_come_since(ahead: KafkaPythonConsumer) -> None:
    """The library asks for more with the poll that returns it, so that every poll would be one late."""
    (records,) = ahead.poll(10, 5.0).values()
    assert values(records) == ["first", "second"]
    assert not ahead._connected().fetched_ahead()


def test_no_more_is_returned_than_was_asked_for(ahead: KafkaPythonConsumer) -> None:
    assert [values(*ahead.poll(1, 5.0).values()) for _ in range(2)] == [["first"], ["second"]]


def test_an_error_in_place_of_what_has_come_since_is_raised_by_the_next_poll(ahead: KafkaPythonConsumer, monkeypatch: pytest.MonkeyPatch) -> None:
    source, polls = ahead._connected(), iter(range(10))
    poll = source.poll

    def failing(limit: int, timeout_ms: float) -> dict[TopicPartition, list[Record]]:
        if next(polls) == 1:
            raise NotAllowed("not any more", "here")
        return poll(limit, timeout_ms)

    monkeypatch.setattr(source, "poll", failing)
    assert [values(records) for records in ahead.poll(10, 5.0).values()] == [["first"]]
    with pytest.raises(NotAllowed):
        ahead.poll(10, 5.0)
    assert [values(records) for records in ahead.poll(10, 5.0).values()] == [["second"]]


def test_topics_are_not_made_by_asking_for_them(start_broker: StartBroker) -> None:
    """The library's setting for that is not handed on to where metadata is asked for."""
    broker = start_broker(BrokerOptions(properties={"auto.create.topics.enable": "true"}))
    opened = Opened(KafkaPython, broker.bootstrap)
    with pytest.raises(UnknownTopic):
        opened.publisher("p").publish(texts("asked-for", ["a"]), {}, None)
    with pytest.raises(UnknownTopic):
        opened.consumer("g", "m", ["asked-for"]).poll(1, 1)
    with pytest.raises(UnknownTopic):
        opened.reader("asked-for", {0: 0})
    opened.close()
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    assert "asked-for" not in admin.list_topics()
    admin.close()
    broker.kill()


def test_a_partition_that_is_not_there_is_not_waited_for(client: Opened, topic: str) -> None:
    with pytest.raises(UnknownTopic, match="no partition 3"):
        client.reader(topic, {0: 0, 3: 0})
    with pytest.raises(RecordRefused):
        client.publisher(f"{topic}-p").publish(texts(topic, ["a"], partition=3), {}, None)


def test_positions_are_asked_for_anew_though_an_older_answer_is_at_hand(client: Opened, proxy: Proxy, broker: Broker, topic_name: str) -> None:
    """The library keeps a request that it has stopped waiting for, and hands its answer to whoever asks for the same next."""
    name = TopicPartition(topic_name, 0)
    create(broker.bootstrap, topic_name)
    consumer = client.at(proxy.address).consumer(f"{topic_name}-g", "m", [topic_name])
    rule = proxy.stall(Api.OFFSET_FETCH, place="answer")
    (mine,) = joined(consumer)
    until(lambda: rule.fired.is_set() or bool(consumer.poll(1, 0)), "the request of the first poll")
    consumer.begin_at({name: 0})
    client.at(broker.bootstrap).publisher(f"{topic_name}-p").publish([], {name: Position(5, "new")}, mine.membership)
    rule.release()
    assert consumer.committed([name]) == {name: Position(5, "new")}


# ---- a cluster out of reach


def test_a_cluster_out_of_reach_is_said_in_one_line_that_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    client = KafkaPython(Connection(NOWHERE, timings=HASTY))
    before = set(threading.enumerate())
    for attempt in (
        lambda: client.publisher("p"),
        lambda: client.reader("t", {0: 0}),
        lambda: client.consumer("g", "m", ["t"]).poll(1, 0),
        lambda: client.consumer("g", "m", ["t"]).committed([TopicPartition("t", 0)]),
    ):
        with pytest.raises(LogUnavailable) as raised:
            attempt()
        what, where, _ = raised.value.problems[0]
        assert "cannot be reached within 1 s" in what
        assert "ECONNREFUSED" in what
        assert "\n" not in what
        assert NOWHERE in where
    assert set(threading.enumerate()) <= before
    assert capfd.readouterr().err == ""


def test_nothing_is_left_running_nor_written_to_stderr(bootstrap: str, topic: str, capfd: pytest.CaptureFixture[str]) -> None:
    opened = Opened(KafkaPython, bootstrap)
    before = set(threading.enumerate())
    consumer, publisher, reader = opened.consumer(f"{topic}-g", "m", [topic]), opened.publisher(f"{topic}-p"), opened.reader(topic, {0: 0})
    joined(consumer)
    publisher.publish(texts(topic, ["a"]), {}, None)
    assert len(read(reader, 1)) == 1
    assert len(set(threading.enumerate()) - before) >= 4
    opened.close()
    begun_after = set(threading.enumerate()) - before

    def ended() -> bool:
        for thread in begun_after:
            thread.join(0.1)
        return not any(thread.is_alive() for thread in begun_after)

    until(ended, "the threads' end")
    assert capfd.readouterr().err == ""


def test_a_publisher_is_dropped_with_what_it_still_has(client: Opened, proxy: Proxy, broker: Broker, topic_name: str) -> None:
    create(broker.bootstrap, topic_name)
    publisher = client.at(proxy.address).publisher(f"{topic_name}-p")
    assert isinstance(publisher, KafkaPythonPublisher)
    rule = proxy.stall(Api.PRODUCE)
    producer = publisher._producer
    producer.begin_transaction()
    future = producer.send(topic_name, b"held up", partition=0)
    rule.wait()
    publisher.close()  # its own close() would raise here, and the garbage collection again
    until(lambda: bool(producer._closed), "the producer's end")
    assert isinstance(future.exception, kafka.errors.IllegalStateError)  # given up, not waited for until it has timed out


def test_a_broker_that_comes_back_is_found_again(client: Opened, own_broker: Broker, topic_name: str) -> None:
    create(own_broker.bootstrap, topic_name)
    there = client.at(own_broker.bootstrap)
    consumer, reader = there.consumer("g", "m", [topic_name]), there.reader(topic_name, {0: 0})
    joined(consumer)
    consumer.begin_at({TopicPartition(topic_name, 0): 0})
    own_broker.kill()
    assert consumer.poll(1, 0.2) == {}
    own_broker.start()
    there.publisher("p").publish(texts(topic_name, ["back"]), {}, None)
    assert values(read(reader, 1)) == ["back"]
    until(lambda: "back" in [text for records in consumer.poll(1, 0.1).values() for text in values(records)], "the record")
