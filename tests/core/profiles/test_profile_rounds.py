"""Rounds: where events stand, what is carried along a chain, and who is found to be a duplicate or somebody new, against plain loops."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.core.runs import DEFAULTS, run, scorecards
from tests.core.shops import DAY_MS, START_MS, Value
from worker.core.pipeline import Pipeline
from worker.core.profiles import layout as at
from worker.core.profiles.event_columns import EventColumns
from worker.core.profiles.profiles import Applied, Profiles
from worker.core.profiles.rounds import Rounds

EVENTS = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 9), st.booleans()), max_size=40)


@given(EVENTS)
def test_what_is_carried_along_a_chain_is_what_a_loop_carries(events: list[tuple[int, bool, int, bool]]) -> None:
    chain, fresh = np.array([event[0] for event in events], dtype=np.int64), np.array([event[1] for event in events], dtype=np.bool_)
    rounds = Rounds(chain, 6, fresh)
    table = np.zeros(rounds.columns, dtype=np.int64)
    table[rounds.chains :] = np.array([event[2] for event in events], dtype=np.int64)[rounds.event]
    flagged = np.array([event[3] for event in events], dtype=np.bool_)[rounds.event]
    largest, latest = table.copy(), rounds.latest(flagged)
    rounds.carry(np.maximum, largest)
    now, found, places = [0] * 6, rounds.before.tolist(), rounds.before.tolist()  # largest, latest flagged and newest column so far, by chain
    for number, (own, is_fresh, value, flag) in enumerate(events):
        column = int(rounds.of_event[number])
        if is_fresh:
            assert rounds.event[column - rounds.chains] == number
            assert rounds.previous[column - rounds.chains] == places[own]
            assert rounds.chain[column - rounds.chains] == rounds.before[own]
            now[own], places[own] = max(now[own], value), column
            found[own] = column if flag else found[own]
            assert (largest[column], latest[column - rounds.chains]) == (now[own], found[own])
        assert column == places[own]  # a duplicate stands where the event before it stands
    assert rounds.last.tolist() == places
    assert len({*rounds.before.tolist(), *rounds.of_event[fresh].tolist()}) == rounds.columns == 6 + int(fresh.sum())
    for part in rounds.apart(np.arange(rounds.columns - rounds.chains)):
        assert len(set(rounds.chain[part].tolist())) == len(part)


def event(user: str, after_ms: int, **fields: object) -> Value:
    return json.dumps({"event": "page_view", "user_id": user, "timestamp": START_MS + after_ms, **fields}).encode()


def test_a_user_whose_time_to_live_passes_within_a_turn_begins_anew_there() -> None:
    gone_ms = DEFAULTS.profiles.time_to_live_ms + DAY_MS
    first: list[Value] = [event("other", 0), event("u", 0, event_id="a")]
    then: list[Value] = [event("other", day * DAY_MS) for day in range(1, gone_ms // DAY_MS)]
    back: list[Value] = [event("u", gone_ms, event_id="a"), event("u", gone_ms + 1, event_id="a"), event("u", gone_ms + 2)]
    together = run([*first, *then, *back])
    table = together.pipeline.profiles
    row = table.rows[table.row_of["u"]]
    assert (row[at.TOTAL], row[at.FIRST]) == (2, START_MS + gone_ms)  # the id of the first life is no duplicate in the second, where it comes twice
    assert together.counts["duplicate"] == 1
    apart = run([*first, *then, *back], [1] * len([*first, *then, *back]))
    assert np.array_equal(row, apart.pipeline.profiles.rows[apart.pipeline.profiles.row_of["u"]])


def test_the_state_before_a_turn_is_kept_and_a_duplicate_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(DEFAULTS)
    taken: list[Applied] = []
    pipeline.turn([event("u", 0, event_id="a"), event("v", 0)], [0, 1], scorecards())
    apply = Profiles.apply

    def keep(self: Profiles, rows: NDArray[np.int64], events: EventColumns) -> Applied:
        taken.append(apply(self, rows, events))
        return taken[-1]

    monkeypatch.setattr(Profiles, "apply", keep)
    profiles = pipeline.profiles
    before = profiles.rows[profiles.row_of["u"]].copy()
    pipeline.turn([event("u", 10, event_id="a"), event("u", 20, event_id="b"), event("u", 30, event_id="b")], [2, 3, 4], scorecards())
    assert taken[0].duplicate.tolist() == [True, False, True]
    states = taken[0].states[:, taken[0].state_of_event].T
    assert np.array_equal(states[0], before)
    assert np.array_equal(states[1], states[2])
    assert np.array_equal(states[2], profiles.rows[profiles.row_of["u"]])
    assert np.array_equal(taken[0].states[:, taken[0].before[0]], before)
