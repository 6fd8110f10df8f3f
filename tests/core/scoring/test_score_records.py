"""Score records: what the schema says, in the published direction, with reasons that name the user's own values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from tests.core.runs import DEFAULTS, run, scorecards
from tests.core.shops import START_MS, Value, shop
from worker.core.pipeline import Pipeline
from worker.core.scoring.scorecard import Scorecards
from worker.core.scoring.slots import SLOT_OF, TABLE_SIZE

VALIDATOR = Draft202012Validator(json.loads((Path(__file__).parents[3] / "schemas" / "score.schema.json").read_text(encoding="utf-8")))


def only(name: str, weight: float = 2.0, warming_up: bool = False) -> Scorecards:
    """Scorecards in which one slot alone has weights."""
    weights = np.zeros((3, TABLE_SIZE))
    weights[:, SLOT_OF[name].base : SLOT_OF[name].base + SLOT_OF[name].size] = weight
    return Scorecards(("purchase", "intent", "churn"), weights, [-3.0, -4.0, 1.0], ["purchase@1", "intent@2", "churn@3"], [0.05, 0.02, 0.7], [warming_up] * 3)


def record_of(cards: Scorecards, **fields: Any) -> dict[str, Any]:
    done = run([json.dumps({"event": "view_item", "user_id": "u", "timestamp": START_MS, **fields}).encode()], cards=cards)
    loaded: dict[str, Any] = json.loads(done.scores[fields.get("user_id", "u")][0])
    return loaded


@pytest.mark.parametrize("reasons", [0, 3])
def test_every_record_is_what_the_schema_says(reasons: int) -> None:
    done = run(shop(22, 300), settings=DEFAULTS.model_copy(update={"reasons": reasons}))
    records = [json.loads(record) for user in done.scores for record in done.scores[user]]
    assert {record["cause"] for record in records} == {"event", "silence"}
    assert [error.message for record in records for error in VALIDATOR.iter_errors(record)] == []


def test_a_record_says_who_when_why_and_by_which_model() -> None:
    record = record_of(only("country"), event_id='e"1\\', user_id='u"\n🎩', country="DE")
    assert {key: record[key] for key in ("schema", "score_id", "user_id", "time_ms", "cause", "event_id")} == {
        "schema": 1,
        "score_id": "0-0",
        "user_id": 'u"\n🎩',
        "time_ms": START_MS,
        "cause": "event",
        "event_id": 'e"1\\',
    }
    assert [record[target]["model"] for target in ("purchase", "intent", "churn")] == ["purchase@1", "intent@2", "churn@3"]
    assert record["purchase"]["reasons"][0] == ["country DE", 2.0]
    assert "abstain" not in record["purchase"]
    assert "event_id" not in record_of(only("country"))


def test_texts_that_look_like_the_seams_between_texts_stay_whole() -> None:
    odd = ["a", 'b",', '",\n  "', "c\n", "null", "\\", "\u2028", ",", "  d"]
    values: list[Value] = [
        json.dumps({"event": "view_item", "user_id": user, "timestamp": START_MS, **({"event_id": user * 2} if number % 3 else {})}).encode()
        for number, user in enumerate(odd)
    ]
    done = run(values)
    for number, user in enumerate(odd):
        (record,) = map(json.loads, done.scores[user])
        assert (record["user_id"], record["score_id"]) == (user, f"0-{number}")
        assert record.get("event_id") == (user * 2 if number % 3 else None)


def test_churn_is_the_absence_of_a_return_in_probability_lift_and_points() -> None:
    record = record_of(only("country"), country="DE")
    churn, chance = record["churn"], 1 / (1 + np.exp(-3.0))  # of a return: 1 + 2
    assert churn["raw"] == pytest.approx(1 - chance, abs=1e-7)
    assert churn["lift"] == pytest.approx((1 - chance) / (1 - 0.7), rel=1e-5)
    assert churn["reasons"][0] == ["country DE", -2.0]
    assert (churn["base"], churn["rest"]) == (-1.0, 0.0)


def test_a_scorecard_that_is_warming_up_abstains() -> None:
    record = record_of(only("country", warming_up=True))
    assert {record[target]["abstain"] for target in ("purchase", "intent", "churn")} == {"warming_up"}
    assert list(VALIDATOR.iter_errors(record)) == []


def test_users_who_share_a_bin_keep_their_own_words() -> None:
    values: list[Value] = [
        json.dumps({"event": "view_item", "user_id": f"u{n}", "timestamp": START_MS, "device": f"d{n}", "path": f"/{n}"}).encode() for n in range(400)
    ]
    for name, said in (("device", "device d{}"), ("path × cart", "path × cart: /{} × empty")):
        done = run(values, [90] * 5, cards=only(name))
        assert all(json.loads(done.scores[f"u{n}"][0])["purchase"]["reasons"][0][0] == said.format(n) for n in range(400))


def test_scores_carry_their_partition() -> None:
    pipeline = Pipeline(DEFAULTS, partition=7)
    values: list[Value] = [json.dumps({"event": "view_item", "user_id": user, "timestamp": START_MS}).encode() for user in "ab"]
    turn = pipeline.turn(values, [41, 42], scorecards())
    assert [json.loads(record)["score_id"] for _, record in turn.scores] == ["7-41", "7-42"]


def test_a_new_scorecard_is_used_from_the_next_turn_on() -> None:
    values: list[Value] = [json.dumps({"event": "view_item", "user_id": user, "timestamp": START_MS, "country": "DE"}).encode() for user in "ababab"]
    done = run(values[:2], cards=only("country", 1.0))
    done.take(done.pipeline.turn(values[2:4], [2, 3], only("country", 2.0)))
    done.take(done.pipeline.turn(values[4:6], [4, 5], only("country", 1.0)))
    points = [json.loads(record)["purchase"]["reasons"][0][1] for record in done.scores["a"]]
    assert points == [1.0, 2.0, 1.0]
    assert {len(model) for model in done.pipeline.decisions.models} == {3}
