"""The mark of a relearned model: what is written is read, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator

from worker.core.learning.relearned import Relearned, is_relearned, relearned_key

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "relearn.schema.json").read_text(encoding="utf-8"))
MARK = Relearned("purchase", "a1")


def test_a_mark_is_read_as_it_was_written_and_fits_its_schema() -> None:
    assert Relearned.decode(MARK.encode()) == MARK
    Draft202012Validator(SCHEMA).validate(json.loads(MARK.encode()))


@pytest.mark.parametrize("changed", [{"schema": 2}, {"schema": True}, {"sense": "tally"}, {"target": ""}, {"relearn_id": 7}, {"more": 1}])
def test_nothing_else_is_a_mark(changed: dict[str, object]) -> None:
    for value in (orjson.dumps({**orjson.loads(MARK.encode()), **changed}), b"[]", b"{"):
        with pytest.raises(ValueError, match=r"."):
            Relearned.decode(value)


def test_marks_are_told_from_examples_by_their_keys() -> None:
    assert is_relearned(relearned_key("purchase"))
    assert not any(map(is_relearned, (None, b"purchase", b"relearned")))
