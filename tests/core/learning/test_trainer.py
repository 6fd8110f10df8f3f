"""What a trainer learns, what it refuses to learn, and how it comes back from a state gone bad."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.drawn_examples import BINS, EXAMPLES, LAYOUT, TABLE_SIZE, TARGET, World, example, settings
from worker.core.labels.examples import SILENCE, Example
from worker.core.learning import trainer as trainer_module
from worker.core.learning.trainer import Trainer
from worker.core.scoring.scorecard import probability


def trainer(**changes: Any) -> Trainer:
    return Trainer(TARGET, settings(**changes), TABLE_SIZE, LAYOUT)


def learned(examples: list[Example], **changes: Any) -> Trainer:
    made = trainer(**changes)
    made.learn_many(examples)
    return made


def state(made: Trainer) -> bytes:
    return made.snapshot().encode()


# ---- laws


@given(examples=st.lists(EXAMPLES, max_size=40), bins=BINS, optimizer=st.sampled_from(["ftrl", "adagrad", "sgd"]))
def test_compilation_the_scorecard_says_what_rivers_predict_proba_one_says(examples: list[Example], bins: list[int], optimizer: str) -> None:
    made = learned(examples, optimizer=optimizer)
    card = made.scorecard()
    for active in [bins, *(drawn.bins.tolist() for drawn in examples)]:
        row = np.array([active + [0] * 3], dtype=np.int32)  # slots at their reference bin
        expected = made.model.predict_proba_one(np.sort(np.array(active, dtype=np.intp)))[True]  # type: ignore[no-untyped-call]
        assert float(card.raw(card.margins(row))[0]) == pytest.approx(expected, abs=1e-9)


@given(examples=st.lists(EXAMPLES, max_size=30), cuts=st.lists(st.integers(0, 30), max_size=4), scheme=st.sampled_from(["maturity", "fake_negative"]))
def test_cutting_batches_of_any_size_teach_the_same(examples: list[Example], cuts: list[int], scheme: str) -> None:
    whole, cut = trainer(scheme=scheme), trainer(scheme=scheme)
    whole.learn_many(examples, {0: len(examples)})
    edges = sorted({0, len(examples), *(c for c in cuts if c < len(examples))})
    for start, end in pairwise(edges):
        cut.learn_many(examples[start:end])
    cut.learn_many([], {0: len(examples)})
    assert state(cut) == state(whole)


BAD = st.one_of(
    st.builds(example, bins=BINS, weight=st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300])),
    st.builds(example, bins=st.sampled_from([[-1], [1, TABLE_SIZE], [2**31 - 1]])),
    st.builds(example, bins=BINS, p=st.sampled_from([0.0, 1.0, math.nan, -0.1])),
    st.builds(example, bins=BINS, raw=st.sampled_from([0.0, 1.0, math.nan, 2.0])),
    st.builds(example, bins=BINS, layout=st.just("2-other")),
    st.builds(example, bins=BINS, target=st.just("churn")),
)


@given(
    examples=st.lists(st.tuples(EXAMPLES, st.just(False)) | st.tuples(BAD, st.just(True)), max_size=40), scheme=st.sampled_from(["maturity", "fake_negative"])
)
def test_poisoned_examples_are_counted_and_leave_no_trace(examples: list[tuple[Example, bool]], scheme: str) -> None:
    fed, clean = learned([e for e, _ in examples], scheme=scheme), learned([e for e, bad in examples if not bad], scheme=scheme)
    assert fed.skipped == sum(bad for _, bad in examples)
    assert clean.skipped == fed.returns == 0
    fed.skipped = 0
    assert state(fed) == state(clean)


@given(
    before=st.lists(EXAMPLES, max_size=15),
    after=st.lists(EXAMPLES, max_size=15),
    where=st.sampled_from(["weights", "z", "n", "intercept", "information"]),
    poison=st.sampled_from([math.nan, math.inf, -math.inf, 1e300]),
    index=st.integers(1, TABLE_SIZE - 1),
)
def test_poisoned_weights_give_way_to_the_last_good_state_and_nothing_is_lost(
    before: list[Example], after: list[Example], where: str, poison: float, index: int
) -> None:
    assume(not (poison == 1e300 and where == "n"))  # finite: steps may have come so far
    made = learned(before)
    if where in ("intercept", "information"):
        setattr(made.model, where, poison)
    else:
        {"weights": made.model.weights, **made.model.optimizer.state()}[where][index] = poison
    meets_it = example([index], outcome=True)
    made.learn_many([meets_it, *after, meets_it])
    clean = learned([*before, meets_it, *after, meets_it])
    assert made.returns == 1
    assert state(made) == state(clean)


def test_poison_that_no_example_meets_is_found_at_the_next_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "GOOD_EVERY", 10)
    examples = [example([1 + i % 5], outcome=i % 3 == 0) for i in range(25)]
    made = learned(examples[:13])
    made.model.weights[40] = math.nan
    made.learn_many(examples[13:])
    assert made.returns == 1
    assert state(made) == state(learned(examples))


# ---- before and after warming up


def test_an_untrained_model_says_the_prior() -> None:
    card = trainer(prior=0.03).scorecard()
    bins = np.array([[5, 9, 0]], dtype=np.int32)
    assert card.p(card.margins(bins), np.array([0])) == pytest.approx(0.03)
    assert (card.warming_up, card.version, card.base_rate) == (True, "purchase@0", 0.03)


def test_warming_up_ends_when_enough_outcomes_of_each_kind_are_known() -> None:
    made = trainer(abstain_below=2)
    made.learn_many([example([1], outcome=False)] * 50 + [example([1], outcome=True)])
    assert made.scorecard().warming_up
    made.learn(example([1], outcome=True))
    assert not made.scorecard().warming_up
    assert made.scorecard().version == "purchase@52"


def test_a_scorecard_does_not_change_when_learning_goes_on() -> None:
    made = learned([example([1, 2], outcome=True)] * 5)
    card = made.scorecard()
    before = card.weights.copy()
    made.learn_many([example([1, 2], outcome=True)] * 5)
    assert (card.weights == before).all()
    assert (made.scorecard().weights != before).any()
    with pytest.raises(ValueError, match="read-only"):
        card.weights[3] = 1.0


def test_the_base_rate_follows_the_outcomes_at_events_by_weight() -> None:
    made = learned([example([1], outcome=i % 4 == 0, weight=3.0 if i % 4 == 0 else 1.0) for i in range(20_000)])
    assert made.base_rate == pytest.approx(0.5, abs=0.01)
    before = made.base_rate
    made.learn_many([example([1], cause=SILENCE)] * 100)
    assert made.base_rate == before


def test_what_was_published_is_judged_by_weight() -> None:
    made = learned([example([1], outcome=True, p=0.5, weight=2.0), example([1], outcome=False, p=0.2)])
    published = made.published
    assert published["weight"] == 3.0
    assert published["happened"] == 2.0
    assert published["p"] == pytest.approx(1.2)
    assert published["log_loss"] == pytest.approx(-2 * math.log(0.5) - math.log(0.8))
    assert published["log_loss_of_base_rate"] > 2 * -math.log(0.1)


# ---- the two schemes


def test_at_maturity_only_matured_outcomes_teach() -> None:
    made = learned([example([1], sense="provisional"), example([1], outcome=True, sense="happened")])
    assert state(made) == state(trainer())


def test_fake_negatives_carry_the_weights_of_ktena() -> None:
    made = trainer(scheme="fake_negative")
    plain = trainer()
    p = 0.1
    made.learn(example([1], sense="provisional", weight=6.0))
    plain.learn(example([1], weight=6.0 * (1 - p) * (1 + p)))
    assert made.model.weights == pytest.approx(plain.model.weights)
    q = made.model.probability(np.array([1]))
    made.learn(example([1], outcome=True, sense="happened", weight=6.0))
    plain.learn(example([1], outcome=True, weight=6.0 * (1 + q)))
    assert made.model.weights == pytest.approx(plain.model.weights)
    assert made.model.intercept == pytest.approx(plain.model.intercept)
    assert made.outcomes == [0, 0]


def test_under_fake_negatives_a_matured_outcome_is_judged_and_not_learned_twice() -> None:
    made = trainer(scheme="fake_negative")
    made.learn(example([1], outcome=True))
    assert (made.outcomes, made.learned) == ([0, 1], 0)
    assert not made.model.weights.any()


@pytest.mark.parametrize("rate", [0.02, 0.2])
def test_fake_negatives_come_to_the_true_rate(rate: float) -> None:
    world = World(rate, slots=3, count=8_000)
    made = Trainer(TARGET, settings(scheme="fake_negative", prior=rate), world.table_size, LAYOUT)
    waiting: list[Example] = []
    for i, happened in enumerate(world.happened[:6000].tolist()):
        made.learn(example(world.bins[i].tolist(), sense="provisional"))
        if happened:
            waiting.append(example(world.bins[i].tolist(), outcome=True, sense="happened"))
        if len(waiting) > 20:
            made.learn(waiting.pop(0))
    said = probability(made.scorecard().margins(world.bins[6000:]))
    assert said.mean() == pytest.approx(world.p[6000:].mean(), rel=0.25)


def test_positions_are_part_of_the_state() -> None:
    made = trainer()
    made.learn_many([example([1])], {0: 17})
    made.learn_many([example([1])], {2: 5})
    assert made.snapshot().numbers["positions"] == {"0": 17, "2": 5}
