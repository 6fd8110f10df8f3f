"""Names of bins: every bin has one, no two of a slot share it, and a reason names the value that this user has."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.core.runs import run
from tests.core.shops import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Value, shop
from worker.core.scoring.bin_names import BinNames, bin_name, duration_text, value_names
from worker.core.scoring.features import HASHED_COLUMNS, SLOT_NUMBER, bins_of, is_plain
from worker.core.scoring.slots import BINS_PER_CAUSE, SLOT_OF, SLOTS, TABLE_SIZE


def test_every_bin_of_the_table_has_a_name_of_its_own() -> None:
    names = [bin_name(number) for number in range(1, TABLE_SIZE) if number != BINS_PER_CAUSE]
    assert all(names)
    repeated = {name for name in names if names.count(name) > 1} if len(set(names)) != len(names) else set()
    assert repeated == set()


@pytest.mark.parametrize(
    ("slot", "local", "name"),
    [
        ("view_item.1d", 5, "view_item.1d 0.95 – 1.5"),
        ("recency", 0, "recency now"),
        ("recency.purchase", 0, "recency.purchase never"),
        ("recency", len(SLOT_OF["recency"].edges), "recency over 45 d"),
        ("sessions", 1, "sessions 2"),
        ("sessions", 5, "sessions 6 – 7"),
        ("events", 0, "events under 2"),
        ("spend", 1, "spend 1 – 20"),
        ("discount", 2, "discount 5% – 10%"),
        ("weekday", 1, "weekday Mon"),
        ("hour", 1, "hour 00:00 UTC"),
        ("cart", 4, "cart no session"),
        ("event", 3, "event view_item"),
    ],
)
def test_names_are_plain_words(slot: str, local: int, name: str) -> None:
    assert bin_name(SLOT_OF[slot].base + local) == name
    assert bin_name(SLOT_OF[slot].base + local + BINS_PER_CAUSE) == f"silence: {name}"


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [(1, "1 ms"), (1000, "1 s"), (90_000, "1.5 min"), (MINUTE_MS, "1 min"), (36 * HOUR_MS, "1.5 d"), (12 * HOUR_MS, "12 h"), (2 * DAY_MS, "2 d")],
)
def test_durations_are_said_in_the_largest_unit_that_fits(span_ms: int, text: str) -> None:
    assert duration_text(span_ms) == text


def test_a_score_names_its_own_values() -> None:
    record = {"event": "view_item", "user_id": "u", "timestamp": START_MS, "country": "DE", "path": "/a", "device": "phone"}
    pipeline = run([json.dumps(record).encode()]).pipeline
    state = pipeline.profiles.rows[0]
    codes = {name: int(state[column]) for name, column in HASHED_COLUMNS.items()}
    for silent in (False, True):
        bins = bins_of(state[:, None], np.array([START_MS]), np.array([silent]), 30 * MINUTE_MS)[0]
        names = BinNames(pipeline.names.labels)
        assert names.name(SLOT_NUMBER["country"], bins, codes) == "country DE"
        assert names.name(SLOT_NUMBER["medium"], bins, codes) == "medium none"
        assert names.name(SLOT_NUMBER["country × medium"], bins, codes) == "country × medium: DE × none"
        assert names.name(SLOT_NUMBER["path × cart"], bins, codes) == "path × cart: /a × empty"
        assert names.name(SLOT_NUMBER["cause"], bins, codes) == f"cause {'silence' if silent else 'event'}"
        assert BinNames({}).name(SLOT_NUMBER["country"], bins, codes).startswith("country #")


def test_hashed_bins_are_named_by_the_values_that_users_have() -> None:
    values: list[Value] = [json.dumps({"event": "view_item", "user_id": f"u{n}", "timestamp": START_MS, "device": f"d{n}"}).encode() for n in range(200)]
    pipeline = run(values).pipeline
    states = pipeline.profiles.rows[: len(pipeline.profiles)]
    names = value_names(states, pipeline.names.labels)
    bins = bins_of(states.T, np.full(200, START_MS), np.zeros(200, dtype=np.bool_), 30 * MINUTE_MS)[:, SLOT_NUMBER["device"]]
    for bin_ in set(bins.tolist()):
        sharing = sum(bins == bin_)
        assert names[bin_].startswith("device d")
        assert (names[bin_].count(" or "), names[bin_].endswith(" or others")) == (min(sharing - 1, 2), sharing > 2)
        assert names[bin_ + BINS_PER_CAUSE] == f"silence: {names[bin_]}"
    assert names[int(bins_of(states[:1].T, np.array([START_MS]), np.array([False]), 1)[0, SLOT_NUMBER["medium"]])] == "medium none"


def test_reasons_and_the_table_agree_on_plain_bins() -> None:
    done = run(shop(20, 200))
    scored = next(scored for scored in done.scored if len(scored.row))
    for bins in scored.bins[:50]:
        for number, slot in enumerate(SLOTS):
            if bins[number] and is_plain(number) and slot.name != "cause":
                said = done.pipeline.names.name(number, bins, {})
                assert bin_name(int(bins[number])).removeprefix("silence: ") == said
