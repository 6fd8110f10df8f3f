"""The options with which commands find the embedded log."""

from __future__ import annotations

from typing import Annotated

import typer

EmbeddedOption = Annotated[str | None, typer.Option("--embedded", metavar="FILE", help="File of the embedded log; else embedded.path (clickscore.db).")]
PartitionsOption = Annotated[int | None, typer.Option("--partitions", metavar="N", min=1, max=10_000, help="Partitions of a new log (1).")]
