"""Example records: what is written can be read, and nothing else can."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.drawn_examples import EXAMPLES, example
from tests.core.older_examples import OF_SCHEMA_1
from tests.core.runs import COMPLETE, run, scorecards
from tests.core.shops import shop
from worker.core.labels.examples import Example, ExampleError
from worker.core.pipeline import Pipeline
from worker.core.privacy.pseudonyms import Pseudonyms

KEY = b"0123456789abcdef0123456789abcdef"
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5)


def record(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads(example([4, 17, 260], outcome=True, weight=6.0).encode())
    return {**fields, **changes}


def decoded(value: bytes) -> Example:
    read = Example.decode(value)
    assert isinstance(read, Example)
    return read


@given(EXAMPLES)
def test_what_is_written_is_what_is_read(drawn: Example) -> None:
    read = decoded(drawn.encode())
    assert read.encode() == drawn.encode()
    for name in ("target", "decision_id", "user", "cause", "time_ms", "due_ms", "outcome", "weight", "p", "raw", "model", "layout", "sense"):
        assert getattr(read, name) == getattr(drawn, name)
    assert read.bins.tolist() == sorted(drawn.bins.tolist())


def test_the_reference_bin_is_left_out() -> None:
    assert decoded(example([9, 0, 3, 0]).encode()).bins.tolist() == [3, 9]


def test_a_record_reads_like_its_schema_says() -> None:
    assert record() == {
        "schema": 2,
        "target": "purchase",
        "decision_id": "0-1",
        "user": "d1f0" * 8,
        "sense": "matured",
        "cause": "event",
        "time_ms": 1609582512345,
        "due_ms": 1610187312345,
        "outcome": 1,
        "weight": 6.0,
        "p": 0.1,
        "raw": 0.1,
        "model": "purchase@1",
        "layout": "1-abcd",
        "bins": [4, 17, 260],
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", 3),
        ("schema", True),
        ("target", ""),
        ("user", 7),
        ("model", None),
        ("layout", ["1"]),
        ("sense", "guessed"),
        ("cause", "timer"),
        ("cause", ["event"]),
        ("time_ms", -1),
        ("time_ms", 1.5),
        ("time_ms", 10**15),
        ("due_ms", 0),
        ("due_ms", True),
        ("outcome", True),
        ("outcome", 2),
        ("weight", 0),
        ("weight", -1.0),
        ("weight", "1"),
        ("weight", True),
        ("p", 0.0),
        ("p", 1),
        ("p", None),
        ("raw", 1.0),
        ("bins", None),
        ("bins", {"1": 2}),
        ("bins", [1.0, 2.0]),
        ("bins", [True]),
        ("bins", [0, 1]),
        ("bins", [-3]),
        ("bins", [5, 4]),
        ("bins", [5, 5]),
        ("bins", [1, 2**31]),
        ("bins", ["1"]),
    ],
)
def test_a_field_that_is_wrong_is_named(field: str, value: Any) -> None:
    with pytest.raises(ExampleError, match=f"not an example: {field} "):
        Example.decode(orjson.dumps(record(**{field: value})))


@pytest.mark.parametrize(("sense", "outcome"), [("provisional", 1), ("happened", 0)])
def test_an_outcome_that_its_sense_rules_out_is_refused(sense: str, outcome: int) -> None:
    with pytest.raises(ExampleError, match=f"the outcome of a {sense} example cannot be {outcome}"):
        Example.decode(orjson.dumps(record(sense=sense, outcome=outcome)))


@pytest.mark.parametrize("field", list(record()))
def test_a_missing_field_is_named(field: str) -> None:
    kept = {name: value for name, value in record().items() if name != field}
    with pytest.raises(ExampleError, match=f"{field} is missing"):
        Example.decode(orjson.dumps(kept))


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(ExampleError, match="'label' is unknown"):
        Example.decode(orjson.dumps(record(label=1)))


@pytest.mark.parametrize("value", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"7", b'{"p": NaN}'])
def test_what_is_no_record_is_refused(value: bytes) -> None:
    with pytest.raises(ExampleError, match="not an example"):
        Example.decode(value)


@given(st.dictionaries(st.sampled_from(list(record())), JSON, max_size=4))
def test_strange_values_are_read_or_refused_and_never_break(changes: dict[str, Any]) -> None:
    try:
        read = decoded(orjson.dumps(record(**changes), option=orjson.OPT_PASSTHROUGH_SUBCLASS))
    except (ExampleError, orjson.JSONEncodeError):
        return
    assert 0 < read.p < 1
    assert 0 < read.weight < math.inf
    assert read.bins.min(initial=1) >= 1


@pytest.mark.parametrize("older", OF_SCHEMA_1)
def test_an_example_of_the_form_before_is_read_as_one_of_now(older: bytes) -> None:
    fields, named = orjson.loads(older), Pseudonyms(KEY)
    assert fields.pop("user_id") == "u0"
    now = {**fields, "schema": 2, "user": named.of("u0")}
    read = Example.decode(older, named)
    assert isinstance(read, Example)
    assert orjson.loads(read.encode()) == now
    assert decoded(older).user == Pseudonyms(None).of("u0")
    for wrong in (
        {**fields, "user_id": ""},
        {**fields, "user_id": 7},
        fields,
        {**fields, "schema": True, "user_id": "u0"},
        {**fields, "schema": 0, "user_id": "u0"},
    ):
        with pytest.raises(ExampleError, match="not an example"):
            decoded(orjson.dumps(wrong))


def test_a_pipeline_names_users_by_its_pseudonyms_and_no_example_says_who_they_are() -> None:
    values, named = shop(6, 300), Pseudonyms(KEY)
    plain = run(values, settings=COMPLETE)
    keyed = Pipeline(COMPLETE, pseudonyms=named)
    cards = scorecards(COMPLETE)
    examples = [
        example for turn in (keyed.turn(values, range(len(values)), cards), keyed.finish(cards)) for example in turn.examples if isinstance(example, Example)
    ]
    users = [orjson.loads(record)["user_id"] for records in plain.scores.values() for record in records]
    of_score = {orjson.loads(record)["score_id"]: orjson.loads(record)["user_id"] for records in plain.scores.values() for record in records}
    assert len(examples) == len(plain.examples) > 100
    assert [example.user for example in examples] == [named.of(of_score[example.decision_id]) for example in examples]
    assert [example.user for example in plain.examples] == [Pseudonyms(None).of(of_score[example.decision_id]) for example in examples]
    assert not any(f'"{user}"'.encode() in example.encode() for example in plain.examples for user in set(users))
