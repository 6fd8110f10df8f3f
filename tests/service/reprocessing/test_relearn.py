"""Relearning beside a running trainer: the model that comes of it has learned each remaining example once, whenever whoever dies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.service.bench import Bench, settings_of, shop_lines
from worker.core.labels.examples import Example
from worker.core.labels.tallies import Tally
from worker.core.learning.relearned import is_relearned, relearned_key
from worker.core.learning.snapshot import Snapshot
from worker.core.learning.trainer import Trainer
from worker.core.privacy.erased_users import ErasedUsers
from worker.core.privacy.erasure import Erased
from worker.core.privacy.receipts import Receipts
from worker.core.privacy.requests import Request
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.log.contract import Message, Record, Topic
from worker.log.errors import Fenced
from worker.service.loop import Loop
from worker.service.privacy.erased import ReceiptsNotOurs
from worker.service.reprocessing.relearning import Relearning, hand_over, relearn, taken_over
from worker.service.scoring.models import Models
from worker.service.training.takeover import Coming, TakeOver

KEY = "0123456789abcdef0123456789abcdef"
TARGETS = ("purchase", "intent", "churn")
EXAMPLES, MODELS, RECEIPTS = "clickscore.examples", "clickscore.models", "clickscore.receipts"
LINES = shop_lines(users=120)


class Killed(Exception):
    """Stands for the end of the process: nothing is done about it."""


def settings(role: str, **service: Any) -> Any:
    return settings_of(service={"roles": [role], "snapshot_examples": 1_000_000, "snapshot_wait": "1 h", **service}, privacy={"key": KEY})


def scored(bench: Bench, lines: tuple[bytes, ...]) -> None:
    """Let a scorer fill the topic of examples."""
    bench.settings = settings("scorer")
    bench.send(lines)
    scorer = bench.loop()
    for _ in range(40):
        scorer.turn()
    bench.settings = settings("trainer")


def trained() -> Bench:
    """A log with examples that a trainer has learned and published, and receipts that erase some of them afterwards."""
    bench = Bench(settings("scorer"))
    bench.log.create([Topic(RECEIPTS, 1, "compact"), Topic("clickscore.privacy", 1, "compact")])
    scored(bench, LINES[: len(LINES) // 2])
    loop = bench.loop()
    loop.turn()
    stop(bench, loop)
    erase(bench, *busiest(bench))
    return bench


def stop(bench: Bench, loop: Loop) -> None:
    """An orderly end: what was learned is published."""
    bench.stop.asked = True
    loop.run()
    bench.stop.asked = False


def busiest(bench: Bench) -> list[str]:
    """Three users with many examples."""
    users = Counter(example.user for number in range(3) for example in examples(bench, number) if isinstance(example, Example))
    of = {bench.settings.pseudonyms.of(f"u{number:06d}"): f"u{number:06d}" for number in range(120)}
    return [of[user] for user, _ in users.most_common(3)]


def erase(bench: Bench, *users: str, until: int = 700) -> None:
    receipts = Receipts(KEY.encode())
    for user in users:
        request = Request("DELETE", f"r-{user}", user, 1)
        bench.log.append(RECEIPTS, [Message(receipts.receipt(request, Erased(1), 2, 0, until), receipts.key(request, 0), partition=0)])


def examples(bench: Bench, number: int) -> list[Example | Tally]:
    return [Example.decode(record.value or b"") for record in records(bench, number)]


def records(bench: Bench, number: int) -> Iterator[Record]:
    return (record for record in bench.log.read(EXAMPLES, number) if not is_relearned(record.key))


def remaining(bench: Bench) -> dict[str, bytes]:
    """What a trainer that never saw the erased ones learns of all that is there, in one go."""
    erased, ends, models = ErasedUsers(KEY.encode()), bench.log.end_offsets(EXAMPLES), {}
    for record in bench.log.read(RECEIPTS, 0):
        erased.take(record.value or b"")
    for number, target in enumerate(TARGETS):
        trainer = Trainer(target, bench.settings.targets[target], TABLE_SIZE, LAYOUT)
        left = [
            example for record in records(bench, number) if not erased.has_example(example := Example.decode(record.value or b"", bench.settings.pseudonyms))
        ]
        assert len(left) < len(list(records(bench, number)))
        trainer.learn_many(left, {number: ends[number]})
        models[target] = trainer.snapshot().encode()
    return models


def in_force(bench: Bench) -> dict[str, bytes]:
    """The latest model of each target, but for what was added to its name."""
    latest = {(key or b"").decode(): Snapshot.decode(value or b"") for _, key, value, _ in bench.written()[MODELS] if not is_relearned(key)}
    plain = {target: {name: number for name, number in one.numbers.items() if name != "named_before"} for target, one in latest.items()}
    return {target: replace(one, numbers=plain[target]).encode() for target, one in latest.items()}


def names(bench: Bench) -> list[str]:
    """Those of all models in force so far, in order."""
    return [Snapshot.decode(value or b"").scorecard(0).version for _, key, value, _ in bench.written()[MODELS] if not is_relearned(key)]


def turn_often(loop: Loop) -> None:
    for _ in range(200):
        loop.turn()


def handed(bench: Bench) -> list[Relearning]:
    done = list(relearn(bench.log, bench.settings))
    for one in done:
        hand_over(bench.log, bench.settings, one)
    return done


def test_a_relearned_model_is_to_the_bit_that_of_a_trainer_that_never_saw_the_erased() -> None:
    bench = trained()
    before = bench.written()
    done = list(relearn(bench.log, bench.settings))
    assert {one.target: one.snapshot for one in done} == remaining(bench)
    assert bench.written() == before  # a dry run
    for one in done:
        assert one.erased > 0
        assert one.read == bench.log.end_offsets(EXAMPLES)[one.partition]
        assert one.refused == 0
        assert 0 < one.log_loss < 1
        assert abs(one.relearned_log_loss - one.log_loss) < 0.1
    # the same examples and nobody erased: the model that runs
    plain = [one.snapshot for one in relearn(bench.log, bench.settings.model_copy(update={"privacy": bench.settings.privacy.model_copy(update={"key": ""})}))]
    assert plain == [in_force(bench)[target] for target in TARGETS]


def test_the_running_trainer_and_the_scorers_go_on_from_it_without_stopping() -> None:
    bench = trained()
    loop = bench.loop()
    loop.turn()
    scored(bench, LINES[len(LINES) // 2 :])  # examples that came meanwhile
    done = handed(bench)
    assert taken_over(bench.log, bench.settings, done, bench.clock, 1.0) == list(TARGETS)  # nobody has, yet
    models = Models(bench.log, settings("scorer"), bench.clock, bench.happened, loop._trainers._patience) if loop._trainers else None
    for _ in range(30):
        loop.turn()
    assert taken_over(bench.log, bench.settings, done, bench.clock, 0.0) == []
    assert in_force(bench) == remaining(bench)
    assert models is not None
    assert set(models.current().versions) == set(names(bench)[-len(TARGETS) :])
    assert bench.metric("examples_skipped_total", target="churn", reason="erased") > 0
    # what comes from then on is learned once
    scored(bench, shop_lines(users=30, seed=6))
    stop(bench, bench.loop())
    bench.drain(loop := bench.loop())
    stop(bench, loop)
    assert in_force(bench) == remaining(bench)


def test_beside_a_scorer_it_comes_up_at_every_turn_though_no_examples_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks for examples have a pause once all were learned; a relearned model must not: more may come in meanwhile than it learns then."""
    monkeypatch.setattr("worker.service.training.takeover.AT_ONCE", 20)
    bench = trained()
    scored(bench, LINES[len(LINES) // 2 :])
    bench.settings = settings("trainer", roles=["scorer", "trainer"])
    done = handed(bench)
    loop = bench.loop()
    for _ in range(400):
        loop.turn()  # and the clock stands still
    assert taken_over(bench.log, bench.settings, done, bench.clock, 0.0) == []


STEPS: dict[str, dict[str, list[Exception | None]]] = {
    "as it reads what comes between": {"read": [None] * 7 + [Killed()]},
    "as it polls": {"examples poll": [None, None, Killed()]},
    "as it sends the model": {"examples send": [Killed()]},
    "as it commits": {"examples commit": [Killed()]},
    "as another takes its partitions": {"examples commit": [Fenced("another has it")]},
    "after two of three": {"examples send": [None, None, Killed()]},
}


@pytest.mark.parametrize("step", STEPS)
def test_a_trainer_that_dies_on_the_way_leaves_the_taking_over_to_the_next(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.service.training.trainer.AT_ONCE", 20)
    monkeypatch.setattr("worker.service.training.takeover.AT_ONCE", 30)
    bench = trained()
    scored(bench, LINES[len(LINES) // 2 :])
    handed(bench)
    bench.faults.update({call: list(script) for call, script in STEPS[step].items()})
    first = bench.loop()
    try:
        turn_often(first)
        died = False
    except Killed:
        died = True
    assert died or step == "as another takes its partitions"
    assert not any(bench.faults.values())
    loop = bench.loop()
    turn_often(loop)
    stop(bench, loop)
    assert in_force(bench) == remaining(bench)


def test_a_trainer_that_dies_as_it_brings_the_model_up_has_published_nothing_since_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.service.training.trainer.AT_ONCE", 20)
    monkeypatch.setattr("worker.service.training.takeover.AT_ONCE", 5)
    bench = trained()
    scored(bench, LINES[len(LINES) // 2 :])
    handed(bench)
    bench.settings = settings("trainer", snapshot_examples=1)
    steps, taken = iter(range(1_000)), TakeOver.step

    def step(self: TakeOver, coming: Coming, until: int) -> bool:
        if next(steps) == 8:
            raise Killed
        return taken(self, coming, until)

    monkeypatch.setattr(TakeOver, "step", step)
    loop = bench.loop()
    with pytest.raises(Killed):
        turn_often(loop)
    loop = bench.loop()
    turn_often(loop)
    assert in_force(bench) == remaining(bench)


@pytest.mark.parametrize("at_once", [1, 7])
def test_examples_that_come_behind_the_mark_are_learned_once(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.service.training.trainer.AT_ONCE", 20)
    monkeypatch.setattr("worker.service.training.takeover.AT_ONCE", at_once)
    bench, third = trained(), len(LINES) // 6
    scored(bench, LINES[3 * third : 4 * third])
    handed(bench)
    scored(bench, LINES[4 * third : 5 * third])
    loop = bench.loop()
    for _ in range(5):
        loop.turn()
    scored(bench, LINES[5 * third :])  # more than there was when the reading began
    for _ in range(1_000):
        loop.turn()
    stop(bench, loop)
    assert in_force(bench) == remaining(bench)


def test_a_relearning_that_dies_between_model_and_mark_changes_nothing_and_the_next_one_counts() -> None:
    bench = trained()
    before = in_force(bench)
    [one, *_] = relearn(bench.log, bench.settings)
    bench.log.append(MODELS, [Message(one.snapshot, relearned_key(one.target), (("relearn_id", b"lost"),), partition=0)])
    stop(bench, bench.loop())
    assert in_force(bench) == before
    handed(bench)
    handed(bench)  # the marks of the first find a later model: they are passed over
    loop = bench.loop()
    for _ in range(10):
        loop.turn()
    stop(bench, loop)
    assert in_force(bench) == remaining(bench)
    for target in TARGETS:  # a name stands for one model, though the relearned one has learned less
        numbers = [int(name.split("@")[1]) for name in names(bench) if name.startswith(f"{target}@")]
        assert numbers == sorted(set(numbers))
    assert {line["target"] for line in bench.happenings("relearned model passed over")} == set(TARGETS)
    assert {line["target"] for line in bench.happenings("relearned model taken over")} == set(TARGETS)


def test_a_model_of_other_settings_is_refused_and_the_one_that_runs_stays() -> None:
    bench = trained()
    before = {name: Snapshot.decode(model).numbers["learned"] for name, model in in_force(bench).items()}
    for one in relearn(bench.log, bench.settings):
        one.snapshot = b"no snapshot"
        hand_over(bench.log, bench.settings, one)
    loop = bench.loop()
    loop.turn()
    stop(bench, loop)
    assert {name: Snapshot.decode(model).numbers["learned"] for name, model in in_force(bench).items()} == before
    assert len(bench.happenings("model refused")) == len(TARGETS)


def test_receipts_of_another_key_stop_a_relearning_and_are_not_heeded_by_a_trainer() -> None:
    bench = trained()
    bench.log.append(RECEIPTS, [Message(b'{"user":"x","until":9}', b"r", partition=0)])
    with pytest.raises(ReceiptsNotOurs, match="signature"):
        list(relearn(bench.log, bench.settings))
    bench.loop()
    assert len(bench.happenings("receipt refused")) == 1


def test_where_nothing_was_learned_there_is_nothing_to_relearn_and_a_fresh_log_loss_is_unknown() -> None:
    bench = Bench(settings("scorer"))
    bench.log.create([Topic(RECEIPTS, 1, "compact")])
    assert list(relearn(bench.log, bench.settings)) == []
    assert math.isnan(Relearning("purchase", 0, 0, 0).log_loss)
