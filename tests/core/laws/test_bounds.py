"""Law 8, bounds: 0 < p < 1 and finite, for any event that decodes, a user's first one included, whatever the scorecard has learned."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.event_records import Record, encodings, valid_records
from tests.core.runs import DEFAULTS, Run, run, scorecards
from tests.core.shops import DAY_MS, START_MS, Value, shops
from worker.core.pipeline import Pipeline

# Detection of outages has tests of its own; here it would only take its time over gaps of thousands of years.
UNWATCHED = DEFAULTS.model_copy(update={"outage": DEFAULTS.outage.model_copy(update={"detect": False})})
LAST_MS = 253_402_300_799_999  # year 9999
absurd = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["purchase", "refund", "add_to_cart", "view_item", "x"]),
        "user_id": st.sampled_from("ab"),
        "timestamp": st.sampled_from([0, 1, START_MS, START_MS + 1, LAST_MS - 1, LAST_MS]),
    },
    optional={
        "quantity": st.sampled_from([0, 5e-324, 0.004, 1e6]),
        **{name: st.sampled_from([0, 5e-324, 0.004, 1e6, 1e9]) for name in ("price", "revenue", "discount")},
        **{name: st.sampled_from(["", "x", "\x00", "🎩"]) for name in ("order_id", "item_id", "path", "item_category", "country", "session_id", "event_id")},
    },
)


def assert_bounded(done: Run) -> None:
    for user in done.scores:
        for text in done.scores[user]:
            record = json.loads(text)
            assert record["user_id"] == user != ""
            for target in done.pipeline.targets:
                score = record[target]
                assert 0 < score["p"] < 1
                assert 0 < score["raw"] < 1
                assert 0 < score["lift"] < math.inf
                assert all(math.isfinite(points) for _, points in score["reasons"])
                assert math.isfinite(score["rest"] + score["base"])
    for example in done.examples:
        assert 0 < example.p < 1
        assert 0 < example.weight < math.inf
        assert example.bins.min() > 0


@settings(max_examples=40)
@given(st.lists(encodings(absurd), min_size=1, max_size=20), st.sampled_from([0.0, 0.3, 50.0, 1e4]), st.booleans())
def test_absurd_events_and_extreme_weights_score_within_bounds(values: list[Value], spread: float, live: bool) -> None:
    cards = scorecards(spread=spread)
    done = Run(Pipeline(UNWATCHED))
    for number, value in enumerate(values):
        done.take(done.pipeline.turn([value], [number], cards, now_ms=LAST_MS if live else None))
    done.take(done.pipeline.finish(cards))
    assert_bounded(done)


@settings(max_examples=30)
@given(st.lists(encodings(valid_records()), min_size=1, max_size=8))
def test_any_event_that_decodes_scores_within_bounds(values: list[Value]) -> None:
    assert_bounded(run(values, settings=UNWATCHED))


@settings(max_examples=10)
@given(shops(), st.sampled_from([-800.0, 800.0]))
def test_scores_stay_within_bounds_where_every_bin_pulls_the_same_way(values: list[Value], weight: float) -> None:
    cards = scorecards(spread=0.0)
    weights = cards.weights.copy()
    weights[:, 1:] = weight
    cards = type(cards)(cards.targets, weights, cards.intercepts, cards.versions, cards.base_rates, cards.warming_up)
    assert_bounded(run(values, cards=cards))


def test_a_year_9999_that_two_users_confirm() -> None:
    values: list[Value] = [
        json.dumps({"event": "purchase", "user_id": user, "timestamp": time_ms, "price": 1e9}).encode()
        for time_ms in (START_MS, START_MS + DAY_MS, LAST_MS)
        for user in ("a", "b")
    ]
    done = run(values, [2, 2, 2])
    done.take(done.pipeline.idle(40 * DAY_MS, scorecards()))
    assert done.counts["events"] == 6
    assert_bounded(done)


@pytest.mark.parametrize("event", ["purchase", "refund", "view_item", "no_such_event"])
def test_the_first_event_of_a_partition_and_of_a_user(event: str) -> None:
    record: Record = {"event": event, "user_id": "u", "timestamp": START_MS}
    done = run([json.dumps(record).encode()])
    assert done.counts["events"] == 1
    assert_bounded(done)
