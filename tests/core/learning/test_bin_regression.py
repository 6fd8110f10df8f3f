"""The regression over arrays against River's own classes over dicts, and what a failing step leaves behind."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import linear_model, optim

from tests.core.drawn_examples import BINS, TABLE_SIZE, World, settings
from worker.core.learning.bin_regression import INTERCEPT_MEMORY, INTERCEPT_PRIOR, BinRegression, Exploded
from worker.core.settings import TargetSettings

RIVERS: dict[str, Callable[[TargetSettings], Any]] = {
    "ftrl": lambda s: optim.FTRLProximal(alpha=s.alpha, beta=s.beta, l1=s.l1, l2=s.l2),
    "adagrad": lambda s: optim.AdaGrad(s.alpha),
    "sgd": lambda s: optim.SGD(s.alpha),
}


class River(linear_model.LogisticRegression):
    """River's logistic regression as it comes, dicts and all, but for the intercept's step length."""

    information = INTERCEPT_PRIOR

    def _eval_gradient_one(self, x: Any, y: Any, w: float) -> Any:
        p = self.predict_proba_one(x)[True]  # type: ignore[no-untyped-call]
        self.information = min(self.information + w * p * (1 - p), INTERCEPT_MEMORY)
        return super()._eval_gradient_one(x, y, w)

    def _get_intercept_update(self, loss_gradient: float) -> float:
        return loss_gradient / self.information


LEARNED = st.lists(st.tuples(BINS, st.booleans(), st.sampled_from([1.0, 1.0, 6.0, 0.25])), max_size=40)


@given(
    examples=LEARNED,
    unseen=BINS,
    optimizer=st.sampled_from(["ftrl", "adagrad", "sgd"]),
    alpha=st.sampled_from([0.01, 0.05, 0.5]),
    l1=st.sampled_from([0.0, 0.3]),
    l2=st.sampled_from([0.0, 1.0, 5.0]),
)
def test_the_same_examples_give_what_rivers_own_classes_learn(
    examples: list[tuple[list[int], bool, float]], unseen: list[int], optimizer: str, alpha: float, l1: float, l2: float
) -> None:
    chosen = settings(optimizer=optimizer, alpha=alpha, l1=l1, l2=l2)
    ours = BinRegression(chosen, TABLE_SIZE)
    rivers = River(RIVERS[optimizer](chosen), intercept_init=math.log(0.1 / 0.9))
    for bins, happened, weight in examples:
        ours.learn_one(np.sort(np.array(bins, dtype=np.intp)), happened, weight)
        rivers.learn_one(dict.fromkeys(sorted(bins), 1.0), happened, weight)
    for bins in [unseen, *(bins for bins, _, _ in examples)]:
        expected = rivers.predict_proba_one(dict.fromkeys(sorted(bins), 1.0))[True]  # type: ignore[no-untyped-call]
        assert ours.probability(np.sort(np.array(bins, dtype=np.intp))) == pytest.approx(expected, abs=1e-9)
    for index, weight in rivers.weights.items():
        assert ours.weights[index] == pytest.approx(weight, abs=1e-9)
    assert ours.optimizer.n_iterations == len(examples)


@given(examples=LEARNED, bins=BINS, optimizer=st.sampled_from(["ftrl", "adagrad", "sgd"]), weight=st.sampled_from([math.nan, math.inf, 1e300]))
def test_a_step_that_explodes_changes_nothing(examples: list[tuple[list[int], bool, float]], bins: list[int], optimizer: str, weight: float) -> None:
    model = BinRegression(settings(optimizer=optimizer), TABLE_SIZE)
    for active, happened, sane in examples:
        model.learn_one(np.sort(np.array(active, dtype=np.intp)), happened, sane)
    before = copy.deepcopy((model.weights, model.optimizer.state(), model.intercept, model.information, model.optimizer.n_iterations))
    with np.errstate(all="ignore"), pytest.raises(Exploded):
        model.learn_one(np.sort(np.array(bins, dtype=np.intp)), True, weight)
    np.testing.assert_equal((model.weights, model.optimizer.state(), model.intercept, model.information, model.optimizer.n_iterations), before)


def test_weights_that_grow_beyond_sense_are_refused() -> None:
    model = BinRegression(settings(optimizer="sgd", alpha=10.0), TABLE_SIZE)
    bins = np.arange(1, 60)
    with pytest.raises(Exploded, match="weights exploded"):
        model.learn_one(bins, True, 200.0)
    assert not model.weights.any()
    assert model.intercept == math.log(0.1 / 0.9)


def test_an_intercept_that_leaps_beyond_sense_is_refused() -> None:
    model = BinRegression(settings(prior=0.001), TABLE_SIZE)
    before = model.intercept
    with pytest.raises(Exploded, match="the intercept exploded"):
        model.learn_one(np.array([1]), True, 100.0)
    assert (model.intercept, model.information) == (before, INTERCEPT_PRIOR)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("optimizer", ["ftrl", "adagrad", "sgd"])
def test_a_state_that_no_step_leaves_is_not_sound(optimizer: str, poison: float) -> None:
    model = BinRegression(settings(optimizer=optimizer), TABLE_SIZE)
    model.learn_one(np.array([1, 2]), True)
    assert model.is_sound()
    squares = [array for name, array in model.optimizer.state().items() if name in ("n", "g2")]
    for array in squares or [model.weights]:
        array[3] = poison if squares or poison != -1.0 else 1e9
    with np.errstate(invalid="ignore"):
        assert not model.is_sound()


@pytest.mark.parametrize(("rate", "prior"), [(0.9, 0.09), (0.9, 0.99), (0.5, 0.05), (0.1, 0.01), (0.02, 0.2), (0.01, 0.1)])
def test_a_prior_ten_times_off_is_made_good_within_500_examples(rate: float, prior: float) -> None:
    said, truth = [], []
    for seed in range(3):
        world = World(rate, seed=seed)
        model = BinRegression(settings(prior=prior, alpha=0.05, l2=1.0), world.table_size)
        for bins, happened in zip(world.bins[:500].astype(np.intp), world.happened[:500].tolist(), strict=True):
            model.learn_one(bins, happened)
        said += [model.probability(bins) for bins in world.bins[3000:].astype(np.intp)]
        truth += world.p[3000:].tolist()
    assert math.log(np.mean(said) / np.mean(truth)) == pytest.approx(0, abs=0.35)


def test_a_rate_of_one_in_a_thousand_is_neared_as_fast_as_its_few_outcomes_allow() -> None:
    off = {}
    for count in (0, 500, 3000):
        world = World(0.001, seed=1)
        model = BinRegression(settings(prior=0.01), world.table_size)
        for bins, happened in zip(world.bins[:count].astype(np.intp), world.happened[:count].tolist(), strict=True):
            model.learn_one(bins, happened)
        off[count] = math.log(np.mean([model.probability(bins) for bins in world.bins[3000:].astype(np.intp)]) / world.p.mean())
    assert off[0] == pytest.approx(math.log(10), abs=0.1)
    assert abs(off[500]) < 0.6 * off[0]
    assert abs(off[3000]) < 0.3 * off[0]


def test_the_intercept_never_stops_learning() -> None:
    model = BinRegression(settings(prior=0.5), TABLE_SIZE)
    nothing = np.zeros(0, dtype=np.intp)
    for turn in range(20_000):
        model.learn_one(nothing, bool(turn % 2))
    assert model.probability(nothing) == pytest.approx(0.5, abs=0.01)
    for _ in range(5_000):
        model.learn_one(nothing, False)
    assert model.probability(nothing) < 0.2
