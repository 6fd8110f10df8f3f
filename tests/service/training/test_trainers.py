"""The trainers over a log in memory: each example is learned exactly once, whatever happens between two snapshots."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.service.bench import STEP_S, Bench, FaultyTurns, settings_of, shop_lines
from worker.core.labels.examples import Example
from worker.core.learning.snapshot import Snapshot
from worker.core.learning.trainer import Trainer
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.log.contract import Message, Polled, TopicPartition
from worker.log.errors import Fenced, LogFull, MemberReplaced
from worker.service.training.trainer import JUDGED_EVERY_S

LINES = shop_lines()
TARGETS = ("purchase", "intent", "churn")


class Killed(Exception):
    """Stands for the end of the process: nothing is done about it."""


def with_examples(**service: Any) -> Bench:
    """A log that a scorer has filled with examples."""
    bench = Bench(settings_of(service={"roles": ["scorer"]}))
    bench.send(LINES)
    scorer = bench.loop()
    for _ in range(60):
        scorer.turn()
    bench.settings = settings_of(service={"roles": ["trainer"], "snapshot_examples": 1_000_000, "snapshot_wait": "1 h", **service})
    return bench


def snapshots(bench: Bench) -> dict[str, Snapshot]:
    """The latest of each target."""
    return {(key or b"").decode(): Snapshot.decode(value or b"") for _, key, value, _ in bench.written()["clickscore.models"]}


def positions(bench: Bench) -> dict[int, int]:
    return bench.log.committed("clickscore.trainer", "clickscore.examples")


def learned_at_once(bench: Bench) -> dict[str, bytes]:
    """What River learns of the same examples in one go."""
    models = {}
    for number, target in enumerate(TARGETS):
        trainer = Trainer(target, bench.settings.targets[target], TABLE_SIZE, LAYOUT)
        examples = [Example.decode(record.value or b"") for record in bench.log.read("clickscore.examples", number)]
        trainer.learn_many(examples, {number: len(examples)})
        models[target] = trainer.snapshot().encode()
    return models


def test_positions_move_only_with_the_snapshot_that_has_learned_up_to_them() -> None:
    bench = with_examples(snapshot_examples=50)
    ends = bench.log.end_offsets("clickscore.examples")
    loop = bench.loop()
    loop.turn()
    assert min(ends.values()) > 100
    written = snapshots(bench)
    assert {int(p): offset for one in written.values() for p, offset in one.numbers["positions"].items()} == positions(bench)
    assert any(offset > 0 for offset in positions(bench).values())


def test_nothing_is_published_before_it_is_due_and_a_wait_makes_it_due() -> None:
    bench = with_examples(snapshot_wait="60 s")
    loop = bench.loop()
    loop.turn()
    assert set(positions(bench).values()) == {0}
    assert snapshots(bench) == {}
    bench.clock.at_s += 61
    loop.turn()
    assert positions(bench) == bench.log.end_offsets("clickscore.examples")
    assert set(snapshots(bench)) == set(TARGETS)


def test_the_end_publishes_what_was_learned() -> None:
    bench = with_examples()
    loop = bench.loop()
    loop.turn()
    bench.stop.asked = True
    loop.run()
    assert {name: snapshot.encode() for name, snapshot in snapshots(bench).items()} == learned_at_once(bench)


@pytest.mark.parametrize("every", [20, 45])
def test_trainers_that_die_between_snapshots_learn_each_example_once(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.service.training.trainer.AT_ONCE", 13)
    bench = with_examples(snapshot_examples=every)
    for polls in (3, 19, 24, 14, 12):
        bench.faults["examples poll"] = [None] * polls + [Killed()]
        with pytest.raises(Killed):
            bench.loop().turn()
        assert bench.lag() > 0
    loop = bench.loop()
    loop.turn()
    bench.stop.asked = True
    loop.run()
    assert len(bench.happenings("trainer resumed")) > 2
    assert {name: snapshot.encode() for name, snapshot in snapshots(bench).items()} == learned_at_once(bench)


@pytest.mark.parametrize("fault", [LogFull("no room"), Fenced("another has it")])
def test_a_fault_while_publishing_loses_and_repeats_nothing(fault: Exception) -> None:
    bench = with_examples(snapshot_examples=60)
    bench.faults["examples commit"] = [None, fault, None, fault]
    loop = bench.loop()
    for _ in range(20):
        loop.turn()
    bench.stop.asked = True
    loop.run()
    assert {name: snapshot.encode() for name, snapshot in snapshots(bench).items()} == learned_at_once(bench)


def test_a_record_that_is_no_example_is_passed_over_and_counted() -> None:
    bench = with_examples()
    first = next(iter(bench.log.read("clickscore.examples", 0))).value
    bench.log.append("clickscore.examples", [Message(b"{}", partition=0), Message(b"\xff", partition=1), Message(first, partition=2)])
    loop = bench.loop()
    loop.turn()
    assert bench.metric("examples_refused_total") == 3
    assert bench.total("examples_learned") == sum(bench.log.end_offsets("clickscore.examples").values()) - 3
    assert "purchase" in bench.happenings("example refused")[-1]["error"]


def test_the_log_loss_of_what_was_published_is_told_beside_that_of_the_base_rate() -> None:
    bench = with_examples(snapshot_examples=1)
    loop = bench.loop()
    loop.turn()
    bench.clock.at_s += JUDGED_EVERY_S
    loop.turn()
    for target in TARGETS:
        assert 0 < bench.metric("log_loss", target=target, cause="event", model="published") < 1
        assert 0 <= bench.metric("log_loss_baseline", target=target, cause="event") < 0.7


def test_a_snapshot_that_does_not_fit_its_position_is_reported() -> None:
    bench = with_examples(snapshot_examples=1)
    bench.loop().turn()
    turns = bench.log.turns("clickscore.trainer", ["clickscore.examples"], "m")
    turns.poll(1, 0)
    turns.commit({TopicPartition("clickscore.examples", 1): 0})
    bench.loop().turn()
    assert [line["target"] for line in bench.happenings("snapshot and position differ")] == ["intent"]


def test_a_trainer_whose_name_was_taken_stops() -> None:
    bench = with_examples()
    older = bench.loop()
    older.turn()
    bench.loop().turn()
    bench.clock.at_s += STEP_S
    with pytest.raises(MemberReplaced):
        older.turn()


def test_learning_ends_its_turn_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.service.training.trainer.AT_ONCE", 10)
    bench = with_examples()
    loop = bench.loop()
    clock = bench.clock
    ticks = iter(range(10**9))
    monkeypatch.setattr(clock, "elapsed_s", lambda: 1_000 + 0.005 * next(ticks))  # every look at the clock costs 5 ms
    loop.turn()
    assert 0 < bench.total("examples_learned") <= 60


def examples_polled(monkeypatch: pytest.MonkeyPatch, answers: bool) -> list[float]:
    """Notes when examples are asked for; without `answers` the log has none at hand yet."""
    polled: list[float] = []
    poll = FaultyTurns.poll

    def noting(turns: FaultyTurns, limit: int, timeout_s: float) -> Polled:
        if turns._prefix != "examples ":
            return poll(turns, limit, timeout_s)
        polled.append(timeout_s)
        return poll(turns, limit, timeout_s) if answers else Polled()

    monkeypatch.setattr(FaultyTurns, "poll", noting)
    return polled


def test_once_all_examples_are_learned_a_scorer_is_not_held_up_by_looks_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = with_examples(roles=["scorer", "trainer"], snapshot_examples=1)
    loop = bench.loop()
    bench.drain(loop)
    polled = examples_polled(monkeypatch, answers=True)
    loop.turn()
    assert len(polled) == 1
    loop.turn()
    assert len(polled) == 1
    bench.clock.at_s += STEP_S
    loop.turn()
    assert len(polled) == 2


def test_examples_that_are_known_to_be_there_are_asked_for_until_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = with_examples(roles=["scorer", "trainer"])
    polled = examples_polled(monkeypatch, answers=False)
    monkeypatch.setattr(FaultyTurns, "lag", lambda _: {TopicPartition("clickscore.examples", 0): 1})
    loop = bench.loop()
    for _ in range(3):
        loop.turn()
    assert len(polled) == 3


def test_a_worker_is_put_together_without_river_which_takes_a_second_to_import() -> None:
    code = "import sys, worker.service.assembly; print(sorted({'river', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
