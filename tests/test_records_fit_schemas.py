"""What the program really writes fits its schemas: a small shop goes through a pipeline and its trainers, and every record is held against one."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from worker.core.labels.examples import Example
from worker.core.labels.tallies import Tally
from worker.core.learning.trainer import Trainer
from worker.core.pipeline import Pipeline, Turn
from worker.core.scoring.scorecard import Scorecards
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.core.settings import CoreSettings
from worker.core.state.changelog import PARTITION_KEY
from worker.demo.shop import Shop, ShopSettings

SCHEMAS = Path(__file__).parents[1] / "schemas"
KINDS = {b"u:": "profile", b"d:": "decision", b"l:": "label", PARTITION_KEY: "partition"}
TARGETS = {
    "purchase": {"horizon": "1 d", "abstain_below": 0},
    "intent": {"horizon": "30 min", "optimizer": "adagrad"},
    "churn": {"outcome": "any", "delay": "30 min", "absence": True, "horizon": "1 d", "scheme": "fake_negative"},
    "cart": {"outcome": "add_to_cart", "horizon": "1 h", "optimizer": "sgd"},
}


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")))


def misfits(name: str, values: list[bytes]) -> list[str]:
    return [error.message for value in values for error in validator(name).iter_errors(json.loads(value))]


class Run:
    """A shop's records through pipeline and trainers, and all that came out."""

    def __init__(self, reasons: int) -> None:
        settings = CoreSettings.model_validate({"reasons": reasons, "targets": TARGETS})
        pipeline = Pipeline(settings, partition=3)
        trainers = [Trainer(name, target, TABLE_SIZE, LAYOUT) for name, target in pipeline.targets.items()]
        values = [value for value, _ in Shop(ShopSettings(users=40, days=5)).stream()]
        self.turns: list[Turn] = []
        self.snapshots = [trainer.snapshot().encode() for trainer in trainers]
        for start in range(0, len(values), 100):
            part = values[start : start + 100]
            self._take(trainers, pipeline.turn(part, range(start, start + len(part)), Scorecards.of([trainer.scorecard() for trainer in trainers])))
        ahead = values[-1].replace(b'"timestamp":1', b'"timestamp":2')  # waits for confirmation, in the partition's record
        scorecards = Scorecards.of([trainer.scorecard() for trainer in trainers])
        for turn in (pipeline.turn([ahead], [len(values)], scorecards), pipeline.idle(3 * 86_400_000, scorecards), pipeline.finish(scorecards)):
            self._take(trainers, turn)
        self.snapshots += [trainer.snapshot().encode() for trainer in trainers]

    def _take(self, trainers: list[Trainer], turn: Turn) -> None:
        self.turns.append(turn)
        for trainer in trainers:
            trainer.learn_many([example for example in turn.examples if example.target == trainer.name], {0: len(self.turns)})

    @property
    def scores(self) -> list[bytes]:
        return [value for turn in self.turns for _, value in turn.scores]

    def changes(self, kind: bytes) -> list[bytes]:
        return [value for turn in self.turns for key, value in turn.changes if key[:2] == kind and value is not None]


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(reasons=3)


def test_every_score_fits(run: Run) -> None:
    causes = {json.loads(value)["cause"] for value in run.scores}
    abstaining = {"abstain" in json.loads(value)[name] for value in run.scores for name in TARGETS}
    assert (causes, abstaining) == ({"event", "silence"}, {True, False})
    assert misfits("score", run.scores) == []


def test_scores_without_reasons_fit() -> None:
    scores = Run(reasons=0).scores
    assert scores
    assert not any(b"reasons" in value for value in scores)
    assert misfits("score", scores) == []


def test_the_parts_of_every_score_add_up_as_documented(run: Run) -> None:
    tables: list[dict[str, Any]] = [json.loads(value)[name] for value in run.scores for name in TARGETS]
    gaps = [
        abs(table["base"] + table["rest"] + sum(points for _, points in table["reasons"]) - math.log(table["raw"] / (1 - table["raw"]))) for table in tables
    ]
    assert max(gaps) < 0.001  # each part is rounded to four digits


def test_every_example_fits(run: Run) -> None:
    examples = [example for turn in run.turns for example in turn.examples if isinstance(example, Example)]
    assert {example.sense for example in examples} == {"matured", "provisional", "happened"}
    assert {example.cause for example in examples} == {0, 1}
    assert misfits("example", [example.encode() for example in examples]) == []


def test_every_tally_fits(run: Run) -> None:
    tallies = [tally for turn in run.turns for tally in turn.examples if isinstance(tally, Tally)]
    assert {tally.target for tally in tallies} == {"purchase", "churn"}  # the windows of the others are too short to be looked at
    assert any(sum(tally.seen) for tally in tallies)
    assert misfits("tally", [tally.encode() for tally in tallies]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_record_of_the_changelog_fits(run: Run, kind: bytes) -> None:
    assert run.changes(kind)
    assert misfits(KINDS[kind], run.changes(kind)) == []


def test_the_changelog_has_no_other_kinds_of_records(run: Run) -> None:
    assert {key[:2] for turn in run.turns for key, _ in turn.changes} == set(KINDS)
    assert any(json.loads(value)["held"] for value in run.changes(PARTITION_KEY))


def test_every_snapshots_header_fits(run: Run) -> None:
    headers = [snapshot.partition(b"\n")[0] for snapshot in run.snapshots]
    assert {json.loads(header)["settings"]["optimizer"] for header in headers} == {"ftrl", "adagrad", "sgd"}
    assert any(json.loads(header)["numbers"]["learned"] for header in headers)
    assert misfits("model", headers) == []
