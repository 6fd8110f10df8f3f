"""The loop: roles take turns, signals end it after a turn, and everything learned is published."""

from __future__ import annotations

import os
import signal

import pytest

from tests.service.bench import STEP_S, Bench, FaultyTurns, settings_of, shop_lines
from worker.log.contract import Polled
from worker.service.loop import WAIT_S
from worker.service.scoring.collecting import FETCH_S
from worker.service.training.trainer import Trainers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_loop_after_its_turn_with_everything_published(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(settings_of(service={"snapshot_examples": 1_000_000}))
    bench.send(shop_lines())
    loop = bench.loop()
    turn, turns = loop.turn, iter(range(1_000))

    def turn_and_signal() -> None:
        if next(turns) == 12:
            os.kill(os.getpid(), number)
        bench.clock.at_s += STEP_S
        turn()

    monkeypatch.setattr(loop, "turn", turn_and_signal)
    before = signal.getsignal(number)
    with bench.stop.on_signals():
        loop.run()
    assert signal.getsignal(number) == before
    assert next(turns) == 13
    assert bench.metric("events_read_total") == 13 * 60
    assert [line["signal"] for line in bench.happenings("stopping")] == [number.name]
    learned = sum(line["learned"] for line in bench.happenings("snapshot published"))
    assert learned == bench.total("examples_learned") > 0


def test_a_second_signal_does_not_wait() -> None:
    bench = Bench()
    with bench.stop.on_signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert bench.stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_worker_waits_only_when_the_last_round_had_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.send(shop_lines()[:100])
    waits: list[float] = []

    def poll(self: FaultyTurns, limit: int, timeout_s: float) -> Polled:
        waits.append(timeout_s)
        return self._turns.poll(limit, 0)

    monkeypatch.setattr(FaultyTurns, "poll", poll)
    loop = bench.loop()
    for _ in range(4):
        del waits[:]
        loop.turn()
    assert waits[0] == WAIT_S  # the scorer's; the trainer never keeps it from the next event
    assert set(waits[1:]) <= {0.0}
    bench.send(shop_lines()[100:200])
    loop.turn()
    del waits[:]
    loop.turn()
    assert waits[0] == FETCH_S  # and for no first event


def test_after_a_restore_events_are_scored_before_anything_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    polls, scored_before_learning = iter(range(1_000)), []

    def poll(self: FaultyTurns, limit: int, timeout_s: float) -> Polled:
        polled = self._turns.poll(limit, 0)  # the first finds out whose the partitions are, as over Kafka, and no events yet
        if next(polls) == 0:
            bench.send(shop_lines()[:100])
        return polled

    def learn(self: Trainers, budget_s: float, wait_s: float) -> bool:
        scored_before_learning.append(bench.metric("events_read_total"))
        return False

    monkeypatch.setattr(FaultyTurns, "poll", poll)
    monkeypatch.setattr(Trainers, "learn", learn)
    loop = bench.loop()
    loop.turn()
    assert scored_before_learning == [60]


@pytest.mark.parametrize("role", ["scorer", "trainer"])
def test_a_role_can_run_alone(role: str) -> None:
    bench = Bench(settings_of(service={"roles": [role]}))
    bench.send(shop_lines())
    loop = bench.loop()
    for _ in range(30):
        loop.turn()
    assert (bench.metric("events_read_total") > 0) == (role == "scorer")
    assert bench.total("examples_learned") == 0
    if role == "scorer":
        assert sum(bench.log.end_offsets("clickscore.examples").values()) > 0


def test_progress_is_told_also_when_there_is_nothing_to_do() -> None:
    bench = Bench()
    loop = bench.loop()
    loop.turn()
    first = bench.metric("last_progress_timestamp_seconds")
    bench.clock.at_s += 30
    loop.turn()
    assert bench.metric("last_progress_timestamp_seconds") == pytest.approx(first + 30)
