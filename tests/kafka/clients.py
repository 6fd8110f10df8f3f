"""The client libraries that the tests run over, and what those tests need besides. A new client is one more name in CLIENTS."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import TopicPartition as Partition
from kafka.admin import MemberToRemove

from worker.log.contract import Record, TopicPartition
from worker.log.kafka.client import Assignment, Client, GroupConsumer, Outgoing, Publisher, Reader
from worker.log.kafka.connection import Connection, Timings
from worker.log.kafka.kafka_python.client import KafkaPython
from worker.log.kafka.librdkafka.client import Librdkafka

CLIENTS: dict[str, Callable[[Connection], Client]] = {"kafka-python": KafkaPython, "librdkafka": Librdkafka}

PATIENCE_S = 30.0  # only reached when something is broken
BRISK = Timings(heartbeat_ms=200)  # heartbeats tell of rebalances
HASTY = Timings(request_ms=1_000, delivery_ms=1_100, transaction_ms=1_500, watchdog_ms=2_000, heartbeat_ms=200)  # for what is to time out


class Closable(Protocol):
    def close(self) -> None: ...


class Opened:
    """A client, and everything that it has made, to be closed at the end of a test."""

    def __init__(self, kind: Callable[[Connection], Client], bootstrap: str, timings: Timings = BRISK) -> None:
        self.kind, self.bootstrap = kind, bootstrap
        self.client = kind(Connection(bootstrap, timings=timings))
        self._made: list[Closable] = []

    def at(self, bootstrap: str, timings: Timings = BRISK) -> Opened:
        """The same library, connected elsewhere or otherwise."""
        other = Opened(self.kind, bootstrap, timings)
        self._made.append(other)
        return other

    def consumer(self, group: str, member: str, topics: Sequence[str]) -> GroupConsumer:
        made = self.client.consumer(group, member, topics)
        self._made.append(made)
        return made

    def publisher(self, transactional_id: str) -> Publisher:
        made = self.client.publisher(transactional_id)
        self._made.append(made)
        return made

    def reader(self, topic: str, starts: Mapping[int, int]) -> Reader:
        made = self.client.reader(topic, starts)
        self._made.append(made)
        return made

    def close(self) -> None:
        for made in reversed(self._made):
            made.close()


def until(condition: Callable[[], bool], what: str) -> None:
    """Call it until it holds; whoever calls this lets the condition itself wait a little."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited for {PATIENCE_S:g} s: {what}"


def create(bootstrap: str, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    described = {topic: {"num_partitions": partitions, "replication_factor": 1, "configs": dict(configs or {})}}
    admin.create_topics(described, wait_for_metadata=True)  # the controller answers before the broker knows of it
    admin.close()


def delete_before(bootstrap: str, topic: str, offset: int) -> None:
    """Of partition 0, as retention does."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.delete_records({Partition(topic, 0): offset})
    admin.close()


def remove_member(bootstrap: str, group: str, member: str) -> None:
    """Strike a member off, as the group does when its session has timed out."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.remove_group_members(group, [MemberToRemove(group_instance_id=member)])
    admin.close()


def end_offset(bootstrap: str, topic: str, partition: int = 0) -> int:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        return int(consumer.end_offsets([Partition(topic, partition)])[Partition(topic, partition)])
    finally:
        consumer.close()


def open_transaction(bootstrap: str, transactional_id: str, topic: str, values: Sequence[bytes]) -> KafkaProducer:
    """A producer with a transaction that has written to partition 0 and is not over."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id, linger_ms=0)
    producer.init_transactions()
    producer.begin_transaction()
    for value in values:
        producer.send(topic, value, partition=0).get(PATIENCE_S)
    return producer


def texts(topic: str, values: Sequence[str], partition: int = 0) -> list[Outgoing]:
    return [Outgoing(topic, partition, None, value.encode(), ()) for value in values]


def values(records: Sequence[Record]) -> list[str]:
    return [(record.value or b"").decode() for record in records]


def read(reader: Reader, count: int) -> list[Record]:
    """So many records; more that come with them are an error."""
    found: list[Record] = []

    def enough() -> bool:
        found.extend(reader.poll(1_000, 0.1))
        return len(found) >= count

    until(enough, f"{count} records")
    assert len(found) == count
    return found


def consume(consumer: GroupConsumer, count: int, limit: int = 1_000) -> dict[TopicPartition, list[Record]]:
    """At least so many records, by partition."""
    found: dict[TopicPartition, list[Record]] = {}

    def enough() -> bool:
        for name, records in consumer.poll(limit, 0.1).items():
            found.setdefault(name, []).extend(records)
        return sum(map(len, found.values())) >= count

    until(enough, f"{count} records")
    return found


def joined(*consumers: GroupConsumer, after: int = -1) -> list[Assignment]:
    """Poll until all are in one generation, later than `after`; returns what that has given to each."""
    latest: dict[int, Assignment] = {}

    def together() -> bool:
        for number, consumer in enumerate(consumers):
            consumer.poll(1, 0.05)
            for assignment in consumer.assignments():
                latest[number] = assignment
        generations = {assignment.membership.generation if assignment.membership else -1 for assignment in latest.values()}
        return len(latest) == len(consumers) and len(generations) == 1 and min(generations) > after

    until(together, "all members in one generation")
    return [latest[number] for number in range(len(consumers))]


def all_visible(client: Opened, topic: str) -> list[str]:
    """The values in partition 0 that a reader sees; publishes a last one to know when it has seen all."""
    publisher = client.publisher(f"{topic}-last")
    publisher.publish(texts(topic, ["last"]), {}, None)
    reader = client.reader(topic, {0: 0})
    found: list[Record] = []

    def complete() -> bool:
        found.extend(reader.poll(1_000, 0.1))
        return bool(found) and found[-1].value == b"last"

    until(complete, "the last record")
    return values(found[:-1])
