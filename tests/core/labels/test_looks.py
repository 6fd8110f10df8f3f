"""Looks at pending decisions: to the millisecond, once each, against a plain account of the stream, and the same however it is cut or restored."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.older_state import decision_of_schema_1
from tests.core.reading import splitmix64
from tests.core.runs import COMPLETE, DEFAULTS, Run, restored, run, scorecards
from tests.core.shops import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Value, cuts, shop, shops
from worker.core.labels.tallies import LOOKS_MS, MILLION, Tally
from worker.core.pipeline import Pipeline
from worker.core.scoring.scorecard import Scorecards
from worker.core.settings import CoreSettings, OutageSettings

HALF_HOUR_MS = 30 * MINUTE_MS


def sums(found: list[Tally], target: str) -> tuple[list[int], list[int], list[int]]:
    """Expected (in decisions of probability one), seen and happened by look, over all hours."""
    mine = [tally for tally in found if tally.target == target]
    expected, seen, happened = ([sum(column) for column in zip(*(getattr(t, name) for t in mine), strict=True)] for name in ("expected", "seen", "happened"))
    return expected, seen, happened


def settled(values: list[Value], chosen: CoreSettings = COMPLETE, cards: Scorecards | None = None, days: int = 10) -> Run:
    done = run(values, [1] * len(values), settings=chosen, cards=cards)
    for _ in range(days):
        done.take(done.pipeline.idle(DAY_MS, cards or scorecards(chosen)))
    return done


def one_decision(*later: tuple[str, int], chosen: CoreSettings = COMPLETE) -> Run:
    """A user's decision at the start of a day, and what the user did after it."""
    day_ms = START_MS // DAY_MS * DAY_MS
    values: list[Value] = []
    for name, after_ms in (("page_view", 0), *later):
        values.append(json.dumps({"event": "page_view", "user_id": "other", "timestamp": day_ms + after_ms}).encode())  # time has come so far
        values.append(json.dumps({"event": name, "user_id": "u", "timestamp": day_ms + after_ms}).encode())
    seed = next(seed for seed in range(1000) if min(range(1, len(values), 2), key=lambda offset: splitmix64(offset, seed)) == 1)
    return settled(values, chosen.model_copy(update={"seed": seed}))


def seen_of(done: Run, target: str = "purchase") -> list[int]:
    """By which look it was first seen, for the user who bought: counts by look. The other user never does."""
    return sums(done.tallies, target)[1]


@pytest.mark.parametrize(
    ("after_ms", "look"),
    [(1, 2), (DAY_MS - 1, 2), (DAY_MS, 2), (DAY_MS + 1, 3), (LOOKS_MS[3], 3), (LOOKS_MS[3] + 1, 4), (LOOKS_MS[6], 6), (LOOKS_MS[6] + 1, None)],
)
def test_an_outcome_is_seen_by_the_first_look_at_or_after_it(after_ms: int, look: int | None) -> None:
    # Looks of the first hours are made when the day is over: 6 h and 12 h as well as 24 h. All three see what the first of them sees.
    found = seen_of(one_decision(("purchase", after_ms)))
    first = 0 if look == 2 else look
    assert found == [int(number == first) for number in range(len(LOOKS_MS))]


def test_happened_says_by_which_look_it_had_been_seen() -> None:
    assert sums(one_decision(("purchase", DAY_MS + 1)).tallies, "purchase")[2] == [0, 0, 0, 1, 0, 0, 0, 0]
    assert sums(one_decision(("purchase", 5 * DAY_MS)).tallies, "purchase")[2] == [0, 0, 0, 0, 0, 0, 0, 1]
    assert sums(one_decision(("purchase", 8 * DAY_MS)).tallies, "purchase")[2] == [0] * 8


def test_a_target_is_not_looked_at_once_its_window_has_closed() -> None:
    done = one_decision(("purchase", 1))
    assert {tally.target: len(tally.seen) for tally in done.tallies} == {"purchase": 7, "churn": 7, "cart": 4}  # intent's half an hour is none


def test_expected_sums_the_probabilities_without_the_level_of_their_time() -> None:
    values: list[Value] = [json.dumps({"event": "page_view", "user_id": f"u{i}", "timestamp": START_MS + i}).encode() for i in range(40)]
    plain = scorecards(COMPLETE)
    calibrations = np.zeros((len(plain.targets), 2, 3))
    calibrations[:, 0, 0] = 0.7
    raised = Scorecards(plain.targets, plain.weights, plain.intercepts, plain.versions, plain.base_rates, plain.warming_up, calibrations, [0.7] * 4)
    p = np.concatenate([scored.p[scored.mark == -1] for scored in run(values, settings=COMPLETE).scored])
    for cards in (plain, raised):
        expected = sums(settled(values, cards=cards).tallies, "purchase")[0]
        assert expected == pytest.approx([p[:, 0].sum() * MILLION] * len(LOOKS_MS), abs=len(p))


