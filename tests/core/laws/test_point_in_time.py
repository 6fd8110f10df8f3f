"""Law 9, point in time: an example's bins and probabilities are those published with the score, and its outcome is what the raw events say
of the time after the decision up to the window's end, and of nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings

from tests.core.reading import Reading
from tests.core.runs import COMPLETE, Run, run
from tests.core.shops import DAY_MS, HOUR_MS, START_MS, Value, shop, shops
from worker.core.labels.decisions import EVENT
from worker.core.labels.examples import HIDING

Judged = dict[tuple[str, str], bool]  # decision id and target -> outcome


def expected(reading: Reading) -> Judged:
    """The outcome of every decision whose window is over, read off the raw events."""
    marks = [*reading.settings.silence.marks_ms]
    decisions: list[tuple[str, str, int, int]] = []  # id, user, time, earliest time at which it is final
    for offset, event in reading.drawn(reading.settings.seed).items():
        decisions.append((f"0-{offset}", event.user, event.time_ms, (event.time_ms // DAY_MS + 1) * DAY_MS))
    last = {event.offset: event for event in reading.counted}
    newest: dict[str, int] = {}
    latest_of = {}  # offset -> the user's latest event time when that event had been counted
    for event in reading.counted:
        newest[event.user] = max(newest.get(event.user, 0), event.time_ms)
        latest_of[event.offset] = newest[event.user]
    for user, time_ms, offset in reading.silences:
        decisions.append((f"0-{offset}.{marks.index(time_ms - latest_of[offset]) + 1}", user, time_ms, time_ms))
        assert last[offset].user == user
    out: Judged = {}
    for decision, user, time_ms, final_ms in decisions:
        for name, target in reading.settings.targets.items():
            if max(time_ms + target.delay_ms + target.horizon_ms, final_ms) < reading.end_ms:
                out[decision, name] = reading.happened(user, time_ms, target.outcome, target.delay_ms, target.horizon_ms)
    return out


def judged(done: Run) -> Judged:
    assert len({(example.decision_id, example.target) for example in done.examples}) == len(done.examples)
    return {(example.decision_id, example.target): example.outcome for example in done.examples}


@settings(max_examples=40)
@given(shops())
def test_outcomes_are_what_the_raw_events_say(values: list[Value]) -> None:
    assert judged(run(values, settings=COMPLETE)) == expected(Reading(values, COMPLETE))


@pytest.mark.parametrize("seed", [3, 4])
def test_outcomes_over_a_longer_stream_in_turns(seed: int) -> None:
    values = shop(seed, 1200)
    done = run(values, [100] * 12, settings=COMPLETE)
    outcomes = expected(Reading(values, COMPLETE))
    assert judged(done) == outcomes
    for target in COMPLETE.targets:  # the stream is worth reading: both outcomes are among its events and its silences
        assert {(outcome, "." in decision) for (decision, name), outcome in outcomes.items() if name == target} == {
            (outcome, silent) for outcome in (False, True) for silent in (False, True)
        }


@pytest.mark.parametrize("seed", [5])
def test_examples_carry_what_was_published_with_the_score(seed: int) -> None:
    values = shop(seed, 800)
    done = run(values, [40] * 20)
    published = {}
    for scored in done.scored:
        for row in range(len(scored.row)):
            mark = int(scored.mark[row])
            name = f"0-{scored.offset[row]}" if mark == EVENT else f"0-{scored.offset[row]}.{mark + 1}"
            published[name] = (scored, row)
    records = {record["score_id"]: record for user in done.scores for record in map(json.loads, done.scores[user])}
    assert records.keys() == published.keys()
    assert len(done.examples) > 200
    targets = list(done.pipeline.targets)
    for example in done.examples:
        scored, row = published[example.decision_id]
        number = targets.index(example.target)
        bins = scored.bins[row]
        assert np.array_equal(example.bins, bins[bins > 0])
        assert (example.p, example.raw, example.model) == (scored.p[row, number], scored.raw[row, number], scored.model[number])
        record = records[example.decision_id]
        p = 1 - example.p if example.target == "churn" else example.p
        assert record[example.target]["p"] == pytest.approx(p, abs=2e-7)
        assert (HIDING.of(record["user_id"]), record["time_ms"]) == (example.user, example.time_ms)
        assert record["cause"] == ("event", "silence")[example.cause]


def test_a_declared_outage_voids_the_windows_that_it_meets_and_no_others() -> None:
    values = shop(6, 800)
    outage = (START_MS + 9 * DAY_MS, START_MS + 9 * DAY_MS + 5 * HOUR_MS)
    texts = tuple(datetime.fromtimestamp(time_ms / 1000, UTC).isoformat() for time_ms in outage)
    cut = COMPLETE.model_copy(update={"outage": COMPLETE.outage.model_copy(update={"declared": (texts,)})})
    whole, holed = run(values, settings=COMPLETE), run(values, settings=cut)
    spans = {name: (target.delay_ms, target.delay_ms + target.horizon_ms) for name, target in COMPLETE.targets.items()}
    met = {
        (example.decision_id, example.target)
        for example in whole.examples
        if example.time_ms + spans[example.target][0] < outage[1] and outage[0] < example.time_ms + spans[example.target][1]
    }
    assert 50 < len(met) < len(whole.examples) - 50
    assert judged(holed) == {key: outcome for key, outcome in judged(whole).items() if key not in met}
    assert holed.pipeline.outcomes.voided == len(met)
    assert holed.scores == whole.scores
