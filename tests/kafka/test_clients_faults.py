"""What worker/log/kafka/client.py promises where the broker is not there, or does not answer, of every client library."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.kafka import clients
from tests.kafka.clients import BRISK, HASTY, Opened, consume, create, joined, read, texts
from tests.kafka.proxy import Api, Proxy
from worker.demo.broker import Broker
from worker.log.contract import TopicPartition
from worker.log.errors import LogUnavailable
from worker.log.kafka.client import InDoubt, Position


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


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


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("api", [Api.PRODUCE, Api.ADD_OFFSETS_TO_TXN, Api.TXN_OFFSET_COMMIT])
def test_without_an_answer_before_the_commit_nothing_is_published(
    client: Opened, proxy: Proxy, topic: str, api: Api, begun: bool, bootstrap: str, broker: Broker
) -> None:
    name = TopicPartition(topic, 0)
    if bootstrap != broker.bootstrap:
        create(broker.bootstrap, topic, 2)
    direct = client.at(broker.bootstrap)
    consumer = direct.consumer(f"{topic}-g", "m", [topic])
    (mine,) = joined(consumer)
    publisher = client.at(proxy.address, HASTY).publisher(f"{topic}-p")
    rule = proxy.stall(api)
    if begun:
        assert mine.membership is not None
        publisher.begin({name: Position(1, "held up")}, mine.membership)
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
