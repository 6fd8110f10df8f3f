"""A log whose topics and groups bear a prefix that its user does not see, so that tests with the same names can share a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from worker.log.contract import Log, Message, OnGap, Polled, Record, Start, Tail, Topic, TopicPartition, Turns


class PrefixedLog:
    def __init__(self, log: Log, prefix: str) -> None:
        self._log = log
        self._prefix = f"{prefix}."
        self._opened: list[Turns | Tail] = []

    def _bare(self, name: str) -> str:
        return name.removeprefix(self._prefix)

    def create(self, topics: Iterable[Topic]) -> None:
        self._log.create([replace(topic, name=self._prefix + topic.name) for topic in topics])

    def topics(self, names: Iterable[str] | None = None) -> dict[str, Topic]:
        there = self._log.topics(None if names is None else [self._prefix + name for name in names])
        return {self._bare(name): replace(topic, name=self._bare(name)) for name, topic in there.items() if name.startswith(self._prefix)}

    def partition_count(self, topic: str) -> int:
        return self._log.partition_count(self._prefix + topic)

    def start_offsets(self, topic: str) -> dict[int, int]:
        return self._log.start_offsets(self._prefix + topic)

    def end_offsets(self, topic: str) -> dict[int, int]:
        return self._log.end_offsets(self._prefix + topic)

    def committed(self, group: str, topic: str) -> dict[int, int]:
        return self._log.committed(self._prefix + group, self._prefix + topic)

    def turns(self, group: str, topics: Iterable[str], member: str, *, start: Start = "earliest", on_gap: OnGap = "stop") -> Turns:
        names = [self._prefix + topic for topic in topics]
        turns = PrefixedTurns(self._log.turns(self._prefix + group, names, member, start=start, on_gap=on_gap), self._prefix)
        self._opened.append(turns)
        return turns

    def read(self, topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        reading = self._log.read(self._prefix + topic, partition, start)
        return (record._replace(topic=topic) for record in reading)

    def tail(self, topic: str, start: Start | Mapping[int, int] = "latest") -> Tail:
        tail = PrefixedTail(self._log.tail(self._prefix + topic, start), topic)
        self._opened.append(tail)
        return tail

    def append(self, topic: str, messages: Iterable[Message]) -> None:
        self._log.append(self._prefix + topic, messages)

    def cleanup(self, topic: str, *, drop_unread: bool = False) -> int:
        return self._log.cleanup(self._prefix + topic, drop_unread=drop_unread)

    def close(self) -> None:
        """Closes what was opened, too: a test that ends need not, and the cluster goes on."""
        for opened in self._opened:
            opened.close()
        self._log.close()


class PrefixedTail:
    def __init__(self, tail: Tail, topic: str) -> None:
        self._tail = tail
        self._topic = topic

    def poll(self, limit: int, timeout_s: float) -> list[Record]:
        return [record._replace(topic=self._topic) for record in self._tail.poll(limit, timeout_s)]

    def close(self) -> None:
        self._tail.close()


class PrefixedTurns:
    def __init__(self, turns: Turns, prefix: str) -> None:
        self._turns = turns
        self._prefix = prefix

    def _bare(self, name: TopicPartition) -> TopicPartition:
        return name._replace(topic=name.topic.removeprefix(self._prefix))

    def poll(self, limit: int, timeout_s: float) -> Polled:
        polled = self._turns.poll(limit, timeout_s)
        records = {self._bare(name): [record._replace(topic=self._bare(name).topic) for record in found] for name, found in polled.records.items()}
        gained, lost = (frozenset(map(self._bare, names)) for names in (polled.gained, polled.lost))
        return Polled(records, gained, lost, {self._bare(name): count for name, count in polled.skipped.items()})

    def lag(self) -> dict[TopicPartition, int]:
        return {self._bare(name): offsets for name, offsets in self._turns.lag().items()}

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(map(self._bare, self._turns.assignment()))

    def send(self, topic: str, messages: Iterable[Message]) -> None:
        self._turns.send(self._prefix + topic, messages)

    def prepare(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._turns.prepare({name._replace(topic=self._prefix + name.topic): offset for name, offset in offsets.items()})

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._turns.commit({name._replace(topic=self._prefix + name.topic): offset for name, offset in offsets.items()})

    def abort(self) -> None:
        self._turns.abort()

    def close(self) -> None:
        self._turns.close()
