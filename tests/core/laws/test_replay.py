"""Law 6, replay: the same input, settings and seed give the same bytes; another seed draws other decisions from the same scores."""

from __future__ import annotations

from hypothesis import given, settings

from tests.core.runs import DEFAULTS, run
from tests.core.shops import Value, shop, shops


@settings(max_examples=15)
@given(shops())
def test_the_same_input_gives_the_same_bytes(values: list[Value]) -> None:
    assert run(values).written == run(values).written


def test_a_longer_stream_in_turns_gives_the_same_bytes() -> None:
    values = shop(9, 1200)
    one, other = run(values, [150] * 8), run(values, [150] * 8)
    assert one.written == other.written
    assert one.counts == other.counts


def test_another_seed_draws_other_decisions_from_the_same_scores() -> None:
    values = shop(9, 600)
    one, other = run(values), run(values, settings=DEFAULTS.model_copy(update={"seed": 1}))
    assert one.scores == other.scores
    assert {example.decision_id for example in one.examples} != {example.decision_id for example in other.examples}
