"""An audience joined with a file of identifiers: a platform's customer list."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from worker.errors import ClickscoreError
from worker.service.identifiers.platforms import USER_ID, Column, Platform, cell, columns_of
from worker.service.identifiers.reading import IdentifierFile, Line

OF_NOBODY = frozenset({"country", "zip"})  # these alone find nobody
TOLD = 20  # problems that are kept in words; the rest is counted


@dataclass(slots=True)
class CustomerList:
    """`rows` hold a cell for each of `head`, empty where nothing is known; none is there twice, and their order says nothing of users.

    `problems`: "line 7: phone has 4 digits …" of values that were left out, the first of them; `left_out` is how many there were.
    """

    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    users: int = 0  # of whom there is a row
    problems: list[str] = field(default_factory=list)
    left_out: int = 0


def customer_list(file: IdentifierFile, path: str, agreed: Collection[str], platform: Platform) -> CustomerList:
    """The list of those of the file who have agreed. Raises ClickscoreError for a file that cannot be used; a value that cannot be is left out."""
    lines = [line for line in file.lines() if line.user_id in agreed]
    try:
        columns = columns_of(platform, file.fields)
    except ValueError as error:
        raise ClickscoreError(str(error), path, "add or take out columns") from None
    made = CustomerList(tuple(column.head for column in columns.values()))
    rows, users = set[tuple[str, ...]](), set[str]()
    for line in lines:
        cells = tuple(_cell(made, columns[field], field, line) for field in columns)
        if any(text for field, text in zip(columns, cells, strict=True) if field not in OF_NOBODY):
            rows.add(cells)
            users.add(line.user_id)
    made.rows, made.users = sorted(rows), len(users)
    return made


def _cell(made: CustomerList, column: Column, field: str, line: Line) -> str:
    text = line.user_id if field == USER_ID else line.fields.get(field, "")
    if not text:
        return ""
    try:
        return cell(column, text, line.fields.get("country", ""))
    except ValueError as error:
        made.left_out += 1
        if len(made.problems) < TOLD:
            made.problems.append(f"line {line.number}: {field} {error}")
        return ""
