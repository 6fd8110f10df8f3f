"""The changelog's records: keys that keep their user ids apart, and values that read back as they were."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.runs import profile_rows, restored, run
from tests.core.shops import START_MS, Value, shop
from worker.core.pipeline import Pipeline
from worker.core.state.changelog import Restored, decision_key, label_key, profile_key
from worker.core.state.partition import LABEL_LIMIT

users = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8) | st.sampled_from(["a:5.-1", "a", "a:5", ":", "u:a", "🎩", "\x00"])


@given(st.lists(users, min_size=2, max_size=4, unique=True))
def test_any_user_ids_are_kept_apart_and_read_back(names: list[str]) -> None:
    values: list[Value] = [json.dumps({"event": "view_item", "user_id": name, "timestamp": START_MS}).encode() for name in names]
    done = run(values)
    again = restored(done)
    assert profile_rows(again) == profile_rows(done.pipeline)
    pending = done.pipeline.decisions
    assert len(again.decisions) == len(pending) == len(names)
    assert sorted(again.profiles.user_of[row] or "" for row in again.decisions.row[again.decisions.serial > 0]) == sorted(names)


def test_keys_differ_where_their_subjects_do() -> None:
    keys = [profile_key("a"), profile_key("a:5.-1"), decision_key("a", 5, -1), decision_key("a:5", 1, -1), decision_key("a", 51, 1), label_key(0xA)]
    assert len(set(keys)) == len(keys)


def test_a_changelog_that_is_replayed_from_its_start_ends_where_it_was_left() -> None:
    done = run(shop(21, 500), [25] * 20)
    changelog = Restored()
    for published in done.written[2::3]:
        assert isinstance(published, list)
        for key, value in published:
            changelog.apply(key, value)
    assert changelog.profiles.keys() == done.pipeline.profiles.row_of.keys()
    assert changelog.decisions.keys() == {key for key in done.changelog if key.startswith(b"d:")}
    assert changelog.labels == done.pipeline.state.labels


def test_decisions_of_a_user_without_profile_are_let_go() -> None:
    done = run(shop(21, 300))
    left = {user for user in done.pipeline.profiles.row_of if user != "u0"}
    assert done.changelog.pop(b"u:u0")
    again = restored(done)
    assert again.profiles.row_of.keys() == left
    assert set(again.decisions.row[again.decisions.serial > 0].tolist()) <= set(again.profiles.row_of.values())


def test_an_empty_changelog_is_a_new_pipeline() -> None:
    pipeline = Pipeline(run([]).pipeline.settings)
    pipeline.restore(Restored())
    assert (len(pipeline.profiles), len(pipeline.decisions), pipeline.state.held) == (0, 0, [])


def test_texts_behind_hashes_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LABEL_LIMIT > 1000
    monkeypatch.setattr("worker.core.state.partition.LABEL_LIMIT", 3)
    values: list[Value] = [json.dumps({"event": "view_item", "user_id": f"u{n}", "timestamp": START_MS, "path": f"/{n}"}).encode() for n in range(9)]
    done = run(values, [3, 3, 3])
    assert sorted(done.pipeline.state.labels.values()) == ["/0", "/1", "/2"]
    assert restored(done).state.labels == done.pipeline.state.labels
