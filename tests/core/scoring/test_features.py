"""Features: each slot's bin lies in the slot's own range and says what the state is at that instant."""

from __future__ import annotations

import json
from bisect import bisect_right
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from tests.core.runs import run
from tests.core.shops import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Value, shops
from worker.core.events.hashing import stable_hash
from worker.core.profiles import layout as at
from worker.core.scoring.features import (
    _NUMBER_EDGES,
    _NUMBER_ROWS,
    _NUMBERS,
    HASHED_COLUMNS,
    SLOT_NUMBER,
    _cut,
    _cut_each,
    bins_of,
    identities,
    is_plain,
    local_bins,
)
from worker.core.scoring.slots import BINS_PER_CAUSE, COUNT_EDGES, LAYOUT, SLOT_HALF_LIVES, SLOTS, TABLE_SIZE, Slot

GAP_MS = 30 * MINUTE_MS
BASES = np.array([slot.base for slot in SLOTS])
SIZES = np.array([slot.size for slot in SLOTS])
FIRST = np.zeros(1, dtype=np.int64)  # the first row alone


def states(values: list[Value]) -> NDArray[np.float64]:
    table = run(values).pipeline.profiles
    return table.rows[sorted(table.row_of.values())]


def look(state: NDArray[np.float64], time_ms: int, silent: bool = False, **options: object) -> NDArray[np.int32]:
    count = len(state)
    return bins_of(state.T, np.full(count, time_ms, dtype=np.int64), np.full(count, silent), GAP_MS, **options)  # type: ignore[arg-type]


def codes(state: NDArray[np.float64]) -> dict[str, NDArray[np.int64]]:
    return {name: state[:, column].astype(np.int64) for name, column in HASHED_COLUMNS.items()}


def local(bins: NDArray[np.int32], name: str) -> list[int]:
    return [int(number) for number in local_bins(bins[:, SLOT_NUMBER[name]], SLOT_NUMBER[name])]


def one(**fields: object) -> NDArray[np.float64]:
    return states([json.dumps({"event": "view_item", "user_id": "u", "timestamp": START_MS, **fields}).encode()])


@settings(max_examples=30)
@given(shops(40))
def test_every_bin_lies_in_its_slot_and_silence_has_a_table_of_its_own(values: list[Value]) -> None:
    state = states(values)
    for later_ms in (0, HOUR_MS, 40 * DAY_MS):
        time_ms = int(state[:, at.LAST].max(initial=START_MS)) + later_ms
        bins, silent = look(state, time_ms), look(state, time_ms, silent=True)
        active = bins != 0
        assert ((bins >= BASES) & (bins < BASES + SIZES))[active].all()
        assert np.array_equal(silent, np.where(active, bins + BINS_PER_CAUSE, 0))
        assert silent.max(initial=0) < TABLE_SIZE
        assert active[:, [not slot.reference for slot in SLOTS]].all()


@settings(max_examples=20)
@given(shops(40))
def test_counts_and_recencies_are_cut_at_their_edges(values: list[Value]) -> None:
    state = states(values)
    time_ms = int(state[:, at.LAST].max(initial=START_MS)) + 3 * HOUR_MS
    bins = look(state, time_ms)
    for row, profile in enumerate(state.tolist()):
        for number, kind in enumerate(at.KINDS):
            for half in SLOT_HALF_LIVES:
                count = profile[at.COUNTERS + number * at.N_HALF_LIVES + half] * 0.5 ** ((time_ms - profile[at.LAST]) / at.HALF_LIVES_MS[half])
                if min(abs(count / edge - 1) for edge in COUNT_EDGES) > 1e-9:
                    assert local(bins[[row]], f"{kind}.{at.HALF_LIFE_NAMES[half].replace(' ', '')}") == [bisect_right(COUNT_EDGES, count)]
            name, last_of = f"recency.{kind}", profile[at.LAST_OF + number]
            assert local(bins[[row]], name) == [bisect_right(SLOTS[SLOT_NUMBER[name]].edges, time_ms - last_of if last_of else -1.0)]


