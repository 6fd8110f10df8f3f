"""SIGKILL at random moments: real workers on one embedded file, fed by `clickscore send`, judged from the input alone.

What must hold is worked out here from the lines that were sent, by the decoder, by one pipeline that sees all of it at once and by one trainer
that learns all examples at once; nothing that the workers say of themselves is believed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from worker.configuration import load
from worker.core.events.decoding import decode
from worker.core.labels.examples import Example
from worker.core.learning.trainer import Trainer
from worker.core.pipeline import Pipeline
from worker.core.profiles.layout import EVENT_RING
from worker.core.scoring.scorecard import Scorecards
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.demo.shop import Shop, ShopSettings
from worker.log.contract import Record
from worker.log.embedded import EmbeddedLog
from worker.service.scoring.models import untrained

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0  # only reached when something is broken
PARTITIONS, DEATHS = 2, 12
CONFIGURATION = """\
[targets.purchase]
horizon = "1 d"
[targets.churn]
horizon = "1 d"
[service]
member = "m"
log_level = "error"
turn_events = 70
snapshot_examples = 40
snapshot_wait = "200 ms"
[endpoint]
port = 0
"""
EVENTS, SCORES, PROFILES, EXAMPLES, MODELS, DEAD = (
    f"click{name}" for name in ("stream.events", "score.scores", "score.profiles", "score.examples", "score.models", "score.deadletter")
)


class Shopkeeper:
    """The file, its configuration, and the processes on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "shop.db"
        self.configuration = folder / "clickscore.toml"
        self.configuration.write_text(CONFIGURATION)
        self.settings = load(self.configuration, environ={}).settings
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        self.nursery = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder
        )
        self.alive: set[int] = set()
        assert self.answer().startswith("ready")

    def answer(self) -> str:
        assert self.nursery.stdout is not None
        return self.nursery.stdout.readline().strip()

    def order(self, order: list[str] | dict[str, Any] | int) -> int:
        assert self.nursery.stdin is not None
        self.nursery.stdin.write(json.dumps(order) + "\n")
        self.nursery.stdin.flush()
        return int(self.answer())

    def start(self, *arguments: str) -> int:
        process = self.order([*arguments, "--embedded", str(self.path), "--config", str(self.configuration)])
        self.alive.add(process)
        return process

    def wait(self, process: int) -> int:
        self.alive.discard(process)
        return self.order(process)

    def send(self, lines: list[bytes]) -> None:
        file = self.folder / "part.jsonl"
        file.write_bytes(b"".join(line + b"\n" for line in lines))
        assert self.wait(self.start("send", str(file), "--partitions", str(PARTITIONS))) == 0

    def end(self) -> None:
        for process in self.alive:
            os.kill(process, signal.SIGKILL)
        with self.nursery:
            self.nursery.kill()


@pytest.fixture
def shopkeeper(tmp_path: Path) -> Iterator[Shopkeeper]:
    keeper = Shopkeeper(tmp_path)
    yield keeper
    keeper.end()


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("CLICKSCORE_SEED", random.SystemRandom().randrange(10**6)))
    print(f"to repeat this run: CLICKSCORE_SEED={seed}")
    return random.Random(seed)


def records(log: EmbeddedLog, topic: str) -> list[Record]:
    return [record for partition in range(log.partition_count(topic)) for record in log.read(topic, partition)]


def all_is_read(log: EmbeddedLog) -> bool:
    return all(log.committed(group, topic) == log.end_offsets(topic) for group, topic in (("clickscore", EVENTS), ("clickscore.trainer", EXAMPLES)))


