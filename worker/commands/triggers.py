"""`clickscore triggers`: what rules would have done."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from worker.commands.config import ConfigOption, SetOption

triggers = typer.Typer(no_args_is_help=True, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@triggers.callback()
def _triggers() -> None:
    """Try rules out over files of events."""


@triggers.command(name="test")
def try_rules(
    files: Annotated[list[Path], typer.Argument(metavar="EVENTS…", help="JSON lines (also .gz, .zst) or Parquet, in the order of time; - is standard input.")],
    whole: Annotated[bool, typer.Option("--whole", help="Print whole trigger records, as a worker publishes them.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Run the configured rules over files, and send nothing.

    Prints what became of each crossing as a JSON line: user_id, rule, time_ms, result (fired, held or suppressed) and reason. The summary per rule goes to
    stderr. Models learn on the way, from nothing: in the first part of a file targets warm up, and rules that speak of them hold for nobody.
    """
    import orjson

    from worker.commands.dry_runs import dry_run, planned
    from worker.configuration import load
    from worker.views.action_words import trigger_lines

    settings = load(config, assignments or ()).settings
    run = planned(settings, "triggers")
    for turn in dry_run(run, settings, files):
        for _, value in turn.triggers:
            if not whole:
                record = orjson.loads(value)
                value = orjson.dumps({name: record.get(name) for name in ("user_id", "rule", "time_ms", "result", "reason")})
            sys.stdout.buffer.write(value + b"\n")
    sys.stdout.flush()
    for line in trigger_lines(run):
        typer.echo(line, err=True)
