"""Clients over librdkafka for the tests of one, topics for them, and waiting until something comes about."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import TypeVar

from kafka.admin import KafkaAdminClient, NewTopic

from tests.kafka.fixtures import FreshName
from worker.log.contract import Record
from worker.log.kafka.client import Assignment, GroupConsumer, Membership, Outgoing, Publisher, Reader
from worker.log.kafka.connection import Connection, Timings
from worker.log.kafka.librdkafka.client import Librdkafka

T = TypeVar("T")

PATIENCE_S = 30.0  # only reached when something is broken
BRISK = Timings(request_ms=1_000, delivery_ms=1_500, transaction_ms=2_000, watchdog_ms=2_500, heartbeat_ms=200, session_ms=6_000)


class Bench:
    """Clients of one test, which are closed at its end, and topics for them."""

    def __init__(self, bootstrap: str, fresh_name: FreshName) -> None:
        self.bootstrap, self.fresh_name = bootstrap, fresh_name
        self.connection = Connection(bootstrap, timings=BRISK)
        self.client = Librdkafka(self.connection)
        self.closing = ExitStack()

    def topic(self, partitions: int = 1, configs: dict[str, str] | None = None) -> str:
        name = self.fresh_name(f"topic{time.monotonic_ns()}")
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap)) as admin:
            admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)], wait_for_metadata=True)
        return name

    def publisher(self, name: str = "tx") -> Publisher:
        return self.closing.enter_context(closing(self.client.publisher(self.fresh_name(name))))

    def consumer(self, topic: str, member: str = "m") -> GroupConsumer:
        return self.closing.enter_context(closing(self.client.consumer(self.fresh_name("group"), member, [topic])))

    def reader(self, topic: str, starts: dict[int, int]) -> Reader:
        return self.closing.enter_context(closing(self.client.reader(topic, starts)))

    def write(self, topic: str, *values: bytes, partition: int = 0) -> None:
        with closing(self.client.publisher(self.fresh_name("writer"))) as publisher:
            publisher.publish([Outgoing(topic, partition, None, value, ()) for value in values], {}, None)


def until(look: Callable[[], T]) -> T:
    """The first true answer."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := look():
            return found
    raise AssertionError("this did not come about")


def joined(consumer: GroupConsumer) -> Assignment:
    """The next assignment; what is read meanwhile is dropped."""

    def outcomes() -> list[Assignment]:
        consumer.poll(100, 0.1)
        return consumer.assignments()

    return until(outcomes)[-1]


def member(assignment: Assignment) -> Membership:
    assert assignment.membership is not None
    return assignment.membership


def read(consumer: GroupConsumer, count: int) -> list[Record]:
    """`count` records, of one partition."""
    found: list[Record] = []

    def enough() -> bool:
        found.extend(record for records in consumer.poll(count, 0.5).values() for record in records)
        return len(found) >= count

    until(enough)
    return found


def values(records: list[Record]) -> list[bytes | None]:
    return [record.value for record in records]
