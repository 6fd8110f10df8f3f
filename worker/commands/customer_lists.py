"""The files of `clickscore segments export`: identifiers in, an audience out."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import orjson

from worker.commands.replay_files import output
from worker.errors import ClickscoreError
from worker.service.identifiers.joining import CustomerList, customer_list
from worker.service.identifiers.platforms import Platform
from worker.service.identifiers.reading import IdentifierFile
from worker.service.queries.audience import Audience


@dataclass(frozen=True, slots=True)
class Listed:
    """What is to be written, and what to say of it."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    audience: Audience
    joined: CustomerList | None = None
    source: str = ""

    def told(self, to: Path) -> Iterator[str]:
        """Lines for a person; never a value."""
        agreed = f"{len(self.audience.agreed):,} of {self.audience.members:,} members have agreed"
        if self.joined is None:
            yield f"{agreed} and are written to {to}"
            return
        for problem in self.joined.problems:
            yield f"{self.source}, {problem}"
        if more := self.joined.left_out - len(self.joined.problems):
            yield f"{self.source}: {more:,} further values are wrong"
        left_out = f"; values left out: {self.joined.left_out:,}" if self.joined.left_out else ""
        yield f"{agreed}, {self.joined.users:,} of them are in {self.source} and are written to {to} ({len(self.rows):,} lines){left_out}"


def members_alone(audience: Audience) -> Listed:
    """The hashed user ids themselves."""
    return Listed(("hashed_id",), [(hashed,) for hashed in audience.hashes], audience)


def customers(audience: Audience, identifiers: Path, platform: Platform) -> Listed:
    """The members who agreed, by what a file says of them. Raises ClickscoreError."""
    source = "standard input" if str(identifiers) == "-" else str(identifiers)
    with _opened(identifiers) as file:
        joined = customer_list(IdentifierFile(file, source), source, audience.agreed, platform)
    return Listed(joined.head, joined.rows, audience, joined, source)


def write_list(listed: Listed, to: Path, form: Literal["csv", "jsonl"]) -> None:
    """Write the rows; of JSON lines those cells that hold something."""
    with output(to) as file:
        if form == "csv":
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(listed.head)
            writer.writerows(listed.rows)
            file.write(text.getvalue().encode())
            return
        for row in listed.rows:
            file.write(orjson.dumps({head: cell for head, cell in zip(listed.head, row, strict=True) if cell}) + b"\n")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise ClickscoreError(f"the file of identifiers cannot be read: {error.strerror}", str(path), "check its name and who may read it") from error
    with file:
        yield file
