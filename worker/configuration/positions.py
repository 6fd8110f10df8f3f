"""Where each key of a TOML document stands: the standard library's reader tells values, not lines.

The document has been read by tomllib before it comes here, so that the scanner may take its form for granted.
"""

from __future__ import annotations

import tomllib
from typing import Any, NamedTuple

Path = tuple[str | int, ...]
_BLANK = " \t\r\n"
_STOPS = ",]}\n#"


class Position(NamedTuple):
    """A place in a text; both count from 1."""

    line: int
    column: int


def key_positions(text: str) -> dict[Path, Position]:
    """Return the position of every key, table header and array element of a valid TOML document, by path.

    A table that is only named as part of a longer header has the position of the first such header.
    """
    return _Scanner(text).document()


class _Scanner:
    """One pass over the text; `at` is the index of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.found: dict[Path, Position] = {}
        self.line_starts = [0, *(index + 1 for index, character in enumerate(self.text) if character == "\n")]
        self.line = 0

    def document(self) -> dict[Path, Position]:
        table: Path = ()
        lengths: dict[Path, int] = {}  # elements so far of each array of tables
        while self._skip_blank_and_comments():
            start = self.at
            if self.text.startswith("[[", start):
                self.at += 2
                table = self._key()
                lengths[table] = lengths.get(table, 0) + 1
                self._note((), table, start)
                table = (*table, lengths[table] - 1)
                self._note((), table, start)
            elif self.text[start] == "[":
                self.at += 1
                table = self._key()
                self._note((), table, start)
            else:
                self._pair(table)
                continue
            self.at = self._find("\n")
        return self.found

    def _pair(self, table: Path) -> None:
        """Read `key = value` and note the key, then whatever the value holds."""
        start = self.at
        key = self._key()
        self._note(table, key, start)
        self.at = self.text.index("=", self.at) + 1
        self._value((*table, *key))

    def _key(self) -> Path:
        """Read a dotted key up to the character that ends it, "=" or "]"; tomllib reads quotes and escapes."""
        start = self.at
        while self.text[self.at] not in "=]":
            if self.text[self.at] in "\"'":
                self._string()
            else:
                self.at += 1
        inner: Any = tomllib.loads(f"{self.text[start : self.at]} = 0")
        path: list[str | int] = []
        while isinstance(inner, dict):
            key, inner = next(iter(inner.items()))
            path.append(key)
        return tuple(path)

    def _value(self, path: Path) -> None:
        self._skip_blank_and_comments()
        character = self.text[self.at]
        if character in "\"'":
            self._string()
        elif character == "[":
            self.at += 1
            index = 0
            while self._inside("]"):
                self._note(path, (index,), self.at)
                self._value((*path, index))
                index += 1
        elif character == "{":
            self.at += 1
            while self._inside("}"):
                self._pair(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in _STOPS:
                self.at += 1

    def _inside(self, closing: str) -> bool:
        """Go to the next element of an array or inline table, or past its end."""
        self._skip_blank_and_comments()
        if self.text[self.at] == ",":
            self.at += 1
            self._skip_blank_and_comments()
        if self.text[self.at] != closing:
            return True
        self.at += 1
        return False

    def _string(self) -> None:
        """Go past a string of any of TOML's four kinds."""
        quote = self.text[self.at]
        long = self.text.startswith(quote * 3, self.at)
        closing = quote * 3 if long else quote
        self.at += len(closing)
        while not self.text.startswith(closing, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += len(closing)
        if long:  # up to two quotes may stand before the closing three
            while self.text.startswith(quote, self.at):
                self.at += 1

    def _skip_blank_and_comments(self) -> bool:
        """Go to the next character that means something; False at the end."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                self.at = self._find("\n")
            elif self.text[self.at] in _BLANK:
                self.at += 1
            else:
                return True
        return False

    def _find(self, character: str) -> int:
        index = self.text.find(character, self.at)
        return len(self.text) if index < 0 else index

    def _note(self, table: Path, key: Path, start: int) -> None:
        """Record the position of a path and of the tables that it names in passing."""
        while self.line + 1 < len(self.line_starts) and self.line_starts[self.line + 1] <= start:
            self.line += 1
        position = Position(self.line + 1, start - self.line_starts[self.line] + 1)
        for end in range(1, len(key) + 1):
            self.found.setdefault((*table, *key[:end]), position)
