"""The three places that values come from: a TOML file, the environment, flags. Each layer knows where every value of it was written."""

from __future__ import annotations

import datetime
import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from worker.configuration.fields import ENVIRONMENT_PREFIX, Path, annotation_at, environment_name, is_section, keys_of, leaves
from worker.configuration.positions import key_positions
from worker.errors import Problem
from worker.settings import Settings

CONFIG_VARIABLE = "CLICKSCORE_CONFIG"
TRACEBACK_VARIABLE = "CLICKSCORE_TRACEBACK"
# Kubernetes puts these into every pod beside a Service whose name begins with "clickscore"; they are not meant for us.
_SERVICE_LINK = re.compile(r"CLICKSCORE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
_TOML_PLACE = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|(?P<end>end of document))\)", re.DOTALL)


class Layer(PydanticBaseSettingsSource):
    """The values of one place as pydantic-settings merges them: nested tables, with the origin of each path and what could not be read."""

    def __init__(self, kind: str) -> None:
        super().__init__(Settings)
        self.kind = kind
        self.values: dict[str, Any] = {}
        self.origins: dict[Path, str] = {}
        self.problems: list[Problem] = []

    def __call__(self) -> dict[str, Any]:
        """Return the nested tables; pydantic-settings calls this."""
        return self.values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return one top-level value; the base class asks for it, and merging never does."""
        key = field.alias or field_name
        return self.values.get(key), key, False

    def put(self, path: Path, value: Any, origin: str) -> None:
        """Set one value; tables on the way are made, and first named by this origin."""
        table = self.values
        for end, key in enumerate(path[:-1], start=1):
            inner = table.get(key)
            if not isinstance(inner, dict):
                inner = table[key] = {}
            self.origins.setdefault(path[:end], origin)
            table = inner
        table[path[-1]] = value
        self.origins[path] = origin

    def origin(self, path: Path) -> str:
        """Say where the value at a path was written, or the nearest table around it that this layer names; "" where none is."""
        return next((self.origins[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.origins), "")

    def leaves(self) -> Iterator[tuple[Path, Any]]:
        """Yield every value that is not a table, by path."""
        yield from _flatten(self.values, ())


def file_layer(path: FilePath, named_by: str = "") -> Layer:
    """Read a TOML file; `named_by` says who asked for it, for the message when it cannot be read."""
    layer = Layer("file")
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        where = f"{path}, named by {named_by}" if named_by else str(path)
        layer.problems.append(Problem(f"the configuration file cannot be read: {error.strerror}", where, "check the path and who may read it"))
        return layer
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        layer.problems.append(Problem("the configuration file is not UTF-8 text", f"{path}, line {line}", "save it as UTF-8"))
        return layer
    try:
        layer.values = _as_text(tomllib.loads(text.removeprefix("\ufeff")))
    except tomllib.TOMLDecodeError as error:
        layer.problems.append(_syntax_problem(path, text, str(error)))
        return layer
    positions = key_positions(text.removeprefix("\ufeff"))
    layer.origins = {tuple(map(str, key)): f"{path}, line {position.line}, column {position.column}" for key, position in positions.items()}
    return layer


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Read every CLICKSCORE_ variable; one that names no setting is a problem, an empty one counts as unset."""
    layer = Layer("environment")
    for variable in sorted(environ):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in (CONFIG_VARIABLE, TRACEBACK_VARIABLE) or not environ[variable]:
            continue
        if "__" not in variable and _SERVICE_LINK.fullmatch(variable):
            continue
        path = tuple(part.lower() for part in variable.removeprefix(ENVIRONMENT_PREFIX).split("__"))
        annotation = annotation_at(path)
        origin = f"environment variable {variable}"
        if annotation is None:
            layer.problems.append(Problem(f"{variable} names no setting", origin, _nearest_variable(variable, path)))
        else:
            layer.put(path, read_text(environ[variable], annotation), origin)
    return layer


def flag_layer(assignments: Sequence[str], options: Mapping[str, tuple[str, Any]]) -> Layer:
    """Read `--set KEY=VALUE` (as often as given) and options that stand for one setting: flag -> (key, value, None where not given)."""
    layer = Layer("flag")
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        path = _dotted(key) if equals else ()
        if path:
            layer.put(path, read_text(text, annotation_at(path)), f"flag --set {key.strip()}")
        else:
            todo = "write KEY=VALUE, for example --set targets.purchase.horizon='14 d'"
            layer.problems.append(Problem(f"{assignment!r} sets nothing", f"flag --set {assignment}", todo))
    for flag, (key, value) in options.items():
        if value is not None:
            layer.put(tuple(key.split(".")), value, f"flag {flag}")
    return layer


def read_text(text: str, annotation: Any) -> Any:
    """Read a value given as text: lists, tables and quoted text as TOML (or JSON) writes them, all else as it stands."""
    stripped = text.strip()
    if stripped[:1] not in ('"', "'", "[", "{") or (annotation is str and stripped[:1] in "[{"):
        return text
    try:
        return _as_text(tomllib.loads(f"value = {stripped}")["value"])
    except tomllib.TOMLDecodeError:
        pass
    try:
        return json.loads(stripped)
    except ValueError:
        return text


def _nearest_variable(variable: str, path: Path) -> str:
    """Suggest the variable that was meant: a known one, or a known one with the given name of a target, segment or rule in it."""
    known = [environment_name(leaf.path) for leaf in leaves()]
    if is_section(section := annotation_at(path[:2])):
        known += [environment_name((*path[:2], key)) for key in keys_of(section)]
    close = difflib.get_close_matches(variable, known, n=1, cutoff=0.7)
    return f"did you mean {close[0]}?" if close else "see the names with `clickscore config schema`, or unset it"


def _syntax_problem(path: FilePath, text: str, message: str) -> Problem:
    """Put tomllib's message, which ends in its place, into words of what and where."""
    match = _TOML_PLACE.fullmatch(message)
    if match is None:
        return Problem(f"the configuration file is not TOML: {message}", str(path), "see toml.io for the form of the file")
    line = match["line"] or str(text.rstrip("\n").count("\n") + 1)
    column = f", column {match['column']}" if match["column"] else ", at its end"
    what = match["what"][:1].lower() + match["what"][1:]
    return Problem(f"the configuration file is not TOML: {what}", f"{path}, line {line}{column}", _syntax_hint(text.splitlines(), int(line)))


def _syntax_hint(lines: list[str], number: int) -> str:
    """Say what is most often wrong on such a line: text and durations that lack their quotes."""
    line = lines[number - 1] if number <= len(lines) else ""
    match = re.fullmatch(r"\s*([\w.-]+)\s*=\s*(\d[\d.]*\s*[A-Za-z]+|[A-Za-z][^\"'#\[{]*?)\s*(#.*)?", line)
    if match and match[2] not in ("true", "false"):
        return f'put text and durations in quotes: {match[1]} = "{match[2]}"'
    return 'a line is a [section], a key = value, or a comment; text and durations stand in "quotes"'


def _dotted(key: str) -> Path:
    """Split a dotted key as TOML does, quoted parts included; () where it is none."""
    try:
        inner: Any = tomllib.loads(f"{key.strip()} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(inner, dict) and len(inner) == 1:
        name, inner = next(iter(inner.items()))
        path.append(name)
    return tuple(path) if inner == 0 else ()


def _as_text(value: Any) -> Any:
    """Write TOML's own dates and times as RFC 3339 text, the form that the settings take."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def _flatten(table: dict[str, Any], prefix: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, (*prefix, key))
        else:
            yield (*prefix, key), value
