"""The one base of every error that the program raises on purpose: what happened, where, and what to do about it.

Every floor may import this file; it imports nothing of the project. How errors are shown is in worker/commands/errors.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong, in words for the person who can put it right; `where` and `todo` may be empty."""

    what: str
    where: str = ""
    todo: str = ""

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.todo:
            lines.append(f"  to do: {self.todo}")
        return "\n".join(lines)


class ClickscoreError(Exception):
    """A failure with a known cause; `exit_code` is what the command ends with."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, where: str = "", todo: str = "") -> None:
        super().__init__(what, where, todo)
        self.problems: tuple[Problem, ...] = (Problem(what, where, todo),)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class ConfigurationError(ClickscoreError):
    """The configuration was refused; carries every problem found in it, so that one look mends them all."""

    exit_code: ClassVar[int] = 78  # EX_CONFIG of sysexits.h: a supervisor need not restart what cannot start

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(*problems[0])
        self.problems = tuple(problems)
