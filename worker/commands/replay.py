"""`clickscore replay`: turns files of events into scores, and says how good they were."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.commands.config import ConfigOption, SetOption


def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="JSON lines (also .gz, .zst) or Parquet, in the order of time; - is standard input.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the score records here, one a line; .gz packs them, - is standard output.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML page with plots here.")] = None,
    dead_letters: Annotated[
        Path | None, typer.Option("--dead-letters", metavar="FILE", help="Write what could not be scored here, one JSON object a line.")
    ] = None,
    no_reasons: Annotated[bool, typer.Option("--no-reasons", help="Leave the reasons out of the records: smaller and faster.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Score the events of files as if they came now, learning on the way.

    Each event is scored with what had been learned before it. The same files and configuration give the same bytes.
    """
    from worker.commands.replay_files import run_replay
    from worker.configuration import load

    flags = ("reasons=0",) if no_reasons else ()
    settings = load(config, (*(assignments or ()), *flags), {}).settings
    run_replay(settings, files, out, report, dead_letters)
