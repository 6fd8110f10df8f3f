"""Examples say who was treated: whose user a trigger reached between the decision and the window's end, as the published triggers have it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.action.action_runs import ActionRun, acted, plan, spoken, streams
from tests.core.action.test_action_laws import PHASES, PLAN, assert_same
from tests.core.shops import Value, cuts, shop
from worker.core.action.guards.guards import Guards, Limits, Memory, Rule
from worker.core.labels.examples import Example, ExampleError
from worker.core.privacy.pseudonyms import Pseudonyms
from worker.core.settings import DAY_MS

HIDING = Pseudonyms(None)


def told(run: ActionRun) -> list[tuple[bool | None, bool]]:
    """Of every matured example: what it says, and what the triggers say."""
    fired = {HIDING.of(user): [record["time_ms"] for record in records if record["result"] == "fired"] for user, records in run.triggers.items()}
    return [
        (example.treated, any(example.time_ms <= at <= example.due_ms for at in fired.get(user, ())))
        for user, examples in run.learnable.items()
        for example in examples
        if example.sense == "matured"
    ]


@settings(max_examples=10, phases=PHASES)
@given(streams(120), st.randoms(use_true_random=False))
def test_an_example_says_what_the_triggers_say(values: list[Value], chance: random.Random) -> None:
    sizes = cuts(chance, len(values), 8)
    run = acted(values, sizes, PLAN, restarts={n for n in range(1, len(sizes)) if chance.random() < 0.3})
    assert all(says == is_so for says, is_so in told(run))


@pytest.mark.parametrize("seed", [3, 4])
def test_of_a_longer_stream_some_are_treated_and_most_are_not_whatever_the_cut(seed: int) -> None:
    chance = random.Random(seed)
    values = spoken(shop(seed, 900), [chance.randrange(90) for _ in range(97)])
    whole = acted(values, made=PLAN)
    found = told(whole)
    assert {True, False} == {says for says, _ in found}
    assert all(says == is_so for says, is_so in found)
    sizes = cuts(chance, len(values), 60)
    assert_same(whole, acted(values, sizes, PLAN, restarts=set(range(1, len(sizes), 4))))


def test_without_a_plan_nobody_says_and_the_records_are_as_they_were() -> None:
    run = acted(shop(3, 300))
    assert run.learnable
    assert all(example.treated is None and b"treated" not in example.encode() for examples in run.learnable.values() for example in examples)


def test_what_is_too_old_for_a_cap_is_remembered_for_examples_and_counts_for_no_cap() -> None:
    rule = Rule("a", 0, cap=1, cap_days=1, cooldown_ms=0, expiry_ms=DAY_MS, holdout=0.0, cancel_by_purchase=False)
    guards = Guards({"a": rule}, Limits(1, 1, (0, 0), frozenset(), 0), keep_ms=30 * DAY_MS)
    from tests.core.action.guards.test_guards import person

    memory = Memory()
    for day in (0, 10, 20, 40):
        assert guards.judge(rule, person(), memory, (20_000 + day) * DAY_MS).result == "fired"
    assert [at // DAY_MS - 20_000 for at, _ in memory.fired] == [20, 40]
    assert [at // DAY_MS - 20_000 for at in memory.let_go] == [0, 10]


def test_records_say_it_and_are_read() -> None:
    example = next(example for examples in acted(shop(3, 300), made=plan()).learnable.values() for example in examples)
    for treated in (True, False, None):
        assert Example.decode(replace(example, treated=treated).encode()).treated is treated  # type: ignore[union-attr]
    for wrong in (b"2", b"true", b'"1"', b"null"):
        with pytest.raises(ExampleError, match="treated"):
            Example.decode(replace(example, treated=True).encode().replace(b'"treated":1', b'"treated":' + wrong))
    with pytest.raises(ExampleError, match="happened example cannot say"):
        Example.decode(replace(example, treated=True, outcome=True, sense="happened").encode())