def test_what_an_outage_cuts_is_looked_at_no_more() -> None:
    day_ms = START_MS // DAY_MS * DAY_MS
    gone = OutageSettings(detect=False, declared=(("2021-01-03T00:00:00Z", "2021-01-03T06:00:00Z"),))
    assert day_ms // DAY_MS == 18_628  # 1 January 2021
    bought = ("purchase", 2 * DAY_MS + 7 * HOUR_MS)
    assert sum(seen_of(one_decision(bought))) == 1
    cut = one_decision(bought, chosen=COMPLETE.model_copy(update={"outage": gone}))
    assert sum(seen_of(cut)) == 0
    expected = sums([tally for tally in cut.tallies if tally.hour_ms <= day_ms + 2 * DAY_MS], "purchase")[0]
    assert [count > 0 for count in expected] == [True] * 5 + [False] * 2  # up to two days, when the outage began


# ---- however it is cut


def assert_same(one: Run, other: Run) -> None:
    assert sorted(one.tallies, key=by_hour) == sorted(other.tallies, key=by_hour)
    assert one.pipeline.outcomes.looks.state() == other.pipeline.outcomes.looks.state()


def by_hour(tally: Tally) -> tuple[int, str]:
    return tally.hour_ms, tally.target


@settings(max_examples=25)
@given(shops(), st.randoms(use_true_random=False))
def test_tallies_do_not_depend_on_the_cut_nor_on_restarts(values: list[Value], chance: random.Random) -> None:
    whole = run(values)
    assert_same(whole, run(values, [1] * len(values)))
    sizes = cuts(chance, len(values), 5)
    assert_same(whole, run(values, sizes, restarts={number for number in range(1, len(sizes)) if chance.random() < 0.6}))


def test_tallies_of_a_longer_stream() -> None:
    values = shop(4, 1500)
    whole = run(values)
    assert sum(sums(whole.tallies, "churn")[1]) > 30
    sizes = cuts(random.Random(4), len(values), 90)
    assert_same(whole, run(values, sizes, restarts=set(range(1, len(sizes), 3))))
    assert len({tally.decision_id for tally in whole.tallies if tally.target == "churn"}) == len([t for t in whole.tallies if t.target == "churn"])


@settings(max_examples=15)
@given(shops(40), st.integers(0, 12 * DAY_MS))
def test_a_restored_pipeline_looks_as_the_live_one(values: list[Value], elapsed_ms: int) -> None:
    live = run(values, finish=False)
    again = Run(restored(live))
    live.tallies.clear()
    for one in (live, again):
        one.take(one.pipeline.idle(elapsed_ms, scorecards()))
    assert_same(live, again)


def test_what_settles_adds_up_with_the_examples() -> None:
    done = settled(shop(9, 600), days=30)
    happened: Counter[str] = Counter()
    for record in done.examples:
        if record.cause == 0 and record.outcome and record.target != "intent":
            happened[record.target] += 1
    assert {target: sum(sums(done.tallies, target)[2]) for target in happened} == dict(happened)
    assert happened["churn"] > 30


# ---- state of other programs


def test_decisions_of_a_program_that_did_not_look_are_left_out() -> None:
    done = run(shop(5, 300), finish=False)
    for key, value in done.changelog.items():
        if key.startswith(b"d:"):
            done.changelog[key] = decision_of_schema_1(value, ("seen", "level"))
        elif key == b"p:":
            done.changelog[key] = json.dumps({name: column for name, column in json.loads(value).items() if name != "tallies"}).encode()
    pending = len(done.pipeline.decisions)
    again = Run(restored(done))
    assert len(again.pipeline.decisions) == pending > 0
    again.take(again.pipeline.idle(12 * DAY_MS, scorecards()))
    assert len(again.examples) > 0
    assert again.tallies == []


def test_an_hour_of_targets_that_are_no_more_is_let_go() -> None:
    looks = Pipeline(DEFAULTS).outcomes.looks
    columns = [[7] * 7, [1] * 7, [2] * 8]
    looks.restore([[447_000, "churn", *columns], [447_000, "gone", *columns], [447_000, "purchase", [1], [1], [1, 1]]])
    assert looks.state() == [[447_000, "churn", *columns]]


def test_equal_tallies_are_equal_records() -> None:
    grouped: dict[bytes, list[Tally]] = defaultdict(list)
    for tally in run(shop(4, 400)).tallies:
        grouped[tally.encode()].append(tally)
        assert replace(tally, partition=1).encode() not in grouped
    assert all(len(set(same)) == 1 for same in grouped.values())
