"""The options with which commands find the log: an embedded file or Kafka."""

from __future__ import annotations

from typing import Annotated, Any

import typer

EmbeddedOption = Annotated[str | None, typer.Option("--embedded", metavar="FILE", help="File of the embedded log; else embedded.path (clickscore.db).")]
BootstrapOption = Annotated[
    str | None, typer.Option("--bootstrap", metavar="HOST:PORT", help="Kafka instead of an embedded log; several brokers separated by commas.")
]
PartitionsOption = Annotated[int | None, typer.Option("--partitions", metavar="N", min=1, max=10_000, help="Partitions of a new embedded log (1).")]


def log_flags(embedded: str | None, bootstrap: str | None) -> dict[str, tuple[str, Any]]:
    """The settings that these flags stand for. A file named on the command line is meant, whatever cluster the configuration names."""
    if embedded is not None and bootstrap is not None:
        raise typer.BadParameter("--embedded and --bootstrap name two different logs: give one of them", param_hint="--bootstrap")
    if embedded is not None:
        return {"--embedded": ("embedded.path", embedded), "--embedded, instead of Kafka": ("kafka.bootstrap", "")}
    return {"--bootstrap": ("kafka.bootstrap", bootstrap)}