def test_workers_killed_at_random_moments_lose_repeat_and_disorder_nothing(shopkeeper: Shopkeeper, chance: random.Random) -> None:
    lines = [value for value, _ in Shop(ShopSettings(users=450, days=7, seed=chance.randrange(1_000))).stream()]
    parts = [lines[i * len(lines) // DEATHS : (i + 1) * len(lines) // DEATHS] for i in range(DEATHS)]
    shopkeeper.send(parts[0])
    log = EmbeddedLog(shopkeeper.path, create=False, lock_timeout_s=PATIENCE_S)
    tail, models = log.tail(SCORES, "earliest"), log.tail(MODELS, "earliest")
    for part in parts[1:]:
        worker = shopkeeper.start("run")
        assert tail.poll(chance.randrange(1, 200), PATIENCE_S)  # it lives: there are scores that were not there before
        if chance.random() < 0.5:
            models.poll(1_000, 0)
            models.poll(1, 0.6)  # the moment: just after a snapshot, for who learns
            models.poll(1_000, chance.uniform(0, 0.05))
        else:
            tail.poll(chance.randrange(1, 300), chance.uniform(0, 0.4))  # or so many scores later, or so much time
        os.kill(worker, signal.SIGKILL)
        assert shopkeeper.wait(worker) == -signal.SIGKILL
        shopkeeper.send(part)

    last = shopkeeper.start("run")
    deadline = time.monotonic() + PATIENCE_S
    while not all_is_read(log):
        assert time.monotonic() < deadline, f"read up to {log.committed('clickscore', EVENTS)} of {log.end_offsets(EVENTS)}"
        tail.poll(1_000, 0.1)
    os.kill(last, signal.SIGTERM)
    assert shopkeeper.wait(last) == 0

    assert Counter(record.value for record in records(log, EVENTS)) == Counter(lines)
    assert_scores_and_dead_letters_are_those_of(lines, log)
    assert_examples_are_learned_once(shopkeeper, log)
    assert_profiles_are_those_of_one_run(shopkeeper, log)
    log.close()


def assert_scores_and_dead_letters_are_those_of(lines: list[bytes], log: EmbeddedLog) -> None:
    batch, rejected = decode(lines)
    future = [int(position) for position in batch.position[batch.time_ms > time.time_ns() // 1_000_000]]
    expected: dict[str, list[str]] = {}
    for user, event_id, position in zip(batch.user_id, batch.event_id, batch.position.tolist(), strict=True):
        if position not in future:
            assert event_id is not None
            events = expected.setdefault(user, [])
            if event_id not in events[-EVENT_RING:]:  # what is sent again counts once, as far back as profiles remember
                events.append(event_id)
    scored: dict[str, list[str]] = {}
    for record in records(log, SCORES):
        score = orjson.loads(record.value or b"")
        if score["cause"] == "event":
            scored.setdefault(score["user_id"], []).append(score["event_id"])
    assert len(expected) > 200
    assert scored == expected
    bad = [lines[one.position] for one in rejected] + [lines[position] for position in future]
    assert Counter(record.value for record in records(log, DEAD)) == Counter(bad)


def assert_examples_are_learned_once(shopkeeper: Shopkeeper, log: EmbeddedLog) -> None:
    models = {record.key: record.value for record in records(log, MODELS)}
    for number, (target, settings) in enumerate(shopkeeper.settings.targets.items()):
        examples = [Example.decode(record.value or b"") for record in log.read(EXAMPLES, number)]
        assert len(examples) > 30
        assert {example.target for example in examples} == {target}
        assert len({example.decision_id for example in examples}) == len(examples)
        trainer = Trainer(target, settings, TABLE_SIZE, LAYOUT)
        trainer.learn_many(examples, {number: len(examples)})
        assert trainer.learned == len(examples)
        assert models[target.encode()] == trainer.snapshot().encode()


def assert_profiles_are_those_of_one_run(shopkeeper: Shopkeeper, log: EmbeddedLog) -> None:
    scorecards = Scorecards.of([untrained(name, target) for name, target in shopkeeper.settings.targets.items()])
    for partition in range(PARTITIONS):
        came = list(log.read(EVENTS, partition))
        whole = Pipeline(shopkeeper.settings.core, partition)
        turn = whole.turn([record.value for record in came], [record.offset for record in came], scorecards, time.time_ns() // 1_000_000)
        expected = {key: value for key, value in turn.changes if key.startswith(b"u:")}
        found = {record.key: record.value for record in log.read(PROFILES, partition) if (record.key or b"").startswith(b"u:")}
        assert len(expected) > 50
        assert found == expected
