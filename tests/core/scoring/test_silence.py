"""Silence: which user is scored again at which times, and who is forgotten, against a plain reading of the stream."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.reading import Reading
from tests.core.runs import DEFAULTS, Run, run, scorecards
from tests.core.shops import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Value, cuts, shop, shops


def silences(done: Run) -> list[tuple[str, int, int]]:
    """User, time and the offset of the event before, of every silent score."""
    out = []
    for user in done.scores:
        for record in map(json.loads, done.scores[user]):
            if record["cause"] == "silence":
                assert "event_id" not in record
                out.append((user, record["time_ms"], int(record["score_id"].split("-")[1].split(".")[0])))
    return sorted(out)


@settings(max_examples=40)
@given(shops(), st.randoms(use_true_random=False))
def test_silences_fire_when_a_plain_reading_says_and_users_are_forgotten(values: list[Value], chance: random.Random) -> None:
    done, reading = run(values, cuts(chance, len(values), 15)), Reading(values, DEFAULTS)
    assert silences(done) == sorted(reading.silences)
    assert done.pipeline.profiles.row_of.keys() == reading.users.keys()
    assert {key[2:].decode() for key in done.changelog if key.startswith(b"u:")} == reading.users.keys()
    assert not any(key.startswith(b"d:") and key[2:].decode().rsplit(":", 1)[0] not in reading.users for key in done.changelog)


def test_a_longer_stream_in_turns() -> None:
    values = shop(12, 1500)
    done, reading = run(values, [75] * 20), Reading(values, DEFAULTS)
    assert silences(done) == sorted(reading.silences)
    assert done.pipeline.profiles.row_of.keys() == reading.users.keys()
    assert len(reading.forgotten) > 10


@settings(max_examples=15)
@given(shops(30), st.lists(st.sampled_from([MINUTE_MS, HOUR_MS, 5 * HOUR_MS, 3 * DAY_MS, 20 * DAY_MS]), max_size=8))
def test_silence_goes_on_over_an_idle_input(values: list[Value], pauses_ms: list[int]) -> None:
    done, reading = run(values), Reading(values, DEFAULTS)
    for pause_ms in pauses_ms:
        done.take(done.pipeline.idle(pause_ms, scorecards()))
    reading.pass_time(reading.end_ms + sum(pauses_ms))
    assert silences(done) == sorted(reading.silences)
    assert done.pipeline.profiles.row_of.keys() == reading.users.keys()


def test_users_who_never_come_back_are_scored_judged_and_forgotten() -> None:
    values: list[Value] = [json.dumps({"event": "page_view", "user_id": user, "timestamp": START_MS}).encode() for user in ("a", "b")]
    done = run(values)
    marks = len(DEFAULTS.silence.marks_ms)
    for _ in range(40):
        done.take(done.pipeline.idle(DAY_MS, scorecards()))
    assert [len(done.scores[user]) for user in ("a", "b")] == [marks + 1, marks + 1]
    assert {example.target for example in done.examples if example.cause == 0} == {"purchase", "intent", "churn"}
    assert not any(example.outcome for example in done.examples)
    assert len(done.pipeline.profiles) == 2
    turn = done.take(done.pipeline.idle(50 * DAY_MS + 1, scorecards()))
    assert turn.forgotten == {"expired": 2}
    assert (len(done.pipeline.profiles), len(done.pipeline.decisions)) == (0, 0)
    assert not any(key[:2] in (b"u:", b"d:") for key in done.changelog)


@pytest.mark.parametrize(("elapsed_ms", "fired"), [(HOUR_MS, 0), (HOUR_MS + 1, 2)])
def test_a_mark_fires_when_the_watermark_has_passed_it(elapsed_ms: int, fired: int) -> None:
    done = run([json.dumps({"event": "page_view", "user_id": user, "timestamp": START_MS}).encode() for user in ("a", "b")])
    assert done.pipeline.idle(elapsed_ms, scorecards()).silent == fired
