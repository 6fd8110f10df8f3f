"""SIGKILL at any moment of a turn loses and repeats nothing: real processes on an embedded log, judged from the input alone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.embedded_worker import NO_HASH, STEPS, moved_on
from worker.log.contract import Message, Topic, TopicPartition
from worker.log.embedded import EmbeddedLog

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
PATIENCE_S = 30.0  # only reached when something is broken
RANDOM_DEATHS = 25


class Shop:
    """The log, its input and the worker processes on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = EmbeddedLog(path, lock_timeout_s=PATIENCE_S)
        self.log.create([Topic("in", PARTITIONS), Topic("out", PARTITIONS), Topic("state", PARTITIONS, "compact")])
        self.workers: list[subprocess.Popen[str]] = []

    def feed(self, count: int, first: int = 0) -> None:
        self.log.append("in", [Message(b"event %d" % i, b"user-%d" % (i * i % 97)) for i in range(first, first + count)])

    def start(self, member: str, lease_s: float = 60.0, step: str = "", turn: int = 0) -> subprocess.Popen[str]:
        command = [sys.executable, str(Path(__file__).with_name("embedded_worker.py")), str(self.path), member, str(lease_s), step, str(turn)]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        self.workers.append(worker)
        return worker

    def wait_until_all_is_read(self) -> None:
        tail = self.log.tail("out")
        deadline = time.monotonic() + PATIENCE_S
        while self.log.committed("g", "in") != self.log.end_offsets("in"):
            assert time.monotonic() < deadline, f"read up to {self.log.committed('g', 'in')} of {self.log.end_offsets('in')}"
            tail.poll(1_000, 0.1)

    def end(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            with worker:
                pass
        self.log.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path / "log")
    yield shop
    shop.end()


def started(worker: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert worker.stdout is not None
    assert worker.stdout.readline() == "started\n"
    return worker


def assert_exactly_once(log: EmbeddedLog) -> None:
    """Every input has its one output, in order, and the state is the one that all inputs lead to."""
    for partition in range(PARTITIONS):
        state = NO_HASH
        expected = []
        for record in log.read("in", partition):
            state = moved_on(state, record.value or b"")
            expected.append((b"%d %s" % (record.offset, state), record.key))
        assert [(record.value, record.key) for record in log.read("out", partition)] == expected
        assert [record.value for record in log.read("state", partition)][-1] == state
        assert log.committed("g", "in")[partition] == log.end_offsets("in")[partition] == len(expected)


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_at_a_step_loses_and_repeats_nothing(shop: Shop, step: str) -> None:
    shop.feed(200)
    for turn in (1, 3, 2):
        assert shop.start("m", step=step, turn=turn).wait(PATIENCE_S) == -signal.SIGKILL
    last = shop.start("m")
    shop.wait_until_all_is_read()
    last.terminate()
    assert last.wait(PATIENCE_S) == 0
    assert_exactly_once(shop.log)


def test_workers_killed_and_stopped_at_random_moments_lose_and_repeat_nothing(shop: Shop) -> None:
    """Two workers share the input; again and again one of them dies, or sleeps past its lease and wakes as a zombie."""
    seed = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(10**6)))
    print(f"to repeat this run: FAULT_SEED={seed}")
    chance = random.Random(seed)
    live = {member: started(shop.start(member, lease_s=0.3)) for member in ("a", "b")}
    tail = shop.log.tail("out")
    fed = 0
    for _ in range(RANDOM_DEATHS):
        shop.feed(120, first=fed)
        fed += 120
        tail.poll(chance.randrange(1, 60), chance.uniform(0, 0.1))  # the moment: so many outputs later, or so much time
        victim = chance.choice("ab")
        if chance.random() < 0.3:
            live[victim].send_signal(signal.SIGSTOP)
            tail.poll(1_000, chance.uniform(0.2, 0.7))
            live[victim].send_signal(signal.SIGCONT)
        else:
            live[victim].kill()
            live[victim].wait(PATIENCE_S)
            live[victim] = shop.start(victim, lease_s=0.3)
            if chance.random() < 0.7:
                started(live[victim])
        if chance.random() < 0.2:
            shop.log.cleanup("state")
    shop.wait_until_all_is_read()
    for worker in live.values():
        worker.terminate()
    assert {worker.wait(PATIENCE_S) for worker in live.values()} <= {0, -signal.SIGTERM}  # the latter before its start
    assert_exactly_once(shop.log)


def test_the_partitions_of_a_killed_process_go_to_the_others_long_before_its_lease_ends(shop: Shop) -> None:
    shop.feed(10)
    started(shop.start("a", lease_s=3_600))
    shop.wait_until_all_is_read()
    survivor = shop.log.turns("g", ["in"], "b")
    survivor.poll(1, 0)
    shop.workers[0].kill()
    begin = time.monotonic()
    while survivor.assignment() != {TopicPartition("in", i) for i in range(PARTITIONS)}:
        assert time.monotonic() < begin + PATIENCE_S
        survivor.poll(1, 0.1)
        survivor.abort()
    survivor.close()


def test_a_process_that_starts_under_a_name_in_use_ends_the_older_one(shop: Shop) -> None:
    older = started(shop.start("m"))
    newer = started(shop.start("m"))
    assert older.wait(PATIENCE_S) == 1  # MemberReplaced: its stack trace is on stderr
    shop.feed(50)
    shop.wait_until_all_is_read()
    newer.terminate()
    assert newer.wait(PATIENCE_S) == 0
    assert_exactly_once(shop.log)
