"""The proxy before a real broker: what it cuts, holds and lets through, as a client and the broker see it."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError
from kafka.protocol.api_key import ApiKey

from tests.kafka.fixtures import FreshName
from tests.kafka.proxy import Api, Place, Proxy
from worker.demo.broker import Broker

PATIENCE_S = 30.0
MakeProducer = Callable[..., Any]


@pytest.fixture
def bootstrap(broker: Broker) -> str:
    """Past the proxy to the broker behind it, whatever KAFKA_BOOTSTRAP says."""
    return broker.bootstrap


@pytest.fixture
def topic(bootstrap: str, topic_name: str) -> str:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic_name, 1, 1)])
    admin.close()
    return topic_name


@pytest.fixture
def producer(proxy: Proxy) -> Iterator[MakeProducer]:
    """Makes producers that come through the proxy. They try once only, so that one request is one record."""
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        once = {"retries": 0, "enable_idempotence": False, "linger_ms": 0, "max_in_flight_requests_per_connection": 1}
        if "transactional_id" in settings:
            once = {"linger_ms": 0}
        common = {"bootstrap_servers": proxy.address, "allow_auto_create_topics": False, "reconnect_backoff_ms": 10, "retry_backoff_ms": 10}
        made.append(KafkaProducer(**{**common, **once, **settings}))
        return made[-1]

    yield make
    proxy.reset()
    for one in made:
        one.close(timeout=0)


def values(bootstrap: str, topic: str, isolation: str = "read_uncommitted") -> list[bytes]:
    """All that the broker has, read past the proxy."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level=isolation, allow_auto_create_topics=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    end = consumer.end_offsets([partition])[partition]
    read: list[bytes] = []
    deadline_s = time.monotonic() + PATIENCE_S
    while consumer.position(partition) < end:
        assert time.monotonic() < deadline_s
        read += [record.value for records in consumer.poll(timeout_ms=200).values() for record in records]
    consumer.close()
    return read


def send(producer: Any, topic: str, value: bytes) -> None:
    producer.send(topic, value, partition=0).get(PATIENCE_S)


def test_the_keys_are_those_of_the_protocol() -> None:
    for api in Api:
        assert ApiKey["".join(part.capitalize() for part in api.name.split("_"))] == api


def test_without_rules_all_goes_through_and_clients_stay_behind_the_proxy(proxy: Proxy, bootstrap: str, topic: str, producer: MakeProducer) -> None:
    mine = producer(client_id="mine")
    for value in (b"1", b"2"):
        send(mine, topic, value)
    assert values(bootstrap, topic) == [b"1", b"2"]
    assert proxy.seen(Api.PRODUCE, client="mine") == 2
    assert proxy.seen(Api.PRODUCE, client="another") == 0


def test_the_nth_request_is_cut_before_the_broker_gets_it(proxy: Proxy, bootstrap: str, topic: str, producer: MakeProducer) -> None:
    rule, mine = proxy.cut(Api.PRODUCE, nth=2), producer()
    send(mine, topic, b"1")
    with pytest.raises(KafkaError):
        send(mine, topic, b"2")
    rule.wait()
    send(mine, topic, b"3")
    assert values(bootstrap, topic) == [b"1", b"3"]
    assert proxy.seen(Api.PRODUCE) == 3


def test_the_broker_gets_a_request_whose_answer_is_cut(proxy: Proxy, bootstrap: str, topic: str, producer: MakeProducer) -> None:
    rule, mine = proxy.cut(Api.PRODUCE, place="answer"), producer()
    with pytest.raises(KafkaError):
        send(mine, topic, b"1")
    rule.wait()
    assert values(bootstrap, topic) == [b"1"]


def test_a_commit_whose_answer_is_cut_stands(proxy: Proxy, bootstrap: str, topic: str, producer: MakeProducer, fresh_name: FreshName) -> None:
    rule, mine = proxy.cut(Api.END_TXN, place="answer"), producer(transactional_id=fresh_name("id"))
    mine.init_transactions()
    mine.begin_transaction()
    mine.send(topic, b"1", partition=0)
    mine.commit_transaction()  # the client asks again by itself, more than once where the broker is still at it
    rule.wait()
    assert proxy.seen(Api.END_TXN) >= 2
    assert values(bootstrap, topic, "read_committed") == [b"1"]


