"""What is wrong with a configuration, in words: each refusal says what, where (file and line, variable or flag) and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, get_args, get_origin

from pydantic_core import ErrorDetails

from worker.configuration.fields import HIDDEN, Leaf, Path, annotation_at, default_of, is_secret, is_section, keys_of, leaf_at, leaves
from worker.configuration.writing import toml_value
from worker.errors import Problem
from worker.settings import Settings

WhereIs = Callable[[Path], str]
_LONGEST_SHOWN = 80
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list", dict: "a table"}


def refusals(errors: Iterable[ErrorDetails], where_is: WhereIs) -> list[Problem]:
    """Put pydantic's errors into words; `where_is` tells where the value at a path was written."""
    return [_refusal(error, tuple(str(part) for part in error["loc"] if part != "[key]"), where_is) for error in errors]


def type_refusals(values: Iterable[tuple[Path, Any, str]], where_is: WhereIs) -> list[Problem]:
    """Refuse what pydantic would bend into shape: true for a number from anywhere, "5" for 5 from a file, where types can be written.

    `values` holds each value in force with its path and the kind of its layer.
    """
    problems = []
    for path, value, kind in values:
        leaf = leaf_at(path)
        if leaf is None or leaf.name.endswith("_ms") or leaf.field.annotation not in (bool, int, float):
            continue
        bent = isinstance(value, bool) != (leaf.field.annotation is bool) if not isinstance(value, str) else kind == "file"
        if bent and isinstance(value, bool | int | float | str):
            problems.append(_wrong_type(path, value, where_is(path)))
    return problems


def plan_refusals(settings: Settings, where_is: WhereIs) -> list[Problem]:
    """Refuse segments and rules whose conditions cannot be read, each with the place within the condition."""
    from worker.core.action.plan import faults_of

    problems = []
    for fault in faults_of(settings.targets, settings.segments, settings.triggers, settings.action):
        place = f", {fault.place} of the condition" if fault.place else ""
        problems.append(Problem(f"{_dotted(fault.path)}: {fault.what}", f"{where_is(fault.path)}{place}", fault.todo))
    return problems


def _refusal(error: ErrorDetails, path: Path, where_is: WhereIs) -> Problem:
    kind, leaf, given = error["type"], leaf_at(path), error["input"]
    where = where_is(path)
    if kind == "extra_forbidden":
        return Problem(f"unknown {'section' if isinstance(given, dict) else 'key'} {path[-1]!r}{_in_section(path)}", where, _nearest_key(path))
    if kind == "missing" and path[-1].isdigit():
        return Problem(f"{_dotted(path[:-1])} has too few items", where, f"write {len(get_args(annotation_at(path[:-1])))} of them")
    if kind == "missing":
        return Problem(f"{path[-1]!r} is missing{_in_section(path)}", where, f"add {path[-1]} = {_example(leaf)}")
    if kind == "value_error":
        what, _, todo = str(error["ctx"]["error"]).rpartition(": ")
        return Problem(f"{_dotted(path)}: {what or todo}", where, todo if what else "")
    what = f"{_dotted(path)} is {_shown(path, given)}"
    if kind == "literal_error":
        return Problem(what, where, _nearest_choice(str(given), str(error["ctx"]["expected"])))
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"):
        return Problem(what, where, _bound(error, leaf))
    if kind.endswith(("_type", "_parsing", "_from_float")):
        return _wrong_type(path, given, where)
    if leaf is not None and leaf.field.is_required():
        todo = f"write for example {path[-1]} = {_example(leaf)}"
    else:
        todo = "" if leaf is None else f"the default is {_example(leaf)}"
    return Problem(f"{what}: {error['msg'][:1].lower()}{error['msg'][1:]}", where, todo)


def _wrong_type(path: Path, given: Any, where: str) -> Problem:
    annotation, leaf = annotation_at(path), leaf_at(path)
    wanted = _KINDS.get(annotation) or _KINDS.get(get_origin(annotation), "a table")
    todo = f"write {wanted}: [{'.'.join(path)}]" if wanted == "a table" else f"write {wanted}"
    if leaf is not None and wanted != "a table":
        todo += f", for example {path[-1]} = {_example(leaf)}"
    return Problem(f"{_dotted(path)} is {_shown(path, given)}, not {wanted}", where, todo)


def _dotted(path: Path) -> str:
    """Write a path as a reader would: silence.marks[2]."""
    return "".join(f"[{key}]" if key.isdigit() else f".{key}" for key in path).lstrip(".")


def _shown(path: Path, given: Any) -> str:
    """Show a value as the file would hold it, cut where it is long; a secret is not shown, even where it is no text."""
    if any(is_secret(path[:end]) for end in range(1, len(path) + 1)):
        return HIDDEN
    text = toml_value(given) if isinstance(given, bool | int | float | str | list | dict) else repr(given)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _in_section(path: Path) -> str:
    return f" in [{'.'.join(path[:-1])}]" if len(path) > 1 else ""


def _nearest_key(path: Path) -> str:
    """Suggest the key that was meant: the same one in another section, a near one in this section, or the list of all."""
    section = annotation_at(path[:-1])
    known = list(keys_of(section)) if is_section(section) else []
    elsewhere = sorted({f"[{'.'.join(leaf.path[:-1])}]" if leaf.path[:-1] else "the top" for leaf in leaves() if leaf.path[-1] == path[-1]})
    close = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.8 if elsewhere else 0.6)
    if not close and path[-1].removesuffix("_ms") in known:
        close = [path[-1].removesuffix("_ms")]
    if close:
        return f"did you mean {close[0]!r}?"
    if elsewhere:
        return f"it belongs to {' or '.join(elsewhere)}"
    return f"known here: {', '.join(known)}" if known else "take it out"


def _nearest_choice(given: str, expected: str) -> str:
    """Suggest one of a fixed set of words; pydantic lists them as "'a', 'b' or 'c'"."""
    close = difflib.get_close_matches(given, expected.replace(" or ", ", ").replace("'", "").split(", "), n=1)
    return f"did you mean {close[0]!r}? It may be {expected}" if close else f"write {expected}"


def _bound(error: ErrorDetails, leaf: Leaf | None) -> str:
    words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    duration = leaf is not None and leaf.name.endswith("_ms")
    bounds = [f"{words[name]} {'zero' if duration else limit}" for name, limit in error.get("ctx", {}).items() if name in words]
    return f"write {' and '.join(bounds) or 'a finite number'}, for example {_example(leaf)}"


def _example(leaf: Leaf | None) -> str:
    """Write a value that would be accepted: the default, or where there is none the field's own example, else a week."""
    default = None if leaf is None else default_of(leaf)
    if default is None:
        default = (leaf.field.examples or ["7 d"])[0] if leaf else "7 d"
    return toml_value(default)
