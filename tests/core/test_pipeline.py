"""The pipeline's turns: what they give out, in which order, live and in a replay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.core.runs import DEFAULTS, Run, run, scorecards
from tests.core.shops import BROKEN, DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Value, shop
from worker.core.events.faults import REASONS
from worker.core.pipeline import Pipeline
from worker.core.profiles import layout as at


def view(user: str, after_ms: int = 0, **fields: Any) -> Value:
    return json.dumps({"event": "view_item", "user_id": user, "timestamp": START_MS + after_ms, **fields}).encode()


def test_a_silence_is_published_before_the_event_that_ended_it() -> None:
    done = run([view("a"), view("b"), view("a", 7 * HOUR_MS)])
    records = [json.loads(record) for record in done.scores["a"]]
    assert [(record["cause"], record["time_ms"] - START_MS) for record in records] == [
        ("event", 0),
        ("silence", HOUR_MS),
        ("silence", 6 * HOUR_MS),
        ("event", 7 * HOUR_MS),
    ]
    assert [record["score_id"] for record in records] == ["0-0", "0-0.1", "0-0.2", "0-2"]


def test_dead_letters_carry_offset_bytes_and_a_known_reason() -> None:
    values = [view("a"), *BROKEN.values(), view("b"), view("c", 400 * DAY_MS)]
    done = Run(Pipeline(DEFAULTS))
    done.take(done.pipeline.turn(values, range(100, 100 + len(values)), scorecards()))
    done.take(done.pipeline.finish(scorecards()))
    assert [letter.offset for letter in done.dead_letters] == [101, 102, 103, 104, 106]
    assert all(letter.value == values[letter.offset - 100] for letter in done.dead_letters)
    assert [letter.reason for letter in done.dead_letters] == ["invalid_json", "null_value", "nested_value", "missing_field", "from_the_future"]
    assert {letter.reason for letter in done.dead_letters} <= set(REASONS)
    assert all(letter.detail for letter in done.dead_letters)


def test_live_an_event_ahead_of_the_clock_is_a_dead_letter_and_nothing_waits() -> None:
    done = Run(Pipeline(DEFAULTS))
    turn = done.take(done.pipeline.turn([view("a"), view("a", 6 * MINUTE_MS), view("a", 1)], [0, 1, 2], scorecards(), now_ms=START_MS))
    assert [letter.offset for letter in turn.dead_letters] == [1]
    assert (turn.events, done.pipeline.state.held) == (2, [])


def test_what_waited_in_a_replay_is_scored_once_the_input_is_live() -> None:
    done = Run(Pipeline(DEFAULTS))
    done.take(done.pipeline.turn([view("a")], [0], scorecards()))
    done.restart()
    turn = done.take(done.pipeline.turn([view("b", DAY_MS)], [1], scorecards(), now_ms=START_MS + DAY_MS))
    assert turn.events == 2
    assert json.loads(done.scores["a"][0])["score_id"] == "0-0"
    assert done.pipeline.state.held == []


def test_a_turn_of_nothing_gives_nothing_but_the_partitions_record() -> None:
    pipeline = Pipeline(DEFAULTS)
    for turn in (pipeline.turn([], [], scorecards()), pipeline.idle(DAY_MS, scorecards()), pipeline.finish(scorecards())):
        assert (turn.scores, turn.examples, turn.dead_letters, turn.read) == ([], [], [], 0)
        assert [key for key, _ in turn.changes] == [b"p:"]


def test_finish_may_be_called_again() -> None:
    done = run(shop(23, 100))
    again = done.take(done.pipeline.finish(scorecards()))
    assert (again.scores, again.dead_letters, again.examples) == ([], [], [])


def test_without_changes_nothing_else_is_different() -> None:
    values = shop(24, 500)
    kept = run(values, [50] * 10)
    pipeline = Pipeline(DEFAULTS, keep_changes=False)
    bare = Run(pipeline)
    for start in range(0, 500, 50):
        bare.take(pipeline.turn(values[start : start + 50], range(start, start + 50), scorecards()))
    bare.take(pipeline.finish(scorecards()))
    assert bare.scores == kept.scores
    assert bare.changelog == {}
    assert (len(pipeline.decisions.touched), pipeline.decisions.removed) == (0, [])
    assert [example.decision_id for example in bare.examples] == [example.decision_id for example in kept.examples]


def test_a_shops_own_names_are_translated_and_unknown_ones_are_other() -> None:
    named = DEFAULTS.model_copy(update={"events": DEFAULTS.events.model_copy(update={"names": {"kauf": "purchase"}})})
    values = [view(user, event=event) for user, event in (("a", "kauf"), ("b", "sonst"))]
    done = run(values, settings=named)
    purchases = {user: json.loads(records[0]) for user, records in done.scores.items()}
    assert purchases.keys() == {"a", "b"}
    profiles = done.pipeline.profiles
    assert [profiles.rows[profiles.row_of[user]][at.PURCHASES] for user in ("a", "b")] == [1, 0]


@pytest.mark.parametrize("sizes", [[4], [1, 1, 1, 1]])
def test_unknown_fields_are_counted_by_event_however_long_it_waits(sizes: list[int]) -> None:
    values = [view("a", campaign="x"), view("a", 1, campaign="x"), view("b", 2), view("c", 3, other=1)]
    assert run(values, sizes).pipeline.unknown_fields == {"campaign": 2, "other": 1}


def test_a_target_that_is_off_is_not_scored() -> None:
    targets = {**DEFAULTS.targets, "intent": DEFAULTS.targets["intent"].model_copy(update={"enabled": False})}
    off = DEFAULTS.model_copy(update={"targets": targets})
    done = run(shop(25, 300), settings=off)
    assert all("intent" not in json.loads(record) for user in done.scores for record in done.scores[user])
    assert {example.target for example in done.examples} == {"purchase", "churn"}


def test_examples_of_the_delay_corrected_scheme_come_early_and_again_at_maturity() -> None:
    targets = {"purchase": DEFAULTS.targets["purchase"].model_copy(update={"scheme": "fake_negative"})}
    early = DEFAULTS.model_copy(update={"targets": targets, "outage": DEFAULTS.outage.model_copy(update={"detect": False})})
    done = run(shop(26, 800), [40] * 20, settings=early)
    senses = {sense: {example.decision_id for example in done.examples if example.sense == sense} for sense in ("provisional", "happened", "matured")}
    assert all(senses.values())
    assert senses["happened"] <= senses["provisional"] | senses["happened"]
    matured = {example.decision_id: example.outcome for example in done.examples if example.sense == "matured"}
    assert {decision for decision, outcome in matured.items() if outcome} <= senses["happened"]
