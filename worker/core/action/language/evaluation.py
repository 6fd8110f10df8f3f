"""Expressions over columns: a checked tree is compiled once, and worked out for all moments of a turn at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.action.language.expressions import Name, Tree, Value
from worker.core.events.hashing import stable_hash

Column = NDArray[np.float64] | NDArray[np.bool_]
Columns = Callable[[str], Column]
Condition = Callable[[Columns], Any]  # flags, or a single one where no field is read

_SIGNS: dict[str, Callable[..., Any]] = {
    "||": np.logical_or,
    "&&": np.logical_and,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
_LONE: dict[str, Callable[..., Any]] = {"!": np.logical_not, "-": np.negative}


def code_of(text: str) -> float:
    """A text as columns hold it: its hash, 0 for the empty one."""
    return float(stable_hash(text)) if text else 0.0


def compiled(tree: Tree) -> Condition:
    """A condition as a function of fields' columns, texts as `code_of` has them. To be called under np.errstate(all="ignore"): 1/0 is infinite as in CEL."""
    if isinstance(tree, Value):
        value = code_of(tree.value) if isinstance(tree.value, str) else tree.value
        return lambda column: value
    if isinstance(tree, Name):
        name = tree.name
        return lambda column: column(name)
    if tree.sign == "in":
        return _one_of(compiled(tree.parts[0]), [compiled(part)(_no_column) for part in tree.parts[1:]])
    first = compiled(tree.parts[0])
    if len(tree.parts) == 1:
        lone = _LONE[tree.sign]
        return lambda column: lone(first(column))
    sign, second = _SIGNS[tree.sign], compiled(tree.parts[1])
    return lambda column: sign(first(column), second(column))


def evaluate(tree: Tree, column: Columns, count: int) -> NDArray[np.bool_]:
    """Work a condition out for `count` moments; `column` gives a field's values for them."""
    with np.errstate(all="ignore"):
        return np.broadcast_to(np.asarray(compiled(tree)(column), dtype=np.bool_), (count,))


def _one_of(part: Condition, values: list[Any]) -> Condition:
    def condition(column: Columns) -> Any:
        found = part(column)
        return reduce(np.logical_or, [np.equal(found, value) for value in values])

    return condition


def _no_column(name: str) -> Column:
    raise AssertionError(f"a list's values are written out, here is {name}")
