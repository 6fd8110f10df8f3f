"""The table of profiles: rows for users, rounds over a batch, forgetting, and the longest silent."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.core.runs import DEFAULTS, run, scorecards
from tests.core.shops import MINUTE_MS, START_MS, Value, shop
from worker.core.profiles import layout as at
from worker.core.profiles.event_columns import Rules
from worker.core.profiles.profiles import Profiles
from worker.core.settings import CoreSettings


def profiles() -> Profiles:
    return Profiles(Rules(30 * MINUTE_MS, 10**12), capacity=4)


def test_a_user_has_one_row_and_the_table_grows() -> None:
    table = profiles()
    rows = table.rows_for(["a", "b", "a", "c"])
    assert rows.tolist() == [0, 1, 0, 2]
    more = table.rows_for([f"u{n}" for n in range(5000)])
    assert len(set(more.tolist())) == 5000
    assert table.rows_for(["b", "u4999"]).tolist() == [1, more[-1]]
    assert len(table) == 5003
    assert table.bytes == 5003 * at.WIDTH * 8


def test_a_profile_is_under_a_kibibyte() -> None:
    assert at.WIDTH * 8 < 1100
    assert len(set(at.COLUMNS)) == at.WIDTH


def test_forgotten_rows_are_empty_and_used_again() -> None:
    table = profiles()
    rows = table.rows_for(["a", "b", "c"])
    table.rows[rows] = 7.0
    assert table.forget(rows[[0, 2, 2]]) == ["a", "c"]
    assert (table.user_of, len(table)) == ([None, "b", None], 1)
    assert table.rows[[0, 2]].sum() == 0
    assert sorted(table.rows_for(["d", "e"]).tolist()) == [0, 2]


def test_the_longest_silent_are_those_whose_latest_event_is_oldest() -> None:
    table = profiles()
    rows = table.rows_for(["a", "b", "c", "d"])
    table.rows[rows, at.LAST] = [40, 10, 30, 20]
    table.forget(rows[[1]])
    assert table.longest_silent(2).tolist() == [rows[3], rows[2]]


def budget(users: int) -> CoreSettings:
    return DEFAULTS.model_copy(update={"profiles": DEFAULTS.profiles.model_copy(update={"byte_budget": users * at.WIDTH * 8})})


def test_a_byte_budget_evicts_the_longest_silent_first() -> None:
    values: list[Value] = [json.dumps({"event": "page_view", "user_id": f"u{n}", "timestamp": START_MS + n * MINUTE_MS}).encode() for n in range(30)]
    done = run(values, [1] * 30, settings=budget(10))
    assert sorted(done.pipeline.profiles.row_of) == sorted(f"u{n}" for n in range(20, 30))
    assert {key for key in done.changelog if key.startswith(b"u:")} == {f"u:u{n}".encode() for n in range(20, 30)}
    assert done.counts["events"] == 30
    assert set(done.pipeline.decisions.row[done.pipeline.decisions.serial > 0].tolist()) <= set(done.pipeline.profiles.row_of.values())


@pytest.mark.parametrize("size", [1, 7, 300])
def test_under_a_tight_budget_what_is_kept_stays_whole(size: int) -> None:
    values = shop(18, 600)
    done = run(values, [size] * -(-600 // size), settings=budget(8))
    kept = done.pipeline.profiles
    assert len(kept) <= 8
    assert done.changelog.keys() >= {f"u:{user}".encode() for user in kept.row_of}
    assert sum(key.startswith(b"u:") for key in done.changelog) == len(kept)
    assert all(key[2:].decode().rsplit(":", 1)[0] in kept.row_of for key in done.changelog if key.startswith(b"d:"))
    for user, row in kept.row_of.items():
        assert kept.user_of[row] == user
        assert kept.rows[row, at.LAST] > 0


def test_whoever_is_forgotten_is_counted_once() -> None:
    values: list[Value] = [json.dumps({"event": "page_view", "user_id": f"u{n}", "timestamp": START_MS + n}).encode() for n in range(10)]
    done = run(values, settings=budget(8))
    left = len(done.pipeline.profiles)
    done.pipeline.profiles.rows_for([f"new{n}" for n in range(4)])  # over the budget again, and everybody else's time is over
    rows = done.pipeline.profiles.rows_for([f"new{n}" for n in range(4)])
    done.pipeline.profiles.rows[rows, at.LAST] = START_MS + 10**11
    turn = done.pipeline.idle(91 * 86_400_000, scorecards())
    assert turn.forgotten["expired"] == left
    assert turn.forgotten["evicted"] == 0
    assert sum(turn.forgotten.values()) == left


def test_events_of_a_batch_go_through_a_row_in_their_order() -> None:
    values = shop(19, 400)
    whole = run(values)
    one_by_one = run(values, [1] * 400)
    for user, row in whole.pipeline.profiles.row_of.items():
        other = one_by_one.pipeline.profiles
        assert np.array_equal(whole.pipeline.profiles.rows[row], other.rows[other.row_of[user]])
