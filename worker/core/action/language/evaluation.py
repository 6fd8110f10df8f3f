"""Expressions over columns: a checked tree is worked out for all moments of a turn at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.action.language.expressions import Name, Tree, Value
from worker.core.events.hashing import stable_hash

Column = NDArray[np.float64] | NDArray[np.bool_]

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
    "*": np.multiply,
    "/": np.divide,
}


def code_of(text: str) -> float:
    """A text as columns hold it: its hash, 0 for the empty one."""
    return float(stable_hash(text)) if text else 0.0


def evaluate(tree: Tree, column: Callable[[str], Column], count: int) -> NDArray[np.bool_]:
    """Work a condition out for `count` moments; `column` gives a field's values for them, texts as `code_of` has them."""
    with np.errstate(all="ignore"):  # 1/0 is infinite and 0/0 is unequal to everything, as in CEL
        return np.broadcast_to(np.asarray(_value(tree, column), dtype=np.bool_), (count,))


def _value(tree: Tree, column: Callable[[str], Column]) -> Any:
    if isinstance(tree, Value):
        return code_of(tree.value) if isinstance(tree.value, str) else tree.value
    if isinstance(tree, Name):
        return column(tree.name)
    parts = [_value(part, column) for part in tree.parts]
    if tree.sign == "in":
        return np.isin(parts[0], parts[1:])
    if tree.sign == "!":
        return np.logical_not(parts[0])
    if tree.sign == "-":
        return np.negative(parts[0]) if len(parts) == 1 else np.subtract(parts[0], parts[1])
    return _SIGNS[tree.sign](*parts)
