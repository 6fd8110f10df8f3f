"""Outcomes: windows open and close to the millisecond, refunds take back, an order's lines buy once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.core.reading import splitmix64
from tests.core.runs import COMPLETE, run, scorecards
from tests.core.shops import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Value
from worker.core.labels.watched import watched_events
from worker.core.settings import CoreSettings, TargetSettings

HALF_HOUR_MS = 30 * MINUTE_MS


def outcomes(*later: tuple[str, int] | tuple[str, int, str], settings: CoreSettings = COMPLETE) -> dict[str, bool]:
    """What became of a decision of user "u" at the start, given events after it: name, ms later, order id."""
    events = [("page_view", 0), *later]
    values: list[Value] = []
    for name, after_ms, *order in events:
        record: dict[str, Any] = {"event": name, "user_id": "u", "timestamp": START_MS + after_ms}
        values.append(json.dumps({"event": "page_view", "user_id": "other", "timestamp": START_MS + after_ms}).encode())  # time has come so far
        values.append(json.dumps(record | ({"order_id": order[0]} if order else {})).encode())
    own = range(1, len(values), 2)
    seed = next(seed for seed in range(1000) if min(own, key=lambda offset: splitmix64(offset, seed)) == 1)  # draws the first of them
    done = run(values, [1] * len(values), settings=settings.model_copy(update={"seed": seed}))
    for _ in range(10):
        done.take(done.pipeline.idle(DAY_MS, scorecards(settings)))
    return {example.target: example.outcome for example in done.examples if example.decision_id == "0-1"}


@pytest.mark.parametrize(("after_ms", "happened"), [(1, True), (HALF_HOUR_MS, True), (HALF_HOUR_MS + 1, False)])
def test_a_window_is_open_after_the_decision_up_to_its_end(after_ms: int, happened: bool) -> None:
    assert outcomes(("purchase", after_ms))["intent"] is happened


@pytest.mark.parametrize(
    ("after_ms", "happened"), [(HALF_HOUR_MS, False), (HALF_HOUR_MS + 1, True), (HALF_HOUR_MS + 7 * DAY_MS, True), (HALF_HOUR_MS + 7 * DAY_MS + 1, False)]
)
def test_a_return_is_counted_from_the_delay_on(after_ms: int, happened: bool) -> None:
    assert outcomes(("scroll", after_ms))["churn"] is happened


def test_a_refund_takes_the_label_back_within_the_window_and_not_after() -> None:
    bought = ("purchase", HOUR_MS, "o1")
    assert outcomes(bought)["purchase"]
    assert not outcomes(bought, ("refund", 2 * HOUR_MS, "o1"))["purchase"]
    assert not outcomes(bought, ("refund", 2 * HOUR_MS))["purchase"]
    assert outcomes(bought, ("refund", 2 * HOUR_MS, "another"))["purchase"]
    assert outcomes(bought, ("refund", 7 * DAY_MS + 1, "o1"))["purchase"]
    assert outcomes(bought, ("purchase", 2 * HOUR_MS, "o2"), ("refund", 3 * HOUR_MS, "o1"))["purchase"]
    assert outcomes(("purchase", MINUTE_MS, "o1"), ("refund", HOUR_MS, "o1"))["intent"]  # the half hour was over by then


def test_a_further_line_of_an_earlier_order_is_no_purchase() -> None:
    values: list[Value] = [
        json.dumps({"event": event, "user_id": user, "timestamp": START_MS + after_ms, "order_id": order}).encode()
        for event, user, after_ms, order in (("page_view", "other", 0, ""), ("purchase", "u", 0, "o1"), ("purchase", "u", 2 * DAY_MS, "o1"))
    ]
    done = run(values, settings=COMPLETE)
    for _ in range(10):
        done.take(done.pipeline.idle(DAY_MS, scorecards(COMPLETE)))
    assert [example.outcome for example in done.examples if example.decision_id == "0-1" and example.target == "purchase"] == [False]


def test_an_outcome_of_a_shops_own() -> None:
    assert outcomes(("add_to_cart", HOUR_MS))["cart"]
    assert not outcomes(("add_to_cart", 10 * MINUTE_MS))["cart"]
    assert not outcomes(("view_item", HOUR_MS))["cart"]


def test_only_so_many_outcomes_can_be_watched() -> None:
    targets = {name: TargetSettings(outcome=name, horizon="1 d") for name in ("search", "add_to_cart")}
    assert watched_events({**COMPLETE.targets, **targets}) == ("add_to_cart", "search")
    with pytest.raises(ValueError, match="at most 2"):
        watched_events({**targets, "scroll": TargetSettings(outcome="scroll", horizon="1 d")})
