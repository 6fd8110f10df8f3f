"""A worker without a process: the roles over a log in memory, a clock that a test moves, and faults that a test writes down beforehand."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import orjson

from worker.core.events.decoding import decode
from worker.demo.shop import Shop, ShopSettings
from worker.log.contract import Message, OnGap, Polled, Start, TopicPartition, Turns
from worker.log.embedded import EmbeddedLog
from worker.service.assembly import build_loop
from worker.service.loop import Loop, Stop
from worker.service.sender import send_lines
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import create_topics
from worker.settings import Settings

STEP_S = 0.125  # of the clock between two turns: enough for models and examples to be looked for at each
NOW_MS = 1_800_000_000_000  # after the shop's days: nothing of it is from the future


class Clock:
    """Stands still until it is told to move; sleeping moves it."""

    def __init__(self) -> None:
        self.at_s = 1_000.0
        self.slept_s: list[float] = []

    def now_ms(self) -> int:
        return NOW_MS + int(self.at_s * 1000)

    def elapsed_s(self) -> float:
        return self.at_s

    def sleep(self, duration_s: float) -> None:
        self.slept_s.append(duration_s)
        self.at_s += duration_s


def settings_of(**changed: Any) -> Settings:
    """Small turns, windows that close within the shop's days, a snapshot after every step of learning."""
    service = {
        "turn_events": 60,
        "turn_wait": "1 ms",
        "snapshot_examples": 1,
        "member": "m",
        "log_level": "debug",
        **changed.pop("service", {}),
    }
    targets = {"purchase": {"horizon": "1 d"}, "churn": {"horizon": "1 d"}}
    return Settings(**{"service": service, "endpoint": {"port": 0}, "targets": targets, "seed": 3, **changed})


@cache
def shop_lines(users: int = 300, days: int = 8, seed: int = 5) -> tuple[bytes, ...]:
    """Events of a small shop in order of arrival, with late, repeated and broken ones among them."""
    return tuple(value for value, _ in Shop(ShopSettings(users, days, seed)).stream())


class Bench:
    """One log and the worker on it."""

    def __init__(self, settings: Settings | None = None, partitions: int = 1) -> None:
        self.clock = Clock()
        self.settings = settings or settings_of()
        self.log = EmbeddedLog(None, clock_ms=self.clock.now_ms)
        create_topics(self.log, self.settings, partitions)
        self.faults: dict[str, list[Exception | None]] = {}
        self.lines = io.StringIO()
        self.metrics = Metrics(self.settings.targets)
        self.happened = Happenings(open_logger(self.settings.service, self.lines), self.metrics, self.clock)
        self.stop = Stop(self.happened)

    def send(self, lines: Iterable[bytes]) -> None:
        for _ in send_lines(self.log, self.settings.topics.events, lines, self.clock):
            pass

    def loop(self, settings: Settings | None = None) -> Loop:
        """A new worker on the log, as a process that starts; under the same member name it replaces the one before."""
        return build_loop(FaultyLog(self.log, self.faults), settings or self.settings, self.clock, self.happened, self.stop)

    def drain(self, loop: Loop, step_s: float = STEP_S) -> None:
        """Turn until all events and all examples have been read."""
        for _ in range(500):
            loop.turn()
            self.clock.at_s += step_s
            if self.lag() == 0:
                return
        raise AssertionError(f"still {self.lag()} records to be read")

    def lag(self) -> int:
        service, topics = self.settings.service, self.settings.topics
        groups = ((service.group, topics.events), (f"{service.group}.trainer", topics.examples))
        return sum(
            end - self.log.committed(group, topic).get(partition, 0) for group, topic in groups for partition, end in self.log.end_offsets(topic).items()
        )

    def written(self) -> dict[str, list[tuple[int, bytes | None, bytes | None, Any]]]:
        """Everything that the worker has published: partition, key, value and headers, by topic.

        The changelog is given in order of keys: in which order a turn writes its keys is nobody's business.
        """
        written = {
            topic: [(r.partition, r.key, r.value, r.headers) for p in range(self.log.partition_count(topic)) for r in self.log.read(topic, p)]
            for topic in self.log.topics()
        }
        written[self.settings.topics.profiles].sort(key=lambda record: record[:2])
        return written

    def happenings(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.lines.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"clickscore_{name}", labels) or 0.0

    def total(self, name: str) -> float:
        """A counter over all of its labels."""
        families = self.metrics.registry.collect()
        return sum(sample.value for family in families for sample in family.samples if sample.name == f"clickscore_{name}_total")

    def scored_events(self) -> Counter[str]:
        """How many scores name each event."""
        scores = [orjson.loads(value or b"") for _, _, value, _ in self.written()[self.settings.topics.scores]]
        return Counter(score["event_id"] for score in scores if "event_id" in score)


def expected_events(lines: Iterable[bytes]) -> tuple[list[str], list[bytes]]:
    """By the decoder alone: the ids of the events among the lines, repeated ones once, and the lines that are none."""
    values = list(lines)
    batch, rejected = decode(values)
    return list(dict.fromkeys(event_id or "" for event_id in batch.event_id)), [values[one.position] for one in rejected]


class FaultyLog:
    """A log whose calls fail as written down: faults["commit"] = [None, LogFull("…")] lets the second commit fail.

    Calls on every member count together, except that those of the trainers are named "examples poll" and "examples commit".
    """

    def __init__(self, log: EmbeddedLog, faults: dict[str, list[Exception | None]]) -> None:
        self._log = log
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def read(self, topic: str, partition: int, start: int = 0) -> Any:
        fail(self._faults, "read")
        return self._log.read(topic, partition, start)

    def turns(self, group: str, topics: Iterable[str], member: str, *, start: Start = "earliest", on_gap: OnGap = "stop") -> Turns:
        prefix = "examples " if group.endswith(".trainer") else ""
        return FaultyTurns(self._log.turns(group, topics, member, start=start, on_gap=on_gap), self._faults, prefix)


class FaultyTurns:
    """Made by FaultyLog.turns()."""

    def __init__(self, turns: Turns, faults: dict[str, list[Exception | None]], prefix: str) -> None:
        self._turns = turns
        self._faults = faults
        self._prefix = prefix

    def poll(self, limit: int, timeout_s: float) -> Polled:
        fail(self._faults, self._prefix + "poll")
        return self._turns.poll(limit, 0)  # the clock stands still: there is nothing to wait for

    def prepare(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._turns.prepare(offsets)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        fail(self._faults, self._prefix + "commit")
        self._turns.commit(offsets)

    def lag(self) -> dict[TopicPartition, int]:
        return self._turns.lag()

    def assignment(self) -> frozenset[TopicPartition]:
        return self._turns.assignment()

    def send(self, topic: str, messages: Iterable[Message]) -> None:
        fail(self._faults, self._prefix + "send")
        self._turns.send(topic, messages)

    def abort(self) -> None:
        self._turns.abort()

    def close(self) -> None:
        self._turns.close()


def fail(faults: dict[str, list[Exception | None]], call: str) -> None:
    """Raise what is written down for this call, if anything is."""
    script = faults.get(call)
    error = script.pop(0) if script else None
    if error is not None:
        raise error
