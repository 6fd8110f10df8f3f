"""The forms of the log that the contract's tests run over. A new form is one more class here, and a name in FORMS."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from tests.log.prefixed import PrefixedLog
from worker.log.contract import Log, Polled, Record, Tail, Turns
from worker.log.embedded import EmbeddedLog
from worker.log.kafka.connection import Connection, Timings
from worker.log.kafka.log import ClientName, KafkaLog, open_client

PATIENCE_S = 20.0  # only reached when something is broken


class Form(Protocol):
    """One log, empty at first, and ways to reach it."""

    def open(self) -> Log:
        """One more handle on the log, as another process would have; closed by close()."""

    def close(self) -> None: ...


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


class Memory:
    """A log in memory has one handle only: every open() returns it."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self._log = EmbeddedLog(None, clock_ms=self.clock)

    def open(self) -> Log:
        return self._log

    def close(self) -> None:
        self._log.close()


class File:
    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.path = folder / "shop.clicklog"
        self._logs: list[EmbeddedLog] = []

    def open(self) -> Log:
        self._logs.append(EmbeddedLog(self.path, clock_ms=self.clock, lock_timeout_s=PATIENCE_S))
        return self._logs[-1]

    def close(self) -> None:
        for log in self._logs:
            log.close()


class Kafka:
    """A cluster that many tests share: this test's topics and groups bear a name before theirs, that it does not see itself."""

    def __init__(self, bootstrap: str, client: ClientName, prefix: str) -> None:
        timings = Timings(heartbeat_ms=200, session_ms=6_000)
        self._connection = Connection(bootstrap, timings=timings)
        self._client, self._prefix = client, prefix
        self._logs: list[PrefixedLog] = []

    def open(self) -> Log:
        log = KafkaLog(self._connection, open_client(self._connection, self._client))
        self._logs.append(PrefixedLog(log, self._prefix))
        return self._logs[-1]

    def close(self) -> None:
        for log in self._logs:
            log.close()


EMBEDDED: dict[str, Callable[[Path], Memory | File]] = {"memory": Memory, "file": File}
KAFKA: tuple[ClientName, ...] = ("kafka-python", "librdkafka")
FORMS = (*EMBEDDED, *KAFKA)


def poll_until(turns: Turns, enough: Callable[[list[Record]], bool], limit: int = 1_000) -> list[Record]:
    """Poll until the records so far are enough; fails loudly after PATIENCE_S."""
    records: list[Record] = []
    for _ in range(1_000):
        if enough(records):
            return records
        records += flat(turns.poll(limit, PATIENCE_S / 1_000))
    raise AssertionError(f"still not enough: {records}")


def poll_records(turns: Turns, count: int) -> list[Record]:
    return poll_until(turns, lambda records: len(records) >= count)


def settle(*members: Turns) -> None:
    """Poll until no member gains or loses anything any more, and together they have every partition of `in`."""
    for _ in range(1_000):
        polls = [member.poll(1, PATIENCE_S / 1_000) for member in members]
        for member in members:
            member.abort()
        shares = [member.assignment() for member in members]
        shared_out = all(shares) and sum(map(len, shares)) == len(frozenset().union(*shares))
        if shared_out and not any(polled.gained or polled.lost for polled in polls):
            return
    raise AssertionError(f"not settled: {[member.assignment() for member in members]}")


def tail_records(tail: Tail, count: int) -> list[Record]:
    records: list[Record] = []
    for _ in range(1_000):
        if len(records) >= count:
            return records
        records += tail.poll(1_000, PATIENCE_S / 1_000)
    raise AssertionError(f"only {records}")


def flat(polled: Polled) -> list[Record]:
    return [record for records in polled.records.values() for record in records]


def values(log: Log, topic: str) -> list[list[bytes | None]]:
    """The values of a topic, by partition."""
    return [[record.value for record in log.read(topic, partition)] for partition in range(log.partition_count(topic))]


def written(log: Log, topic: str) -> list[bytes]:
    """All values of a topic but the tombstones, sorted."""
    return sorted(value for partition in values(log, topic) for value in partition if value is not None)


def wait_for_positions(log: Log, group: str, topic: str, positions: Mapping[int, int]) -> None:
    """A Kafka broker answers a commit before others can see its positions."""
    deadline_s = time.monotonic() + PATIENCE_S
    while (found := log.committed(group, topic)) != positions:
        assert time.monotonic() < deadline_s, f"{found} instead of {positions}"
