"""How many examples are of treated users, and whether probabilities come true with and without them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.drawn_examples import EXAMPLES, example
from worker.core.labels.examples import Example
from worker.core.learning.treatment import TreatmentWindow
from worker.core.learning.window import Columns, columns_of

KNOWN = st.lists(st.tuples(EXAMPLES, st.sampled_from([True, False, False, None])), max_size=60)


def ratio(examples: Sequence[Example]) -> float:
    came = sum(one.weight for one in examples if one.outcome)
    return sum(one.weight * one.p for one in examples) / came if came else math.nan


def columns(examples: Sequence[Example]) -> Columns:
    return columns_of([(one.p, one.raw, one.outcome, one.weight, one.time_ms, one.treated) for one in examples])


@given(KNOWN, st.integers(1, 40), st.integers(1, 9))
def test_it_is_exact_over_the_latest_that_say_it(drawn: list[tuple[Example, bool | None]], size: int, at_once: int) -> None:
    examples = [replace(one, treated=treated) for one, treated in drawn]
    window = TreatmentWindow(size)
    for begin in range(0, len(examples), at_once):
        window.observe(columns(examples[begin : begin + at_once]))
    told = [one for one in examples if one.treated is not None][-size:]
    treatment = window.treatment()
    assert treatment.n == len(told)
    assert treatment.n_treated == sum(one.treated is True for one in told)
    treated, others = ([one for one in told if one.treated is group] for group in (True, False))
    share = sum(one.weight for one in treated) / sum(one.weight for one in told) if told else math.nan
    found = (treatment.share, treatment.ratio, treatment.ratio_treated, treatment.ratio_untreated)
    assert found == pytest.approx((share, ratio(told), ratio(treated), ratio(others)), nan_ok=True)


def test_a_message_that_works_shows_and_the_others_do_not_hide_it() -> None:
    window = TreatmentWindow(100)
    window.observe(columns([example([1], p=0.1, outcome=number < 2, treated=True) for number in range(10)]))
    window.observe(columns([example([1], p=0.1, outcome=number < 3, treated=False) for number in range(30)]))
    treatment = window.treatment()
    assert (treatment.share, treatment.ratio_treated, treatment.ratio_untreated) == pytest.approx((0.25, 0.5, 1.0))
    assert treatment.ratio == pytest.approx(0.8)
