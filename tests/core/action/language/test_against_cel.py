"""Conditions come to what a library of the Common Expression Language makes of the same text; what it reads and we do not is refused, not misread."""

from __future__ import annotations

from typing import Any

import cel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.core.action.language.evaluation import code_of, evaluate
from worker.core.action.language.expressions import ExpressionError, Type, parse

NAMES: dict[str, Type] = {"spend": "number", "purchase.p": "number", "days": "number", "stage": "text", "segments.vip": "flag"}
WORDS = ("", "new", "lost", "it's")
QUOTED = ("''", "'new'", '"lost"', "'it\\'s'", '"it\'s"', "'else'")
WHOLE = st.integers(0, 20).map(str)
POINTED = st.sampled_from(["0.0", "0.5", "1.0", "2.25", "10.0", "1.5e3", "3.0e-2"])
PORTRAIT = st.tuples(
    st.sampled_from([0.0, 0.5, 1.0, 2.25, 10.0, 1500.0]),
    st.floats(0, 1),
    st.sampled_from([0.0, 1.0, 10.0, float("inf")]),  # a span since something that never happened
    st.sampled_from(WORDS),
    st.booleans(),
)


def _sums() -> st.SearchStrategy[str]:
    """Arithmetic that stays finite: only what is written out is divided by, and it is not 0."""
    leaves = st.one_of(st.sampled_from(["spend", "purchase.p"]), POINTED)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from([" + ", " - ", "*", "-"]), inner).map("".join),
            st.tuples(inner, st.sampled_from([" / 2.5", "/-4.0"])).map("".join),
            inner.map("({})".format),
            inner.map("-({})".format),
        ),
        max_leaves=5,
    )


def _conditions() -> st.SearchStrategy[str]:
    lines = st.sampled_from([" < ", "<=", " > ", ">=", "==", " != "])
    listed = st.lists(st.one_of(WHOLE, POINTED, POINTED.map("-{}".format)), min_size=1, max_size=4).map(", ".join)
    leaves = st.one_of(
        st.tuples(_sums(), lines, st.one_of(_sums(), WHOLE)).map("".join),
        st.tuples(st.just("days"), lines, st.one_of(WHOLE, POINTED)).map("".join),
        st.tuples(st.just("stage"), st.sampled_from(["==", " != "]), st.sampled_from(QUOTED)).map("".join),
        st.lists(st.sampled_from(QUOTED), min_size=1, max_size=3).map(lambda words: f"stage in [{', '.join(words)}]"),
        st.tuples(st.sampled_from(["spend", "days"]), listed).map(lambda parts: f"{parts[0]} in [{parts[1]}]"),
        st.sampled_from(["segments.vip", "true", "false"]),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from([" && ", "||"]), inner).map("".join),
            inner.map("({})".format),
            inner.map("!({})".format),
            st.tuples(inner, st.sampled_from(["==", "!="]), inner).map(lambda parts: f"({parts[0]}){parts[1]}({parts[2]})"),
        ),
        max_leaves=8,
    )


@settings(max_examples=100)
@given(_conditions(), st.lists(PORTRAIT, min_size=1, max_size=4))
def test_a_condition_holds_where_cel_says(text: str, portraits: list[tuple[float, float, float, str, bool]]) -> None:
    assert _ours(text, portraits) == _theirs(text, portraits)


@pytest.mark.parametrize("text", ["spend / 0.0 > 1.0", "-spend / 0.0 < days", "1.0 / 0.0 == days", "0.0 / 0.0 == 0.0 / 0.0", "0.0 / 0.0 != spend"])
def test_what_is_divided_by_nothing_comes_to_the_same(text: str) -> None:
    portraits = [(2.0, 0.0, float("inf"), "", True), (1.0, 0.0, 3.0, "", False)]
    assert _ours(text, portraits) == _theirs(text, portraits)


@pytest.mark.parametrize(
    "text",
    [
        "spend > 1.0 ? true : false",
        "size(stage) > 1",
        "stage.startsWith('n')",
        "stage + 'x' == 'newx'",
        "'a' < stage",
        "7 % 2 == 1",
        "1 + 1 == 2",
        "stage in []",
        "stage in ['a'] + ['new']",
        "[1.0, spend].exists(x, x > 1.0)",
        "spend in [spend]",
        "{'new': true}[stage]",
        "stage == r'new'",
        "stage == 'n\\x65w'",
        "spend > .5 || spend > 1e0",
        "spend != 0x10",
        "stage != 1 || true",
        "!!segments.vip ? true : true",
    ],
)
def test_what_cel_reads_and_is_no_part_of_ours_is_refused(text: str) -> None:
    assert _theirs(text, [(2.0, 0.1, 3.0, "new", True)]) in ([True], [False])
    with pytest.raises(ExpressionError):
        parse(text, NAMES)


def _ours(text: str, portraits: list[tuple[float, float, float, str, bool]]) -> list[bool]:
    spend, p, days, stage, vip = zip(*portraits, strict=True)
    columns = dict(zip(NAMES, map(np.array, (spend, p, days, [code_of(word) for word in stage], vip)), strict=True))
    return list(evaluate(parse(text, NAMES), columns.__getitem__, len(portraits)).tolist())


def _theirs(text: str, portraits: list[tuple[float, float, float, str, bool]]) -> list[Any]:
    return [
        cel.evaluate(text, {"spend": spend, "purchase": {"p": p}, "days": days, "stage": stage, "segments": {"vip": vip}})
        for spend, p, days, stage, vip in portraits
    ]
