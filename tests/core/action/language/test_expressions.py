"""Conditions: what is accepted means what it says, and what is not is refused with its place and what to write instead."""

from __future__ import annotations

import numpy as np
import pytest

from worker.core.action.language.evaluation import code_of, evaluate
from worker.core.action.language.expressions import ExpressionError, Type, names_in, parse

NAMES: dict[str, Type] = {"spend": "number", "days": "number", "stage": "text", "purchase.p": "number", "segments.vip": "flag"}
COLUMNS = {
    "spend": np.array([0.0, 10.0, 500.5]),
    "days": np.array([np.inf, 3.0, 0.0]),
    "stage": np.array([code_of(text) for text in ("new", "lost", "")]),
    "purchase.p": np.array([0.1, 0.25, 0.9]),
    "segments.vip": np.array([True, False, True]),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spend > 10", [0, 0, 1]),
        ("spend >= 10 && !(stage == 'lost')", [0, 0, 1]),
        ("days > 30 || segments.vip && purchase.p < 0.5", [1, 0, 0]),
        ("stage in [\"new\", '']", [1, 0, 1]),
        ("spend in [0, 10.0]", [1, 1, 0]),
        ("1.0 + spend * 2.0 - -1.0 == 22.0", [0, 1, 0]),
        ("spend / 0.0 > 1", [0, 1, 1]),
        ("0.0 / spend != 0.0", [1, 0, 0]),  # 0/0 is unequal to everything
        ("segments.vip == (stage != 'lost')", [1, 1, 1]),
        ("true", [1, 1, 1]),
        ("stage == 'it\\'s'", [0, 0, 0]),
        ("-spend < -9.5", [0, 1, 1]),
    ],
)
def test_a_condition_holds_where_it_says(text: str, expected: list[int]) -> None:
    tree = parse(text, NAMES)
    assert evaluate(tree, COLUMNS.__getitem__, 3).tolist() == [bool(flag) for flag in expected]
    assert set(names_in(tree)) <= set(NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spnd > 3", "did you mean spend?, at character 1"),
        ("purchase > 3", "did you mean purchase.p?"),
        ("spend = 3", "write ==, at character 7"),
        ("spend > 3 & days > 1", "write &&"),
        ("spend * 2 > 3", "2.0 for 2"),
        ("stage > 'a'", "> is for numbers"),
        ("stage == 3", "a text is never equal to a number"),
        ("spend && days", "&& joins conditions"),
        ("!spend", "! stands before a condition"),
        ("-stage == 'a'", "- stands before a number"),
        ("stage", "is a text, not a condition"),
        ("size(stage) > 2", "there are none"),
        ("stage in []", "the list is empty"),
        ("stage in ['a', 2]", "the list must hold texts"),
        ("stage in 'a'", "in needs a list"),
        ("stage in ['a' 'b']", "not closed with ]"),
        ("segments.vip in [true]", "in looks for"),
        ("(spend > 3", "not closed with )"),
        ("spend > ", "at the end of the expression"),
        ("spend > 3 ; days > 1", "not understood"),
        ("", "is missing"),
        ("(" * 60 + "true" + ")" * 60, "stand within each other"),
        ("true || " * 200 + "true", "at most 1000 are read"),
    ],
)
def test_what_is_no_condition_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text, NAMES)
    assert message in str(refused.value)
