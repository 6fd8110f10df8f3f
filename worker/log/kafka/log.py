"""The contract's Log on Kafka."""

from __future__ import annotations

import importlib.util
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Literal

from worker.log.contract import Message, OnGap, Record, Start, Tail, Topic, TopicPartition, Turns
from worker.log.errors import LogError, LogUnavailable
from worker.log.kafka.client import Client, InDoubt, Outgoing, Publisher, Reader
from worker.log.kafka.cluster import UNLIMITED, Cluster
from worker.log.kafka.connection import Connection
from worker.log.kafka.turns import KafkaTurns
from worker.log.partitioner import placed

ClientName = Literal["auto", "kafka-python", "librdkafka"]

READ_AT_ONCE = 5_000
READ_WAIT_S = 0.1
HELD_UP_S = 15.0  # beyond the time after which a broker aborts an open transaction: brokers look for those every 10 s


def open_client(connection: Connection, name: ClientName = "auto") -> Client:
    """The client of this name; "auto" is librdkafka where confluent-kafka is installed, and kafka-python elsewhere."""
    if name == "librdkafka" or (name == "auto" and importlib.util.find_spec("confluent_kafka")):
        from worker.log.kafka.librdkafka.client import Librdkafka

        return Librdkafka(connection)
    from worker.log.kafka.kafka_python.client import KafkaPython

    return KafkaPython(connection)


class KafkaLog:
    """A cluster's topics.

    `replication` is what topics are created with; -1 leaves it to the brokers (default.replication.factor). Members that are closed leave their groups,
    or, if `stays`, keep their partitions until the session ends (KIP-345).
    """

    def __init__(self, connection: Connection, client: Client, replication: int = UNLIMITED, stays: bool = False) -> None:
        self.connection, self.client = connection, client
        self.cluster = Cluster(connection)
        self._replication, self._stays = replication, stays
        self._publisher: Publisher | None = None
        self._append_lock = threading.Lock()
        self._name, self._keyless = f"clickscore-append-{secrets.token_hex(6)}", count()

    def create(self, topics: Iterable[Topic]) -> None:
        """Topics are created one request for all of them; what is there is checked before."""
        self.cluster.create(topics, self._replication)

    def topics(self, names: Iterable[str] | None = None) -> dict[str, Topic]:
        """All are those but Kafka's own."""
        return self.cluster.topics(names)

    def partition_count(self, topic: str) -> int:
        """Costs nothing after the first call."""
        return self.cluster.topic(topic).partitions

    def start_offsets(self, topic: str) -> dict[int, int]:
        """By partition: what retention has left."""
        return {name.partition: offset for name, offset in self.cluster.start_offsets([topic]).items()}

    def end_offsets(self, topic: str) -> dict[int, int]:
        """By partition: the high watermark, so that what an open transaction has written counts already."""
        return {name.partition: offset for name, offset in self.cluster.end_offsets([topic]).items()}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """By partition; those of a transaction that is not over yet do not count."""
        return {name.partition: offset for name, offset in self.cluster.committed(group, topic).items()}

    def turns(self, group: str, topics: Iterable[str], member: str, *, start: Start = "earliest", on_gap: OnGap = "stop") -> Turns:
        """Waits a moment for the group to take the member in; the polls go on with it."""
        names = list(topics)
        for name in names:
            self.cluster.topic(name)
        return KafkaTurns(self.client, self.cluster, group, member, names, start, on_gap, self._stays)

    def read(self, topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        """Up to the high watermark of the call: where a transaction is open below it, waits for its end.

        Raises ValueError for a partition that is not there, and while reading LogUnavailable when nothing comes for too long.
        """
        name = self._named(topic, partition)
        oldest, end = self.cluster.start_offsets([topic])[name], self.cluster.end_offsets([topic])[name]
        return self._read(name, max(start, oldest), end)

    def _read(self, name: TopicPartition, position: int, end: int) -> Iterator[Record]:
        if position >= end:
            return
        reader = self.client.reader(name.topic, {name.partition: position})
        patience_s = self.connection.timings.transaction_ms / 1000 + HELD_UP_S
        moved_s = time.monotonic()
        try:
            while position < end:
                for record in reader.poll(READ_AT_ONCE, READ_WAIT_S):
                    if record.offset >= end:
                        return
                    yield record
                before, position = position, reader.positions()[name.partition]
                if position > before:
                    moved_s = time.monotonic()
                elif time.monotonic() - moved_s > patience_s:
                    raise LogUnavailable(
                        f"nothing came for {patience_s:.0f} s after offset {position}, of {end}: an open transaction may hold it back",
                        f"{self.cluster.where}, topic {name.topic}, partition {name.partition}",
                        "kafka-transactions find-hanging shows whose it is",
                    )
        finally:
            reader.close()

    def tail(self, topic: str, start: Start | Mapping[int, int] = "latest") -> Tail:
        """Raises ValueError for a partition that is not there."""
        if isinstance(start, str):
            start = self.start_offsets(topic) if start == "earliest" else self.end_offsets(topic)
        else:
            oldest = self.start_offsets(topic)
            start = {partition: max(offset, oldest[self._named(topic, partition).partition]) for partition, offset in start.items()}
        return KafkaTail(self.client.reader(topic, start))

    def _named(self, topic: str, partition: int) -> TopicPartition:
        partitions = self.partition_count(topic)
        if not 0 <= partition < partitions:
            raise ValueError(f"topic {topic} has the partitions 0 to {partitions - 1}, not {partition}")
        return TopicPartition(topic, partition)

    def append(self, topic: str, messages: Iterable[Message]) -> None:
        """One transaction. Where the answer to its commit is lost, raises AppendInDoubt: whether it took place cannot be told then."""
        described = self.cluster.topic(topic)
        records = [
            Outgoing(topic, partition, key, value, headers)
            for partition, (value, key, headers, _) in placed(described, messages, self._keyless, self.cluster.where)
        ]
        if not records:
            return
        with self._append_lock:
            try:
                if self._publisher is None:
                    self._publisher = self.client.publisher(self._name)
                self._publisher.publish(records, {}, None)
            except LogError as error:
                if self._publisher is not None:
                    self._publisher.close()
                    self._publisher = None
                if isinstance(error, InDoubt):
                    where = f"{self.cluster.where}, topic {topic}"
                    raise AppendInDoubt(f"{len(records)} records may or may not have been written: {error}", where, "look at the topic's end") from error
                raise

    def cleanup(self, topic: str, *, drop_unread: bool = False) -> int:
        """The brokers do it by themselves."""
        self.cluster.topic(topic)
        return 0

    def close(self) -> None:
        """Members, readers and tails are closed by whoever opened them."""
        with self._append_lock:
            if self._publisher is not None:
                self._publisher.close()
                self._publisher = None
        self.cluster.close()


class AppendInDoubt(LogError):
    """Records may or may not have been written: the answer of the cluster was lost."""


class KafkaTail:
    """Made by KafkaLog.tail()."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def poll(self, limit: int, timeout_s: float) -> list[Record]:
        """Committed records only, as soon as there are any."""
        return self._reader.poll(limit, timeout_s)

    def close(self) -> None:
        """Ends the connection."""
        self._reader.close()
