"""`clickscore config`, and the two options with which every command takes its configuration."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from worker.configuration import Loaded

ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration (TOML); else CLICKSCORE_CONFIG, else ./clickscore.toml.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one value, such as targets.purchase.horizon='14 d'; repeatable.")]

config = typer.Typer(no_args_is_help=True, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@config.callback()
def _config() -> None:
    """Show, check or describe the configuration."""


@config.command()
def show(
    config: ConfigOption = None,
    assignments: SetOption = None,
    toml: Annotated[bool, typer.Option("--toml", help="Print a TOML file on a terminal too.")] = False,
) -> None:
    """Print the values in force and their origins.

    On a terminal it is a table, elsewhere a TOML file that reads back to the same settings.
    """
    from worker.configuration import load
    from worker.configuration.effective import as_toml

    loaded = load(config, assignments or ())
    if toml or not sys.stdout.isatty():
        sys.stdout.write(as_toml(loaded))
    else:
        _print_table(loaded)


@config.command()
def check(file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Check this file alone; else what a command here would read.")] = None) -> None:
    """Say what is wrong in a configuration, or that it is right.

    Exit code 78 means that it is wrong.
    """
    from worker.configuration import load
    from worker.configuration.effective import rows

    loaded = load(file, environ={}) if file else load()
    given = sum(row.origin != "default" for row in rows(loaded))
    named = {table: ", ".join(getattr(loaded.settings, table)) for table in ("targets", "segments", "triggers")}
    typer.echo(f"{file or 'configuration'}: right; {given} values given, {', '.join(f'{table} {names}' for table, names in named.items() if names)}")


@config.command()
def schema() -> None:
    """Print the JSON Schema of a configuration file.

    Editors use it to complete and check clickscore.toml.
    """
    from worker.configuration.reference import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def _print_table(loaded: Loaded) -> None:
    """Print one line a value, those that are not the default in bold."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from worker.configuration.effective import rows
    from worker.configuration.writing import toml_key, toml_value

    table = Table("key", "value", "from", box=None, header_style="bold underline", pad_edge=False, padding=(0, 2, 0, 0))
    section: tuple[str, ...] = ()
    for row in rows(loaded):
        if row.path[:-1] != section:
            section = row.path[:-1]
            table.add_section()
        style = "dim" if row.origin == "default" else "bold"
        cells = (".".join(map(toml_key, row.path)), toml_value(row.value), row.origin)
        table.add_row(*(Text(cell, style) for cell in cells))
    Console().print(table)
