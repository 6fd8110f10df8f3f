"""The stream of the synthetic shop: what a reader of the bytes alone finds in it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from worker.core.events.decoding import decode
from worker.demo.behaviour import DAY_MS, NODES
from worker.demo.flaws import BAD, DUPLICATE, LATE, PLAIN, SPOILERS
from worker.demo.shop import Chunk, Shop, ShopSettings
from worker.demo.truth import TARGETS

MINUTE_MS = 60_000
SMALL = ShopSettings(users=6_000, days=24, seed=7)
REQUIRED = {"event", "user_id", "timestamp"}
OPTIONAL = "event_id session_id item_id item_category price quantity revenue currency discount order_id device country medium path search_term source"
small_shops = st.builds(ShopSettings, users=st.integers(1, 60), days=st.integers(1, 4), seed=st.integers(0, 2**32))


@pytest.fixture(scope="module")
def day_by_day() -> list[Chunk]:
    return list(Shop(SMALL).chunks())


def time_ms_of(event: dict[str, object]) -> int:
    at = event["timestamp"]
    return round(datetime.fromisoformat(at).timestamp() * 1000) if isinstance(at, str) else int(str(at))


def good_events(chunks: list[Chunk]) -> list[tuple[dict[str, object], int, tuple[float, ...]]]:
    """(event, time, truth) of each event once, in order of event time."""
    rows = [
        (event := orjson.loads(value), time_ms_of(event), tuple(truth))
        for chunk in chunks
        for value, flaw, truth in zip(chunk.values, chunk.flaw.tolist(), chunk.truth.tolist(), strict=True)
        if flaw in (PLAIN, LATE)
    ]
    return sorted(rows, key=lambda row: row[1])


Row = tuple[dict[str, object], int, tuple[float, ...]]
CHOICES: dict[str, Callable[[list[Row]], list[int]]] = {
    "the first after a week": lambda history: [number for number, row in enumerate(history) if row[1] >= SMALL.start_ms + 7 * DAY_MS][:1],
    "the fifth": lambda history: [4][: len(history) > 4],
    "the first checkout": lambda history: [number for number, row in enumerate(history) if row[0]["event"] == "begin_checkout"][:1],
    "the second visit": lambda history: [number for number, row in enumerate(history) if row[0]["event"] == "session_start"][1:2],
}


@pytest.mark.parametrize("choice", CHOICES)
def test_what_is_true_comes_true(day_by_day: list[Chunk], choice: str) -> None:
    """One event a user, chosen without looking ahead, judged by the bytes that follow: in every bin of the truth as many outcomes as promised."""
    histories: dict[object, list[Row]] = defaultdict(list)
    for row in good_events(day_by_day):
        histories[row[0]["user_id"]].append(row)
    last_ms = SMALL.start_ms + SMALL.days * DAY_MS - 7 * DAY_MS - 30 * MINUTE_MS
    judged = [history[number:] for history in histories.values() for number in CHOICES[choice](history) if history[number][1] <= last_ms]
    true, seen = np.array([history[0][2] for history in judged]), np.array([labels(history) for history in judged])
    assert len(judged) > 80
    for target in range(len(TARGETS)):
        order = np.argsort(true[:, target])
        for rows in np.array_split(order, 5):
            expected, spread = true[rows, target].sum(), np.sqrt((true[rows, target] * (1 - true[rows, target])).sum())
            assert abs(seen[rows, target].sum() - expected) < 4.5 * spread + 1.5, (TARGETS[target], expected, seen[rows, target].sum())


def labels(history: list[tuple[dict[str, object], int, tuple[float, ...]]]) -> tuple[bool, bool, bool]:
    """Outcomes of the first event of a history, from the events after it."""
    at_ms = history[0][1]
    orders: dict[int, set[object]] = {7 * DAY_MS: set(), 30 * MINUTE_MS: set()}
    silent = True
    for event, time_ms, _ in history[1:]:
        silent &= not 30 * MINUTE_MS < time_ms - at_ms <= 7 * DAY_MS + 30 * MINUTE_MS
        for horizon_ms, kept in orders.items():
            if 0 < time_ms - at_ms <= horizon_ms:
                if event["event"] == "purchase":
                    kept.add(event["order_id"])
                if event["event"] == "refund":
                    kept.discard(event["order_id"])
    return bool(orders[7 * DAY_MS]), bool(orders[30 * MINUTE_MS]), silent


def test_it_is_a_shop(day_by_day: list[Chunk]) -> None:
    events = [row[0] for row in good_events(day_by_day)]
    names = {event["event"] for event in events}
    assert {node.event for node in NODES} <= names
    assert "size_guide_opened" in names  # the shop has a name of its own
    for field, least in {"country": 8, "device": 2, "medium": 6, "item_category": 12, "item_id": 300, "path": 300}.items():
        assert len({event[field] for event in events if field in event}) >= least, field
    flaws = np.concatenate([chunk.flaw for chunk in day_by_day])
    shares = np.bincount(flaws, minlength=4) / len(flaws)
    assert 0.001 < shares[LATE] < 0.01
    assert 0.001 < shares[DUPLICATE] < 0.01
    assert 0.0005 < shares[BAD] < 0.005


def test_money_adds_up(day_by_day: list[Chunk]) -> None:
    """A purchase is worth its cart; a refund names an order that was paid, and what it cost."""
    paid: dict[object, object] = {}
    carts: dict[object, float] = defaultdict(float)
    checked = 0
    for event, _, _ in good_events(day_by_day):
        user = event["user_id"]
        match event["event"]:
            case "session_start" | "remove_from_cart":
                carts[user] = carts[user] if event["event"] == "session_start" else 0.0
            case "add_to_cart":
                carts[user] += float(str(event["price"])) * int(str(event.get("quantity", 1)))
            case "purchase":
                paid[event["order_id"]] = event["revenue"]
                assert float(str(event["revenue"])) > 0
                checked += float(str(event["revenue"])) <= carts[user] + 0.01
                carts[user] = 0.0
            case "refund":
                assert paid[event["order_id"]] == event["revenue"]
    assert checked == len(paid) > 0


@settings(max_examples=25, deadline=None)
@given(small_shops)
def test_the_same_settings_make_the_same_bytes(shop: ShopSettings) -> None:
    first, second = list(Shop(shop).stream()), list(Shop(shop).stream())
    assert first == second


@settings(max_examples=25, deadline=None)
@given(small_shops)
def test_records_arrive_in_order_and_nothing_is_lost(shop: ShopSettings) -> None:
    chunks = list(Shop(shop).chunks())
    arrivals = [arrival for chunk in chunks for arrival in chunk.arrival_ms.tolist()]
    assert arrivals == sorted(arrivals)
    sent = [(event_id, flaw) for chunk in chunks for event_id, flaw in zip(chunk.event_ids, chunk.flaw.tolist(), strict=True)]
    once = [event_id for event_id, flaw in sent if flaw in (PLAIN, LATE)]
    assert len(once) == len(set(once))
    assert {event_id for event_id, _ in sent} == set(once)
    numbers: dict[str, list[int]] = defaultdict(list)
    for event_id in once:
        user, _, number = event_id.partition("-")
        numbers[user].append(int(number))
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in numbers.values())
    for chunk in chunks:
        assert len(chunk) == len(chunk.user_ids) == len(chunk.event_ids) == len(chunk.truth) == len(chunk.weight) == len(chunk.flaw)
        assert np.all((chunk.weight > 0) & (chunk.weight <= 1))


@settings(max_examples=25, deadline=None)
@given(small_shops)
def test_every_good_event_has_its_own_truth_and_no_bad_one_has_any(shop: ShopSettings) -> None:
    chunks = list(Shop(shop).chunks())
    known = {
        event_id: tuple(truth)
        for chunk in chunks
        for event_id, truth, flaw in zip(chunk.event_ids, chunk.truth.tolist(), chunk.flaw, strict=True)
        if flaw != BAD
    }
    good = bad = 0
    for value, truth in Shop(shop).stream():
        if truth is None:
            bad += 1
            continue
        good += 1
        assert known[orjson.loads(value)["event_id"]] == tuple(truth)
        assert all(-1e-9 <= probability <= 1 for probability in truth)
    assert good + bad == sum(len(chunk) for chunk in chunks)
    assert bad == sum(int((chunk.flaw == BAD).sum()) for chunk in chunks)
    assert all(np.isnan(chunk.truth[chunk.flaw == BAD]).all() for chunk in chunks)


def test_good_events_are_as_the_schema_says(day_by_day: list[Chunk]) -> None:
    schema = json.loads((Path(__file__).parents[2] / "schemas" / "event.schema.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema)
    events = [row[0] for row in good_events(day_by_day)]
    assert [error.message for event in events[::97] for error in validator.iter_errors(event)] == []
    assert all(set(event) >= REQUIRED and set(event) <= REQUIRED | set(OPTIONAL.split()) for event in events)


def test_the_decoder_takes_the_good_and_rejects_the_bad(day_by_day: list[Chunk]) -> None:
    """But for the phone whose clock is broken: its events read well, and only time shows that nobody else lives in 2100."""
    causes = set()
    for chunk in day_by_day:
        batch, rejected = decode(chunk.values)
        assert len(batch.user_id) + len(rejected) == len(chunk)
        broken_clock = batch.time_ms > SMALL.start_ms + 50 * 365 * DAY_MS
        assert np.all(chunk.flaw[[fault.position for fault in rejected]] == BAD)
        assert len(rejected) + broken_clock.sum() == (chunk.flaw == BAD).sum()
        causes |= {fault.reason for fault in rejected}
    assert len(causes) >= 6


@pytest.mark.parametrize("spoiler", range(len(SPOILERS)))
def test_every_way_to_spoil_a_record_spoils_it(spoiler: int) -> None:
    value = next(iter(Shop(ShopSettings(users=50, days=2)).stream()))[0]
    batch, rejected = decode([SPOILERS[spoiler](value)])
    assert len(rejected) == 1 or batch.time_ms[0] > SMALL.start_ms + 50 * 365 * DAY_MS


def test_what_goes_wrong_on_the_way_changes_no_life() -> None:
    """Other accidents, the same customers doing the same at the same times."""
    shops = [Shop(ShopSettings(users=400, days=3, seed=3)) for _ in range(2)]
    shops[1]._way.random(17)
    lives = [[(row[0]["event_id"], row[1]) for row in good_events(list(shop.chunks()))] for shop in shops]
    assert lives[0] == lives[1]


@pytest.mark.parametrize(("users", "days"), [(0, 5), (5, 0), (-1, 1)])
def test_an_empty_shop_is_refused(users: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least one user and one day"):
        ShopSettings(users=users, days=days)
