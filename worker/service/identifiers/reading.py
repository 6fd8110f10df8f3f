"""A file of identifiers: CSV with a head, or JSON lines. Lines are read one after the other, and only those of wanted users go further."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

from worker.errors import ClickscoreError
from worker.service.identifiers.platforms import FIELDS, USER_ID

KNOWN = (USER_ID, *FIELDS)
NOT_UTF8, SAVE_AS = "the file is not UTF-8", "save it as UTF-8 (in Excel: CSV UTF-8)"


@dataclass(frozen=True, slots=True)
class Line:
    """One line, by its number in the file: a user, and the fields that are not empty."""

    number: int
    user_id: str
    fields: dict[str, str]


class IdentifierFile:
    """A file, ready to be read once. No error ever repeats a value of it, but for names of columns."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        """Looks at the beginning. Raises ClickscoreError for a head that cannot be used."""
        self._path = path
        self._number = 0
        self._text = (line.decode("utf-8") for line in file)
        first = self._first_line().removeprefix("\ufeff")
        self._json = first.lstrip().startswith("{")
        self._first = first
        self.fields = set[str]()
        """The fields that the file has, as far as it was read; of CSV all."""
        if not self._json:
            self._head = self._read_head(first)
            self.fields = set(self._head) - {USER_ID}

    def lines(self) -> Iterator[Line]:
        """The lines in their order. Raises ClickscoreError at one that is broken, with its number."""
        try:
            yield from self._json_lines() if self._json else self._csv_lines()
        except UnicodeDecodeError:
            raise self._refusal(NOT_UTF8, self._number + 1, SAVE_AS) from None
        except csv.Error as error:
            raise self._refusal(f"the line is no CSV: {error}", self._number + 1, "close its quotes, and double a quote within them") from None

    def _first_line(self) -> str:
        try:
            for line in self._text:
                self._number += 1
                if line.strip():
                    return line
        except UnicodeDecodeError:
            raise self._refusal(NOT_UTF8, self._number + 1, SAVE_AS) from None
        raise self._refusal("the file is empty", 0, f"write a head with {USER_ID} and one or more of {', '.join(FIELDS)}")

    def _read_head(self, line: str) -> list[str]:
        self._delimiter = max(",;\t", key=line.count)
        head = ["_".join(name.lower().replace("-", " ").split()) for name in next(csv.reader([line], delimiter=self._delimiter))]
        head = ["email" if name == "e_mail" else name for name in head]
        self._check(head, self._number)
        if len(set(head)) < len(head):
            raise self._refusal("two columns have the same name", self._number, "a user with two addresses has two lines")
        if USER_ID not in head:
            raise self._refusal(f"no column is called {USER_ID}", self._number, f"begin the file with a head such as {USER_ID},email,phone")
        return head

    def _csv_lines(self) -> Iterator[Line]:
        reader, before = csv.reader(self._text, delimiter=self._delimiter, strict=True), self._number
        for cells in reader:
            self._number = before + reader.line_num
            if not any(map(str.strip, cells)):
                continue
            if len(cells) != len(self._head):
                raise self._refusal(
                    f"the line has {len(cells)} columns, and the head {len(self._head)}", self._number, "put a value that holds the separator in quotes"
                )
            yield self._line(dict(zip(self._head, cells, strict=True)))

    def _json_lines(self) -> Iterator[Line]:
        yield self._line(self._parsed(self._first))
        for text in self._text:
            self._number += 1
            if text.strip():
                yield self._line(self._parsed(text))

    def _parsed(self, text: str) -> dict[str, str]:
        try:
            record: Any = orjson.loads(text)
        except orjson.JSONDecodeError:
            record = None
        if not isinstance(record, dict):
            raise self._refusal(
                "the line is no JSON object", self._number, f'write one object a line, such as {{"{USER_ID}": "u1", "email": "ada@shop.example"}}'
            )
        self._check(list(record), self._number)
        for name, value in record.items():
            if value is not None and not isinstance(value, str):
                raise self._refusal(f"{name} is no text", self._number, f"put it in quotes; a {name} is not calculated with")
        return {name: value or "" for name, value in record.items()}

    def _line(self, record: dict[str, str]) -> Line:
        if not (user := record.get(USER_ID, "").strip()):
            raise self._refusal(f"the line has no {USER_ID}", self._number, "give it the id that the events bear")
        self.fields |= record.keys() - {USER_ID}
        return Line(self._number, user, {name: value for name, value in record.items() if name != USER_ID and value.strip()})

    def _check(self, names: list[str], number: int) -> None:
        for name in names:
            if name not in KNOWN:
                raise self._refusal(f"{name[:40]!r} is no identifier that is known here", number, f"leave it out, or name it {', '.join(KNOWN)}")

    def _refusal(self, what: str, number: int, todo: str) -> ClickscoreError:
        return ClickscoreError(what, f"{self._path}, line {number}" if number else self._path, todo)