def test_time_of_day_and_week_are_those_of_the_instant() -> None:
    moment = datetime(2021, 6, 12, 15, 30, tzinfo=UTC)  # a Saturday
    time_ms = int(moment.timestamp() * 1000)
    bins = look(one(), time_ms, season=True)
    assert (local(bins, "hour"), local(bins, "weekday"), local(bins, "season")) == ([16], [6], [3])
    assert local(look(one(), time_ms), "season") == [0]


@pytest.mark.parametrize(("month", "season"), [(12, 1), (1, 1), (2, 1), (3, 2), (5, 2), (6, 3), (9, 4), (11, 4)])
def test_seasons(month: int, season: int) -> None:
    time_ms = int(datetime(2022, month, 28, tzinfo=UTC).timestamp() * 1000)
    assert local(look(one(), time_ms, season=True), "season") == [season]


def test_holidays_are_asked_for_by_country_and_day() -> None:
    asked = []

    def holidays(country: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
        asked.append((country.tolist(), day.tolist()))
        return np.full(len(day), 3, dtype=np.int64)

    assert local(look(one(country="DE"), START_MS + DAY_MS, holidays=holidays), "holiday") == [3]
    assert asked == [([stable_hash("DE")], [START_MS // DAY_MS + 1])]
    assert local(look(one(country="DE"), START_MS), "holiday") == [0]


def test_a_session_is_over_after_its_gap() -> None:
    state = one(event="add_to_cart")
    inside, over = look(state, START_MS + GAP_MS), look(state, START_MS + GAP_MS + 1)
    assert (local(inside, "session.add_to_cart"), local(over, "session.add_to_cart")) == ([1], [0])
    assert (local(inside, "cart"), local(over, "cart")) == ([1], [4])


def test_a_late_score_sees_the_state_as_of_the_latest_event() -> None:
    state = one()
    assert np.array_equal(look(state, START_MS - HOUR_MS), look(state, START_MS))


def test_absent_texts_have_a_bin_and_different_texts_in_one_bin_have_different_identities() -> None:
    table: dict[int, str] = {}
    number = SLOT_NUMBER["device"]
    for n in range(200):
        state = one(device=f"d{n}")
        bins = look(state, START_MS)
        known = table.setdefault(int(bins[0, number]), f"d{n}")
        if known != f"d{n}":
            other = one(device=known)
            twin = look(other, START_MS)
            assert twin[0, number] == bins[0, number]
            assert identities(number, bins, codes(state), FIRST) != identities(number, twin, codes(other), FIRST)
            crossed = SLOT_NUMBER["medium × device"]
            assert identities(crossed, bins, codes(state), FIRST) != identities(crossed, twin, codes(other), FIRST)
            break
    assert len(table) < 200
    assert look(one(), START_MS)[0, number] != 0


def test_the_layout_names_the_form_of_the_scorecard() -> None:
    assert LAYOUT.startswith("1-")
    assert sum(slot.size for slot in SLOTS) + 1 == BINS_PER_CAUSE == TABLE_SIZE // 2
    assert [slot.base for slot in SLOTS[1:]] == [slot.base + slot.size for slot in SLOTS[:-1]]
    assert len({slot.name for slot in SLOTS}) == len(SLOTS)
    assert not is_plain(SLOT_NUMBER["path"])


@pytest.mark.parametrize("slot", [slot for slot in SLOTS if slot.edges], ids=lambda slot: slot.name)
def test_a_bin_begins_at_its_edge(slot: Slot) -> None:
    values = np.array(sorted({-1.0, 0.0, *slot.edges, *(np.nextafter(edge, -np.inf) for edge in slot.edges), 2 * slot.edges[-1]}))
    expected = [bisect_right(slot.edges, value) for value in values.tolist()]
    assert _cut(slot.edges, values).tolist() == expected
    if slot.name in _NUMBERS:
        table = np.tile(values, (len(_NUMBERS), 1))
        assert _cut_each(_NUMBER_EDGES, table)[_NUMBERS.index(slot.name)].tolist() == expected
        assert SLOTS[1 + _NUMBER_ROWS[_NUMBERS.index(slot.name)]] is slot


def test_hashed_slots_have_as_many_places_as_a_power_of_two() -> None:
    hashed = [slot for number, slot in enumerate(SLOTS) if not is_plain(number)]
    assert len(hashed) > 10
    assert [slot.name for slot in hashed if slot.size.bit_count() != 1] == []