def test_a_stalled_request_reaches_the_broker_once_it_is_released(proxy: Proxy, bootstrap: str, topic: str, producer: MakeProducer) -> None:
    rule, mine = proxy.stall(Api.PRODUCE), producer()
    answer = mine.send(topic, b"1", partition=0)
    rule.wait()
    assert values(bootstrap, topic) == []
    assert not answer.is_done
    rule.release()
    answer.get(PATIENCE_S)
    assert values(bootstrap, topic) == [b"1"]


def test_a_stalled_answer_is_of_a_request_that_the_broker_has(proxy: Proxy, bootstrap: str, topic: str, producer: MakeProducer) -> None:
    rule, mine = proxy.stall(Api.PRODUCE, place="answer"), producer()
    answer = mine.send(topic, b"1", partition=0)
    rule.wait()
    assert values(bootstrap, topic) == [b"1"]
    assert not answer.is_done
    rule.release()
    assert answer.get(PATIENCE_S).offset == 0


def test_a_stall_that_is_reset_loses_what_it_held(proxy: Proxy, bootstrap: str, topic: str, producer: MakeProducer) -> None:
    rule, mine = proxy.stall(Api.PRODUCE), producer()
    answer = mine.send(topic, b"1", partition=0)
    rule.wait()
    proxy.reset()
    with pytest.raises(KafkaError):
        answer.get(PATIENCE_S)
    send(mine, topic, b"2")
    assert values(bootstrap, topic) == [b"2"]


def test_a_rule_for_one_client_leaves_the_others_alone(proxy: Proxy, bootstrap: str, topic: str, producer: MakeProducer) -> None:
    proxy.cut(Api.PRODUCE, client="worker-1", times=100)
    with pytest.raises(KafkaError):
        send(producer(client_id="worker-1"), topic, b"1")
    send(producer(client_id="worker-2"), topic, b"2")
    assert values(bootstrap, topic) == [b"2"]


def test_a_rule_ends_after_its_times(proxy: Proxy, topic: str, producer: MakeProducer) -> None:
    proxy.cut(Api.PRODUCE, nth=2, times=2)
    mine, outcomes = producer(), []
    for value in (b"1", b"2", b"3", b"4"):
        try:
            send(mine, topic, value)
            outcomes.append("there")
        except KafkaError:
            outcomes.append("lost")
    assert outcomes == ["there", "lost", "lost", "there"]


def test_refused_clients_are_let_in_again(proxy: Proxy, topic: str, producer: MakeProducer) -> None:
    mine = producer()
    send(mine, topic, b"before")
    proxy.refuse()
    send(mine, topic, b"connections that are open stay")
    proxy.cut_all()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy).close()
    proxy.accept()
    send(producer(), topic, b"after")  # one that cannot take the cut connection for its own
    assert proxy.seen(Api.PRODUCE) == 3


@pytest.mark.parametrize("place", ["request", "answer"])
def test_what_is_delayed_comes_no_sooner(proxy: Proxy, place: Place) -> None:
    rule = proxy.delay(200, Api.API_VERSIONS, place=place)
    with connect(proxy) as connection:
        begun_s = time.monotonic()
        connection.sendall(api_versions("one"))
        assert connection.recv(4)
        assert time.monotonic() - begun_s >= 0.19
    rule.wait()


def test_both_ends_see_a_closed_connection(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        connection.sendall(api_versions("one"))
        assert connection.recv(4)
        proxy.cut_all()
        connection.settimeout(PATIENCE_S)
        rest = b"x"
        while rest:
            rest = connection.recv(1 << 16)
    assert proxy.seen(Api.API_VERSIONS, "one") == 1


def connect(proxy: Proxy) -> socket.socket:
    host, port = proxy.address.split(":")
    return socket.create_connection((host, int(port)), PATIENCE_S)


def api_versions(client: str) -> bytes:
    """An ApiVersions request, version 0."""
    body = struct.pack(">hhih", Api.API_VERSIONS, 0, 1, len(client)) + client.encode()
    return struct.pack(">i", len(body)) + body
