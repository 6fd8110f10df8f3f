"""What is particular to transactions over librdkafka: every report is counted, no error hides the one that began it, and nothing lives on."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, Producer

from tests.kafka.fixtures import FreshName
from tests.kafka.librdkafka_bench import BRISK, Bench, joined, member, until, values
from tests.kafka.proxy import Api, Proxy
from worker.demo.broker import Broker
from worker.log.contract import TopicPartition
from worker.log.errors import Fenced, LogUnavailable, RecordRefused
from worker.log.kafka.client import InDoubt, Outgoing, Position
from worker.log.kafka.connection import Connection
from worker.log.kafka.librdkafka.client import Librdkafka
from worker.log.kafka.librdkafka.publisher import LibrdkafkaPublisher, _Reports
from worker.log.kafka.librdkafka.settings import publisher_settings


@pytest.fixture
def bench(bootstrap: str, fresh_name: FreshName) -> Iterator[Bench]:
    bench = Bench(bootstrap, fresh_name)
    with bench.closing:
        yield bench


@pytest.fixture
def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def committed(bench: Bench, topic: str) -> list[bytes | None]:
    """All that can be read."""
    reader = bench.reader(topic, {0: 0})
    bench.write(topic, b"end")
    found: list[bytes | None] = []

    def at_end() -> bool:
        found.extend(values(reader.poll(1_000, 0.5)))
        return b"end" in found

    until(at_end)
    return found[:-1]


def test_a_full_queue_is_waited_for(bench: Bench) -> None:
    topic = bench.topic()
    settings = publisher_settings(bench.connection, bench.fresh_name("small")) | {"queue.buffering.max.messages": 7}
    publisher = LibrdkafkaPublisher(bench.connection, settings)
    publisher.publish([Outgoing(topic, 0, None, b"%d" % number, ()) for number in range(100)], {}, None)
    publisher.close()
    assert committed(bench, topic) == [b"%d" % number for number in range(100)]


def test_a_record_without_a_report_is_not_committed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = bench.topic()
    publisher = bench.publisher()
    monkeypatch.setattr(_Reports, "__call__", lambda _self, _error, _message: None)
    with pytest.raises(LogUnavailable, match="0 of 1 records"):
        publisher.publish([Outgoing(topic, 0, None, b"unheard", ())], {}, None)
    monkeypatch.undo()
    publisher.close()
    assert committed(bench, topic) == []


def test_the_report_that_began_it_counts() -> None:
    reports = _Reports()
    for code in (KafkaError._PURGE_QUEUE, KafkaError.MSG_SIZE_TOO_LARGE, KafkaError._PURGE_INFLIGHT, KafkaError._MSG_TIMED_OUT):
        reports(KafkaError(code), None)  # type: ignore[arg-type]
    assert reports.failed == KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    assert reports.delivered == 0


def test_a_record_that_the_broker_refuses_leaves_nothing_of_its_transaction(bench: Bench) -> None:
    topic = bench.topic(1, {"max.message.bytes": "2000"})
    publisher = bench.publisher()
    with pytest.raises(RecordRefused, match="larger than the topic takes"):
        publisher.publish([Outgoing(topic, 0, None, value, ()) for value in (b"before", b"x" * 5_000, b"after")], {}, None)
    publisher.close()
    assert committed(bench, topic) == []


def test_a_generation_that_is_over_leaves_nothing_of_its_transaction(bench: Bench) -> None:
    topic = bench.topic()
    first = bench.consumer(topic, "a")
    old = member(joined(first))
    second = bench.consumer(topic, "b")
    until(lambda: first.poll(1, 0.05) or second.poll(1, 0.05) or first.assignments())
    publisher = bench.publisher()
    with pytest.raises(Fenced):
        publisher.publish([Outgoing(topic, 0, None, b"late", ())], {TopicPartition(topic, 0): Position(0, "")}, old)
    publisher.close()
    assert committed(bench, topic) == []


def test_a_lost_answer_to_the_commit_is_asked_for_again(bench: Bench, proxy: Proxy, broker: Broker) -> None:
    bench.bootstrap = broker.bootstrap
    topic = bench.topic()
    publisher = Librdkafka(Connection(proxy.address, timings=BRISK)).publisher(bench.fresh_name("cut"))
    cut = proxy.cut(Api.END_TXN, place="answer")
    publisher.publish([Outgoing(topic, 0, None, b"once", ())], {}, None)
    publisher.close()
    assert cut.fired.is_set()
    bench.client = Librdkafka(Connection(broker.bootstrap, timings=BRISK))
    assert committed(bench, topic) == [b"once"]


def test_after_closing_no_producer_is_left_however_it_ended(bench: Bench, proxy: Proxy, broker: Broker) -> None:
    bench.bootstrap = broker.bootstrap
    topic = bench.topic()
    gc.collect()
    before = producers()
    publisher = Librdkafka(Connection(proxy.address, timings=BRISK)).publisher(bench.fresh_name("stalled"))
    proxy.stall(Api.PRODUCE)
    with pytest.raises(LogUnavailable) as raised:
        publisher.publish([Outgoing(topic, 0, None, b"stuck", ())] * 100, {}, None)
    assert not isinstance(raised.value, InDoubt)
    assert producers() == before + 1
    publisher.close()
    assert producers() == before, "the error that is still held keeps it"
    with pytest.raises(LogUnavailable, match="closed"):
        publisher.publish([], {}, None)


def producers() -> int:
    return sum(isinstance(one, Producer) for one in gc.get_objects())


def test_a_cluster_that_is_not_there_is_told_in_one_line_and_nothing_is_said_on_stderr(nowhere: str, capfd: pytest.CaptureFixture[str]) -> None:
    client = Librdkafka(Connection(nowhere, timings=BRISK))
    with pytest.raises(LogUnavailable, match="Connection refused") as raised:
        client.publisher("nobody")
    assert "\n" not in raised.value.problems[0].what
    assert raised.value.problems[0].where == f"Kafka at {nowhere}"
    consumer = client.consumer("nobodys", "m", ["nothing"])
    assert consumer.poll(1, 0.2) == {}
    with pytest.raises(LogUnavailable, match="Connection refused"):
        consumer.committed([TopicPartition("nothing", 0)])
    consumer.close()
    with pytest.raises(LogUnavailable, match="Connection refused"):
        client.reader("nothing", {0: 0})
    assert capfd.readouterr() == ("", "")
