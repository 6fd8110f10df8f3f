"""What is really published of segments and triggers fits its schemas, every result and reason of a long stream included."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.core.action.action_runs import TRIGGERS, ActionRun, acted, plan, spoken
from tests.core.shops import shop
from worker.core.action.guards.guards import REASONS

SCHEMAS = Path(__file__).parents[3] / "schemas"


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def run() -> ActionRun:
    chance = random.Random(1)
    return acted(spoken(shop(1, 300), [chance.randrange(90) for _ in range(97)]), made=plan())


def test_every_trigger_fits(run: ActionRun) -> None:
    assert {record["result"] for record in run.in_order} == {"fired", "held", "suppressed"}
    assert [error.message for record in run.in_order for error in validator("trigger").iter_errors(record)] == []


def test_every_change_of_segments_fits(run: ActionRun) -> None:
    records = [json.loads(value) for values in run.segments.values() for value in values if value]
    assert any(record["left"] for record in records)
    assert [error.message for record in records for error in validator("segment").iter_errors(record)] == []


def test_everything_remembered_fits(run: ActionRun) -> None:
    records = [json.loads(value) for key, value in run.of_action().items() if key.startswith(b"a:")]
    totals = [json.loads(value) for key, value in run.of_action().items() if key.startswith(b"r:")]
    assert {record["rule"] for record in totals} == set(TRIGGERS)
    assert [error.message for record in totals for error in validator("totals").iter_errors(record)] == []
    assert any("assigned" in record for record in records)
    assert any(record["held"] for record in records)
    assert any(record["fired"] for record in records)
    assert [error.message for record in records for error in validator("action").iter_errors(record)] == []


def test_the_schema_knows_every_reason() -> None:
    stated = json.loads((SCHEMAS / "trigger.schema.json").read_text(encoding="utf-8"))["properties"]["reason"]["enum"]
    assert tuple(stated) == REASONS
