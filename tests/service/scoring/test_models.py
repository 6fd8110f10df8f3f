"""The models in force: untrained at first, then the latest that fits, swapped between turns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.service.bench import Bench, FaultyLog, settings_of, shop_lines
from worker.core.learning.trainer import Trainer
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.log.contract import Message, Record
from worker.service.patience import Patience
from worker.service.scoring.models import LOOK_BACK, LOOK_EVERY_S, Models, latest_of, untrained

SETTINGS = settings_of()


def models_of(bench: Bench) -> Models:
    patience = Patience(bench.clock, bench.happened, lambda: False)
    return Models(FaultyLog(bench.log, bench.faults), bench.settings, bench.clock, bench.happened, patience)


def snapshot(target: str, intercept: float, layout: str = LAYOUT) -> Message:
    trainer = Trainer(target, SETTINGS.targets[target], TABLE_SIZE, layout)
    trainer.model.intercept = intercept
    return Message(trainer.snapshot().encode(), target.encode())


def test_the_untrained_scorecard_is_the_one_that_a_trainer_begins_with() -> None:
    for name, target in SETTINGS.targets.items():
        mine, its = untrained(name, target), Trainer(name, target, TABLE_SIZE, LAYOUT).scorecard()
        assert (mine.target, mine.version, mine.layout, mine.intercept, mine.warming_up, mine.base_rate) == (
            its.target, its.version, its.layout, its.intercept, its.warming_up, its.base_rate,
        )  # fmt: skip
        assert np.array_equal(mine.weights, its.weights)
        assert np.array_equal(mine.calibration, its.calibration)


def test_a_snapshot_counts_from_the_next_look_on_and_for_its_target_only() -> None:
    bench = Bench()
    models = models_of(bench)
    before = models.current()
    assert before.versions == ("purchase@0", "intent@0", "churn@0")
    assert models.current() is before
    bench.log.append("clickscore.models", [snapshot("intent", -1.0), snapshot("intent", -2.0)])
    assert models.current() is before  # it was looked just now
    bench.clock.at_s += 2 * LOOK_EVERY_S
    after = models.current()
    assert after.intercepts == (before.intercepts[0], -2.0, before.intercepts[2])


def test_a_worker_that_starts_takes_the_latest_of_every_target() -> None:
    bench = Bench()
    bench.log.append("clickscore.models", [snapshot("intent", -1.0), snapshot("churn", 1.0), snapshot("intent", -2.0)])
    assert models_of(bench).current().intercepts[1:] == (-2.0, 1.0)


@pytest.mark.parametrize("rare", ["intent", "churn"])
def test_a_long_topic_of_models_is_read_from_behind_as_far_as_it_takes(monkeypatch: pytest.MonkeyPatch, rare: str) -> None:
    bench, starts = Bench(), []
    often = [target for target in ("purchase", "intent", "churn") if target != rare]
    bench.log.append("clickscore.models", [snapshot(rare, -7.0)])
    bench.log.append("clickscore.models", [snapshot(target, -0.01 * number) for number in range(100) for target in often])
    read = bench.log.read

    def spied(topic: str, partition: int, start: int = 0) -> Iterator[Record]:
        starts.append(start)
        return read(topic, partition, start)

    monkeypatch.setattr(bench.log, "read", spied)
    found = {records[0].key: records for records in latest_of(bench.log, "clickscore.models", 0, often)}
    assert {key: [record.offset for record in records] for key, records in found.items()} == {
        target.encode(): [193 + 2 * number + place for number in range(4)] for place, target in enumerate(often)
    }
    assert starts == [201 - LOOK_BACK]
    assert len(latest_of(bench.log, "clickscore.models", 0, [rare, *often])) == 3
    assert starts[1:] == [201 - LOOK_BACK, 0]


def test_a_snapshot_that_cannot_be_used_leaves_the_model_before_in_force() -> None:
    bench = Bench()
    bench.log.append("clickscore.models", [snapshot("intent", -1.0)])
    models = models_of(bench)
    for bad in (Message(b"junk", b"intent"), snapshot("intent", -5.0, layout="other"), snapshot("churn", -5.0)._replace(key=b"intent")):
        bench.log.append("clickscore.models", [bad])
        bench.clock.at_s += 2 * LOOK_EVERY_S
        assert models.current().intercepts[1] == -1.0
    assert len(bench.happenings("model refused")) == 3


def test_models_of_targets_that_are_not_configured_are_passed_over() -> None:
    bench = Bench()
    bench.log.append("clickscore.models", [snapshot("intent", -1.0)._replace(key=b"another"), Message(None, b"intent")])
    assert models_of(bench).current().versions[1] == "intent@0"
    assert bench.happenings("model refused") == []


def test_scores_carry_the_model_of_their_turn_and_its_age_is_told() -> None:
    bench = Bench()
    bench.send(shop_lines()[:30])
    loop = bench.loop()
    bench.drain(loop)
    bench.log.append("clickscore.models", [snapshot("intent", -1.0)])
    bench.clock.at_s += 120
    bench.send(shop_lines()[30:60])
    bench.drain(loop)
    scores = [value or b"" for _, _, value, _ in bench.written()["clickscore.scores"]]
    assert b'"raw":0.26894143' not in scores[0]
    assert b'"raw":0.26894143' in scores[-1]  # the chance that log-odds of -1 stand for
    assert bench.metric("model_age_seconds", target="intent") >= 120
