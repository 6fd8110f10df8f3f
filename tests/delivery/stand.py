"""A courier without a process: over a log in memory and a clock that the test moves, with real receivers at the other end."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from tests.delivery.receivers import LOOPBACK, Receiver
from tests.delivery.triggers import secret_of, trigger_value
from tests.service.bench import Clock, FaultyLog
from worker.delivery.courier import Courier
from worker.delivery.role import deliver_group, opened_destinations
from worker.log.contract import Headers, Message, Record
from worker.log.embedded import EmbeddedLog
from worker.service.loop import Stop
from worker.service.patience import Patience
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import create_topics
from worker.service.watch import Watch
from worker.settings import Settings

STEPS = 2_000  # only reached when something is broken
MOMENT_S = 0.05  # that a step may wait for an answer that is under way


def destination(receiver: Receiver | str, **changed: Any) -> dict[str, Any]:
    """A destination's table."""
    url = receiver if isinstance(receiver, str) else receiver.url
    return {"url": url, "networks": [LOOPBACK], "secret": secret_of("a"), "timeout": "30 s", **changed}


class Stand:
    """One log, the destinations, and the couriers that come and go."""

    def __init__(self, destinations: dict[str, dict[str, Any]], path: Path | None = None, endpoint: dict[str, Any] | None = None, **deliver: Any) -> None:
        """`path`: a log in a file, which processes share."""
        self.clock = Clock()
        self.settings = Settings.model_validate(
            {
                "destinations": destinations,
                "deliver": deliver,
                "service": {"roles": ["deliver"], "member": "m", "log_level": "debug"},
                "endpoint": endpoint or {"port": 0},
            }
        )
        self.log = EmbeddedLog(path, lock_timeout_s=30, clock_ms=self.clock.now_ms)
        create_topics(self.log, self.settings)
        self.faults: dict[str, list[Exception | None]] = {}
        self.lines = io.StringIO()
        self.metrics = Metrics(self.settings.targets)
        self.watch = Watch(self.clock)
        self.happened = Happenings(open_logger(self.settings.service, self.lines), self.metrics, self.clock, self.watch)
        self.stop = Stop(self.happened)
        for name, one in self.settings.destinations.items():
            self.happened.destination_opened(name, one.form, one.rules)

    def courier(self, name: str = "shop") -> Courier:
        """A new courier, as a process that starts; the one before is fenced."""
        writer, exchange = opened_destinations(self.settings)[name]
        log = FaultyLog(self.log, self.faults)
        turns = log.turns(deliver_group(self.settings, name), [self.settings.topics.triggers], "m", on_gap="skip")
        patience = Patience(self.clock, self.happened, lambda: self.stop.asked)
        return Courier(name, self.settings, log, turns, exchange, writer, self.clock, self.happened, patience, random.Random(7))

    def fire(self, *triggers: tuple[int, str], headers: Headers = (), **changed: Any) -> None:
        """Triggers by number and user, that fire now and are worth sending for an hour; `headers` are those of their records."""
        now_ms = self.clock.now_ms()
        for number, user in triggers:
            value = trigger_value(number, user, **{"time_ms": now_ms, "expires_ms": now_ms + 3_600_000, **changed})
            self.log.append(self.settings.topics.triggers, [Message(value, user.encode(), headers)])

    def erase(self, *users: str) -> None:
        """What a worker writes as it erases them."""
        self.log.append(self.settings.topics.triggers, [Message(None, user.encode()) for user in users])

    def until(self, courier: Courier, done: Callable[[], bool], step_s: float = 0.0) -> None:
        """Step until something holds; the clock moves by step_s with each."""
        for _ in range(STEPS):
            courier.step(MOMENT_S if courier.under_way else 0.0)
            if done():
                return
            self.clock.at_s += step_s
        raise AssertionError(f"{courier.undecided} undecided, {self.lines.getvalue()[-2000:]}")

    def drain(self, courier: Courier, step_s: float = 0.0, name: str = "shop") -> None:
        """Step until everything is decided and committed."""
        self.until(courier, lambda: self.committed(name) == self.log.end_offsets(self.settings.topics.triggers), step_s)

    def committed(self, name: str = "shop") -> dict[int, int]:
        positions = self.log.committed(deliver_group(self.settings, name), self.settings.topics.triggers)
        return {partition: positions.get(partition, 0) for partition in self.log.end_offsets(self.settings.topics.triggers)}

    def letters(self) -> list[Record]:
        topic = self.settings.topics.deadletter
        return [record for partition in range(self.log.partition_count(topic)) for record in self.log.read(topic, partition)]

    def reasons(self) -> list[tuple[int, str]]:
        """Of the dead letters, the trigger's number and the reason."""
        return [(int(orjson.loads(one.value or b"")["trigger_id"], 16), dict(one.headers)["clickscore.reason"].decode()) for one in self.letters()]

    def fates(self, name: str = "shop") -> dict[str, float]:
        found = {
            fate: self.metrics.registry.get_sample_value("clickscore_deliveries_total", {"destination": name, "fate": fate})
            for fate in ("delivered", "refused", "expired", "failed", "unreadable", "erased")
        }
        return {fate: count for fate, count in found.items() if count}

    def gauge(self, metric: str, name: str = "shop") -> float | None:
        return self.metrics.registry.get_sample_value(f"clickscore_{metric}", {"destination": name})

    def happenings(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.lines.getvalue().splitlines()) if line["event"] == event]


def numbers(receiver: Receiver) -> list[int]:
    """The numbers of the triggers that came in, in their order."""
    return [int(one.id, 16) for one in receiver.received]
