"""Where keys stand in a TOML file: on documents of every kind, and on any document that can be written."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.configuration.positions import Position, key_positions
from worker.configuration.writing import toml_key, toml_value

DOCUMENT = (
    '''seed = 1
[targets.purchase] # the first
"hori zon".a = "14 d"
b = { c = 1, d = [1,  # "]" in a comment
  "x]", { z = 2 }] }
m = """a
b = 2 \\"""
"""" ; """
'''.replace(' ; """', "")
    + """q = 2021-01-01T00:00:00Z
l = 'C:\\'
[[x.y]]
a = 1
[[x.y]]
  a = 1
[ "a]b" . c ]
z = 'k'"""
)


def test_every_key_header_and_element_has_its_place() -> None:
    tomllib.loads(DOCUMENT)
    assert key_positions(DOCUMENT) == {
        ("seed",): Position(1, 1),
        ("targets",): Position(2, 1),
        ("targets", "purchase"): Position(2, 1),
        ("targets", "purchase", "hori zon"): Position(3, 1),
        ("targets", "purchase", "hori zon", "a"): Position(3, 1),
        ("targets", "purchase", "b"): Position(4, 1),
        ("targets", "purchase", "b", "c"): Position(4, 7),
        ("targets", "purchase", "b", "d"): Position(4, 14),
        ("targets", "purchase", "b", "d", 0): Position(4, 19),
        ("targets", "purchase", "b", "d", 1): Position(5, 3),
        ("targets", "purchase", "b", "d", 2): Position(5, 9),
        ("targets", "purchase", "b", "d", 2, "z"): Position(5, 11),
        ("targets", "purchase", "m"): Position(6, 1),
        ("targets", "purchase", "q"): Position(9, 1),
        ("targets", "purchase", "l"): Position(10, 1),
        ("x",): Position(11, 1),
        ("x", "y"): Position(11, 1),
        ("x", "y", 0): Position(11, 1),
        ("x", "y", 0, "a"): Position(12, 1),
        ("x", "y", 1): Position(13, 1),
        ("x", "y", 1, "a"): Position(14, 3),
        ("a]b",): Position(15, 1),
        ("a]b", "c"): Position(15, 1),
        ("a]b", "c", "z"): Position(16, 1),
    }


def test_windows_line_ends_move_nothing() -> None:
    assert key_positions(DOCUMENT.replace("\n", "\r\n")) == key_positions(DOCUMENT)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | text
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8)
documents = st.dictionaries(text, values, max_size=5)


@settings(max_examples=50)
@given(documents)
def test_a_value_reads_back_as_written(document: dict[str, Any]) -> None:
    assert tomllib.loads("".join(f"{toml_key(key)} = {toml_value(value)}\n" for key, value in document.items())) == document


@settings(max_examples=50)
@given(documents, documents)
def test_the_place_of_a_key_is_where_its_text_begins(top: dict[str, Any], table: dict[str, Any]) -> None:
    table_name = "x" * 13  # longer than any key that is drawn
    lines = [f"{toml_key(key)} = {toml_value(value)}  # x = [" for key, value in top.items()]
    lines += [f"[{table_name}]", *(f"  {toml_key(key)} = {toml_value(value)}" for key, value in table.items())]
    found = key_positions("\n".join(lines))
    for path in [(key,) for key in top] + [(table_name, key) for key in table]:
        line, column = found[path]
        assert lines[line - 1][column - 1 :].startswith(f"{toml_key(path[-1])} = ")
