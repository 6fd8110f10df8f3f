"""The values in force, each with its origin: what `config show` prints, and what reads back as the same settings, but for hidden passwords."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from worker.configuration.fields import HIDDEN, Path, default_of, is_secret, leaf_at
from worker.configuration.load import Loaded
from worker.configuration.writing import toml_key, toml_value
from worker.core.settings import default_targets
from worker.settings import file_form


class Row(NamedTuple):
    """One value in force: where it belongs, the value as a file writes it, and where it was written ("default" where nowhere)."""

    path: Path
    value: Any
    origin: str


def rows(loaded: Loaded) -> Iterator[Row]:
    """Yield every value in force, section by section; a default target that was removed is the one row that says so."""
    yield from _rows(loaded, file_form(loaded.settings), ())
    for name in default_targets():
        if name not in loaded.settings.targets:
            path = ("targets", name, "enabled")
            yield Row(path, False, loaded.origin(path))


def as_toml(loaded: Loaded) -> str:
    """Write the values in force as a TOML file that reads back to the same settings, each line with its origin."""
    tables: dict[Path, list[str]] = {(): []}
    for row in rows(loaded):
        tables.setdefault(row.path[:-1], []).append(f"{toml_key(row.path[-1])} = {toml_value(row.value)}  # {row.origin}")
    parts = []
    for path, lines in tables.items():
        header = [f"[{'.'.join(toml_key(key) for key in path)}]"] if path else []
        parts.append("\n".join([*header, *lines]))
    return "\n\n".join(part for part in parts if part) + "\n"


def is_default(row: Row) -> bool:
    """Tell whether a value in force is the default, wherever it was written."""
    leaf = leaf_at(row.path)
    return leaf is not None and bool(default_of(leaf) == row.value)


def _rows(loaded: Loaded, table: dict[str, Any], prefix: Path) -> Iterator[Row]:
    """Yield a table's own values before those of the tables in it, the order that TOML reads best in."""
    inner = {key: value for key, value in table.items() if isinstance(value, dict) and value}
    for key, value in table.items():
        if key not in inner:
            path = (*prefix, key)
            yield Row(path, HIDDEN if value and is_secret(path) else value, loaded.origin(path))
    for key, value in inner.items():
        yield from _rows(loaded, value, (*prefix, key))
