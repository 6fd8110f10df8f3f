"""What is seen of the demo on Kafka from outside: what was sent, which scores can be read, who owns which partition."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from worker.log.contract import Record

RATE_OVER_S, LATENCIES_KEPT = 4.0, 20_000
_EVENT_ID = re.compile(rb'"event_id":"([^"]+)"')
_MODEL = re.compile(rb'"model":"([^"]+)"')


@dataclass(frozen=True, slots=True)
class PartitionView:
    """One partition: scores read of it, and how long ago the last was."""

    number: int
    owner: str
    scores: int
    last_ago_s: float


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker as it is now."""

    member: str
    pid: int
    state: str
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KafkaState:
    """The whole picture at one moment."""

    bootstrap: str
    elapsed_s: float
    of_s: float
    sent: int
    scored: int
    events_per_s: float
    latency_p50_ms: float
    """From the handing over of an event to the cluster until a reader of committed records has its score."""
    latency_p99_ms: float
    models: tuple[str, ...]
    workers: tuple[WorkerView, ...]
    partitions: tuple[PartitionView, ...]
    happened: tuple[str, ...]


@dataclass(slots=True)
class Watched:
    """Takes note; its threads are the caller's business: `sending` is called by who sends, all else by who looks."""

    partitions: int
    sent: int = 0
    scored: int = 0
    happened: list[str] = field(default_factory=list)
    models: tuple[str, ...] = ()
    _sent_s: dict[bytes, float] = field(default_factory=dict)
    _latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    _scores: Counter[int] = field(default_factory=Counter)
    _last_s: dict[int, float] = field(default_factory=dict)
    _rates: deque[tuple[float, int]] = field(default_factory=deque)

    def sending(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The lines, each noted with the time at which it is taken to be written."""
        for line in lines:
            if found := _EVENT_ID.search(line):
                self._sent_s.setdefault(found[1], time.monotonic())
            yield line

    def published(self, records: Sequence[Record]) -> None:
        """Score records that a reader of committed ones has got."""
        now_s = time.monotonic()
        for record in records:
            value = record.value or b""
            self._scores[record.partition] += 1
            self._last_s[record.partition] = now_s
            if b'"cause":"event"' not in value:
                continue
            self.scored += 1
            found = _EVENT_ID.search(value)
            if found and (sent_s := self._sent_s.pop(found[1], None)) is not None:
                self._latencies_ms.append(1000 * (now_s - sent_s))
        if records:
            self.models = tuple(name.decode() for name in _MODEL.findall(records[-1].value or b""))

    def active(self) -> bool:
        """Whether every partition has given a score."""
        return len(self._last_s) == self.partitions

    def scored_since(self, partitions: Iterable[int], since_s: float) -> bool:
        """Whether one of them has given a score since then (time.monotonic())."""
        return any(self._last_s.get(partition, -1.0) > since_s for partition in partitions)

    def latencies_ms(self) -> tuple[float, float]:
        """Median and p99 of late; nan before the first."""
        return tuple(np.quantile(self._latencies_ms, (0.5, 0.99)).tolist()) if self._latencies_ms else (np.nan, np.nan)

    def forget_latencies(self) -> None:
        """What the time at the start took says nothing of how it goes on."""
        self._latencies_ms.clear()

    def events_per_s(self) -> float:
        """Events scored a second, over the last few."""
        now_s = time.monotonic()
        self._rates.append((now_s, self.scored))
        while len(self._rates) > 2 and self._rates[1][0] <= now_s - RATE_OVER_S:
            self._rates.popleft()
        since_s, before = self._rates[0]
        return (self.scored - before) / (now_s - since_s) if now_s > since_s else np.nan

    def partition_views(self, owners: dict[int, str]) -> tuple[PartitionView, ...]:
        """Every partition, with its owner."""
        now_s = time.monotonic()
        return tuple(
            PartitionView(number, owners.get(number, ""), self._scores[number], now_s - self._last_s.get(number, np.nan)) for number in range(self.partitions)
        )
