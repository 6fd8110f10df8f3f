"""What one event does to a profile: sessions, orders, duplicates, prices and the latest of everything, against a plain reading and by example."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from tests.core.reading import Reading, User
from tests.core.runs import DEFAULTS, run
from tests.core.shops import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Value, shop, shops
from worker.core.events.hashing import stable_hash
from worker.core.events.names import EVENT_NAMES
from worker.core.pipeline import Pipeline
from worker.core.profiles import layout as at


def profile(pipeline: Pipeline, user: str = "u") -> dict[str, float]:
    """A user's row by column name."""
    return dict(zip(at.COLUMNS, pipeline.profiles.rows[pipeline.profiles.row_of[user]].tolist(), strict=True))


def after(*events: dict[str, Any]) -> dict[str, float]:
    """The profile that these events of one user leave; a time is given as ms since the start."""
    values: list[Value] = [
        json.dumps({"event": "view_item", "user_id": "u", **event, "timestamp": START_MS + event.get("timestamp", 0)}).encode() for event in events
    ]
    return profile(run(values).pipeline)


def assert_as_read(found: dict[str, float], user: User) -> None:
    days = {event.time_ms // DAY_MS for event in user.events}
    times = [event.time_ms for event in user.events]
    assert found["total"] == len(user.events)
    assert found["last"] == user.last_ms == max(times)
    assert found["first"] == min(times)
    assert found["sessions"] == user.sessions
    assert found["session_start"] == user.session_start_ms
    assert found["day"] == max(days)
    assert 1 <= found["days"] <= len(days)
    assert found["offset"] == user.events[-1].offset
    for number, kind in enumerate(at.KINDS):
        assert found[f"in_session.{number}"] == user.in_session.get(kind, 0)
        assert found[f"last_of.{number}"] == max((event.time_ms for event in user.events if event.kind == kind), default=0)
    standing = sorted((stable_hash(order) if order else 1, time_ms) for order, time_ms in user.orders if time_ms)
    slots = [(found[f"order_ring.{n}"], found[f"order_time.{n}"]) for n in range(at.ORDER_RING)]
    assert sorted(slot for slot in slots if slot[1]) == standing


@settings(max_examples=40)
@given(shops())
def test_profiles_are_what_a_plain_reading_remembers(values: list[Value]) -> None:
    pipeline, reading = run(values).pipeline, Reading(values, DEFAULTS)
    for name, user in reading.users.items():
        assert_as_read(profile(pipeline, name), user)


def test_a_longer_stream() -> None:
    values = shop(17, 1500)
    pipeline, reading = run(values, [60] * 25).pipeline, Reading(values, DEFAULTS)
    assert len(reading.users) > 20
    for name, user in reading.users.items():
        assert_as_read(profile(pipeline, name), user)


@pytest.mark.parametrize(("gap_ms", "sessions"), [(30 * MINUTE_MS, 1), (30 * MINUTE_MS + 1, 2)])
def test_a_session_ends_with_a_gap(gap_ms: int, sessions: int) -> None:
    found = after({}, {"timestamp": 5 * MINUTE_MS}, {"timestamp": 5 * MINUTE_MS + gap_ms})
    assert found["sessions"] == sessions
    assert found["gap"] == (gap_ms if sessions == 2 else 0)
    assert found["session_before"] == (5 * MINUTE_MS if sessions == 2 else 0)
    assert found[f"in_session.{at.KINDS.index('view_item')}"] == (1 if sessions == 2 else 3)


def test_another_session_id_is_another_session_and_no_id_says_nothing() -> None:
    assert after({"session_id": "s"}, {"timestamp": 1}, {"session_id": "s", "timestamp": 2}, {"session_id": "t", "timestamp": 3})["sessions"] == 2


def test_days_are_counted_once_each() -> None:
    found = after(*({"timestamp": hours * HOUR_MS} for hours in (0, 1, 23, 24, 25, 47, 48)))
    assert found["days"] == len({(START_MS + hours * HOUR_MS) // DAY_MS for hours in (0, 1, 23, 24, 25, 47, 48)})


def test_an_order_buys_once_and_a_refund_takes_it_back() -> None:
    line = {"event": "purchase", "order_id": "o1", "revenue": 10}
    bought = after(line, line | {"timestamp": 1}, {"event": "purchase", "revenue": 5, "timestamp": 2})
    assert (bought["purchases"], bought["spend"]) == (2, 25)
    refunded = after(line, {"event": "purchase", "revenue": 5, "timestamp": 2}, {"event": "refund", "order_id": "o1", "revenue": 10, "timestamp": 3})
    assert (refunded["purchases"], refunded["spend"]) == (1, 5)
    unknown = after(line, {"event": "refund", "order_id": "never", "timestamp": 1})
    assert unknown["purchases"] == 1
    nothing = after({"event": "refund", "revenue": 7})
    assert (nothing["purchases"], nothing["spend"]) == (0, 0)


def test_spend_is_revenue_or_price_times_quantity() -> None:
    assert after({"event": "purchase", "price": 4, "quantity": 3})["spend"] == 12
    assert after({"event": "purchase", "price": 4})["spend"] == 4
    assert after({"event": "purchase", "price": 4, "quantity": 3, "revenue": 9})["spend"] == 9
    assert after({"event": "purchase"})["spend"] == 0


def test_prices_and_discounts_seen_are_averaged() -> None:
    found = after({"price": 10, "discount": 1}, {"price": 30, "discount": 0}, {"price": 20, "discount": 100}, {})
    assert found["price"] == pytest.approx(20)
    assert found["discount"] == pytest.approx((0.1 + 0 + 1) / 3)
    assert (found["last_price"], found["prices"]) == (20, 3)


def test_the_cart_is_worth_what_was_put_into_it_in_this_session() -> None:
    cart = {"event": "add_to_cart", "price": 10, "quantity": 2}
    assert after(cart, cart | {"timestamp": 1}, {"price": 99, "timestamp": 2})["cart_value"] == 40
    assert after(cart, cart | {"timestamp": HOUR_MS})["cart_value"] == 20


def test_what_is_late_counts_for_its_own_session_only() -> None:
    now = {"event": "add_to_cart", "price": 10, "item_id": "i", "path": "/now"}
    early = {"event": "add_to_cart", "price": 500, "quantity": 2, "item_id": "i", "path": "/early", "timestamp": -3 * HOUR_MS}
    found = after({"timestamp": -5 * HOUR_MS}, now, early)
    alone = after({"timestamp": -5 * HOUR_MS}, now)
    for column in ("sessions", "session_start", "cart_value", "paths", "item", "path", "name", "last", "day", "last_price"):
        assert found[column] == alone[column], column
    assert found["total"] == alone["total"] + 1


def test_the_latest_of_everything_is_kept_and_absence_replaces_nothing() -> None:
    found = after({"path": "/a", "country": "DE", "item_category": "hats"}, {"path": "/b", "timestamp": 1}, {"event": "search", "timestamp": 2})
    assert (found["path"], found["path_before"]) == (stable_hash("/b"), stable_hash("/a"))
    assert (found["country"], found["category"]) == (stable_hash("DE"), stable_hash("hats"))
    assert (found["name"], found["name_before"]) == (EVENT_NAMES.index("search"), EVENT_NAMES.index("view_item"))
    assert int(found["paths"]).bit_count() == 2


def test_an_item_seen_again_is_counted() -> None:
    assert after({"item_id": "i"}, {"item_id": "i", "timestamp": 1}, {"item_id": "j", "timestamp": 2}, {"item_id": "i", "timestamp": 3})["repeats"] == 1


@pytest.mark.parametrize(("between", "total"), [(5, 7), (6, 9)])
def test_an_event_id_is_remembered_over_six_events(between: int, total: int) -> None:
    others = [{"event_id": f"e{n}", "timestamp": n + 1} for n in range(between)]
    found = after({"event_id": "x"}, *others, {"event_id": "x", "timestamp": 50}, {"timestamp": 60})
    assert found["total"] == total
