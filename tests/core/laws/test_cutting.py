"""Law 1, cutting: however the input is cut into turns, scores, examples and profiles come out the same; also when the pipeline is lost
between two turns and goes on from its changelog."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.runs import Run, example_key, profile_rows, run
from tests.core.shops import HOUR_MS, Value, cuts, shop, shops
from worker.core.labels.tallies import Tally
from worker.core.pipeline import DeadLetter
from worker.core.settings import CoreSettings, default_targets


def assert_same(one: Run, other: Run) -> None:
    assert one.scores == other.scores
    assert sorted(map(example_key, one.examples)) == sorted(map(example_key, other.examples))
    assert matured(one) == matured(other)  # in their order, which is that in which trainers learn them
    assert sorted(one.tallies, key=by_identity) == sorted(other.tallies, key=by_identity)
    assert profile_rows(one.pipeline) == profile_rows(other.pipeline)
    assert one.changelog.keys() == other.changelog.keys()
    assert one.counts == other.counts
    assert sorted(one.dead_letters, key=by_offset) == sorted(other.dead_letters, key=by_offset)


def matured(one: Run) -> list[tuple[object, ...]]:
    return [example_key(example) for example in one.examples if example.sense == "matured"]


def by_identity(tally: Tally) -> tuple[str, str]:
    return tally.target, tally.decision_id


def by_offset(letter: DeadLetter) -> int:
    return letter.offset


@settings(max_examples=25)
@given(shops(), st.randoms(use_true_random=False))
def test_turns_of_any_size_come_out_as_one_turn(values: list[Value], chance: random.Random) -> None:
    whole = run(values)
    assert_same(whole, run(values, cuts(chance, len(values), 12)))
    assert_same(whole, run(values, [1] * len(values)))


@settings(max_examples=25)
@given(shops(), st.randoms(use_true_random=False))
def test_a_pipeline_restored_between_turns_goes_on_as_if_nothing_had_happened(values: list[Value], chance: random.Random) -> None:
    sizes = cuts(chance, len(values), 5)
    assert_same(run(values), run(values, sizes, restarts={number for number in range(1, len(sizes)) if chance.random() < 0.6}))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_longer_stream_of_many_users(seed: int) -> None:
    chance, values = random.Random(seed), shop(seed, 1500)
    whole = run(values)
    assert whole.counts["silent"] > 300
    assert len(whole.examples) > 300
    sizes = cuts(chance, len(values), 90)
    assert_same(whole, run(values, sizes, restarts=set(range(1, len(sizes), 3))))


SHORT = CoreSettings(targets={name: target.model_copy(update={"horizon_ms": HOUR_MS, "delay_ms": 0}) for name, target in default_targets().items()})


@pytest.mark.parametrize("seed", [1, 2])
def test_what_a_late_event_brings_after_its_windows_have_closed_comes_in_the_same_order(seed: int) -> None:
    chance, values = random.Random(seed), shop(seed, 500)
    whole = run(values, settings=SHORT)
    assert_same(whole, run(values, cuts(chance, len(values), 30), settings=SHORT))
    assert_same(whole, run(values, [1] * len(values), settings=SHORT))


EARLY = CoreSettings(targets={name: target.model_copy(update={"scheme": "fake_negative"}) for name, target in default_targets().items()})


@settings(max_examples=15)
@given(shops(), st.randoms(use_true_random=False))
def test_what_is_announced_early_does_not_depend_on_the_cut(values: list[Value], chance: random.Random) -> None:
    whole = run(values, settings=EARLY)
    assert_same(whole, run(values, [1] * len(values), settings=EARLY))
    sizes = cuts(chance, len(values), 5)
    assert_same(whole, run(values, sizes, restarts={number for number in range(1, len(sizes)) if chance.random() < 0.6}, settings=EARLY))


@pytest.mark.parametrize("seed", [1, 4])
def test_early_announcements_of_a_longer_stream(seed: int) -> None:
    chance, values = random.Random(seed), shop(seed, 400)
    whole = run(values, settings=EARLY)
    assert {example.sense for example in whole.examples} == {"matured", "provisional", "happened"}
    assert_same(whole, run(values, cuts(chance, len(values), 60), settings=EARLY))
    assert_same(whole, run(values, [1] * len(values), settings=EARLY))
