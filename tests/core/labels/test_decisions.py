"""Decisions: one event a user and day drawn evenly, silent scores by their share, in a table that gives its places back."""

from __future__ import annotations

import json
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.reading import Reading, splitmix64
from tests.core.runs import COMPLETE, DEFAULTS, Run, run, scorecards
from tests.core.shops import DAY_MS, HOUR_MS, START_MS, Value, cuts, shop, shops
from worker.core.labels.decisions import draws
from worker.core.settings import CoreSettings

EVENING = START_MS // DAY_MS * DAY_MS + 12 * HOUR_MS


def drawn(done: Run) -> set[int]:
    """Offsets of the events that became decisions, those that still wait included."""
    decisions = done.pipeline.decisions
    waiting = decisions.offset[(decisions.serial > 0) & (decisions.mark < 0)].tolist()
    return {int(example.decision_id[2:]) for example in done.examples if example.cause == 0} | set(waiting)


def view(user: str, time_ms: int) -> Value:
    return json.dumps({"event": "page_view", "user_id": user, "timestamp": time_ms}).encode()


@settings(max_examples=40)
@given(shops(), st.randoms(use_true_random=False))
def test_the_days_decision_is_the_smallest_draw_and_the_last_of_its_millisecond(values: list[Value], chance: random.Random) -> None:
    done, reading = run(values, cuts(chance, len(values), 8), settings=COMPLETE), Reading(values, COMPLETE)
    assert drawn(done) == reading.drawn(COMPLETE.seed).keys()


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=30), st.integers(0, 2**31))
def test_draws_are_splitmix64_and_below_one(keys: list[int], seed: int) -> None:
    found = draws(np.array(keys, dtype=np.int64), seed)
    assert found.tolist() == [splitmix64(key, seed) / 2**53 for key in keys]
    assert found.max() < 1


def test_every_event_of_a_day_is_drawn_as_often_as_any_other() -> None:
    users, each = 1500, 5
    values = [view(f"u{user}", EVENING + 1000 * number) for number in range(each) for user in range(users)]
    counts = Counter(offset // users for offset in drawn(run(values)))
    assert sum(counts.values()) == users
    expected = users / each
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 18.5  # chi-squared, 4 degrees of freedom, 1 in 1,000
    assert len(counts) == each


def test_events_after_their_day_and_events_overtaken_by_another_are_no_decisions() -> None:
    values = [view("a", EVENING), view("b", EVENING), view("b", EVENING + 20 * HOUR_MS), view("a", EVENING + 1000), view("c", EVENING + 2000)]
    assert drawn(run(values)) & {3, 4} == set()  # their day was over
    counts: Counter[int] = Counter()
    for seed in range(40):
        found = drawn(run([view("a", EVENING), view("b", EVENING), view("a", EVENING + HOUR_MS), view("a", EVENING + 1000)], settings=seeded(seed)))
        counts.update(list(found))
    assert counts[3] == 0
    assert min(counts[0], counts[2]) > 5


def seeded(seed: int) -> CoreSettings:
    return DEFAULTS.model_copy(update={"seed": seed})


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_silent_scores_are_drawn_by_their_share_and_weighted_by_its_inverse(share: float) -> None:
    chosen = COMPLETE.model_copy(update={"silence": COMPLETE.silence.model_copy(update={"share": share})})
    done = run(shop(13, 500), settings=chosen)
    done.take(done.pipeline.idle(40 * DAY_MS, scorecards(chosen)))
    silent = {example.decision_id for example in done.examples if example.cause == 1}
    assert {example.weight for example in done.examples if example.cause == 1} == {1 / share}
    assert {example.weight for example in done.examples if example.cause == 0} == {1.0}
    assert len(silent) == pytest.approx(share * done.counts["silent"], rel=0.3)


def test_silent_negatives_are_thinned_and_weighted_so_that_their_sum_stands_for_all() -> None:
    values = shop(14, 1200)
    everything, thinned = run(values, settings=COMPLETE), run(values, settings=thin(0.25))
    for target in COMPLETE.targets:
        full = [e for e in everything.examples if e.target == target and e.cause == 1]
        few = [e for e in thinned.examples if e.target == target and e.cause == 1]
        assert {e.decision_id for e in few if e.outcome} == {e.decision_id for e in full if e.outcome}
        assert {e.weight for e in few} == {1.0, 4.0}
        negatives = [e for e in full if not e.outcome]
        assert sum(e.weight for e in few if not e.outcome) == pytest.approx(len(negatives), rel=0.2)
    assert thinned.pipeline.outcomes.thinned == len(everything.examples) - len(thinned.examples)


def thin(share: float) -> CoreSettings:
    targets = {name: target.model_copy(update={"silent_negatives": share}) for name, target in COMPLETE.targets.items()}
    return COMPLETE.model_copy(update={"targets": targets})


def test_places_are_used_again_and_nothing_is_kept_that_is_over() -> None:
    done = run(shop(15, 1500), [100] * 15)
    decisions = done.pipeline.decisions
    assert len(done.examples) > 4 * len(decisions.row)
    done.take(done.pipeline.idle(80 * DAY_MS, scorecards()))
    assert len(decisions) == 0
    assert decisions.candidate_of == {}
    assert not any(key.startswith(b"d:") for key in done.changelog)
    assert sorted(decisions._free) == list(range(len(decisions.row)))


def test_a_target_that_wants_no_silent_decisions_gets_none() -> None:
    targets = {**COMPLETE.targets, "intent": COMPLETE.targets["intent"].model_copy(update={"silent": False})}
    done = run(shop(16, 400), settings=COMPLETE.model_copy(update={"targets": targets}))
    assert {example.cause for example in done.examples if example.target == "intent"} == {0}
    assert {example.cause for example in done.examples if example.target == "purchase"} == {0, 1}
