"""`clickscore explain`: one user's latest score in words."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, log_flags

if TYPE_CHECKING:
    from rich.console import Console

    from worker.settings import Settings


def explain(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id, as the events have it.")],
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the score record as it is.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Explain a user's latest score: the chances, and what speaks for and against them."""
    from worker.configuration import load
    from worker.errors import ClickscoreError
    from worker.service.queries.scores import latest_score
    from worker.service.topics import open_existing, place
    from worker.views.score_words import parsed

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    log, topic = open_existing(settings), settings.topics.scores
    try:
        found = latest_score(log, topic, user)
    finally:
        log.close()
    if found is None or found.value is None:
        raise ClickscoreError(
            f"there is no score of user {user!r}",
            f"log {place(settings)}, topic {topic}",
            "check the id (clickscore top lists some), and that a worker has scored the user's events",
        )
    if as_json:
        sys.stdout.buffer.write(found.value + b"\n")
        return
    _print(parsed(found.value, f"topic {topic}, offset {found.offset}"), settings)


def _print(record: dict[str, Any], settings: Settings) -> None:
    from rich.console import Console
    from rich.text import Text

    from worker.views.figures import moment, printable
    from worker.views.score_words import cause_words, targets_of

    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    head = Text(printable(str(record.get("user_id", ""))), "bold")
    head.append(f"  {moment(record['time_ms'])} UTC, {cause_words(record)}", "dim")
    console.print(head)
    for name, table in targets_of(record).items():
        _print_target(console, name, table, settings)


def _print_target(console: Console, name: str, table: dict[str, Any], settings: Settings) -> None:
    """One target: its chance in a line, its points in a table that adds up."""
    from rich.table import Table
    from rich.text import Text

    from worker.views.bin_words import in_words
    from worker.views.figures import lift, percent, printable
    from worker.views.score_words import meaning, signed

    p, raw = float(table["p"]), float(table["raw"])
    says = meaning(settings.targets.get(name))
    line = Text.assemble(("\n" + name, "bold"), "  ", (percent(p), "bold cyan"), f"  {says}" if says else "")
    console.print(line)
    facts = [f"{lift(float(table['lift']))} the average user", f"model {printable(table['model'])}"]
    if abs(p - raw) > 0.02 * p:
        facts.append(f"{percent(raw)} before calibration")
    console.print(Text("  " + ", ".join(facts), "dim"))
    if table.get("abstain") == "warming_up":
        console.print(Text("  still warming up: too few outcomes are known yet to rely on this", "yellow"))
    if "reasons" not in table:
        return
    if table["model"].endswith("@0"):
        console.print(Text("  nothing is learned yet: everybody has the chance that the configuration assumes", "dim"))
        return
    rows = [(float(points), in_words(reason), printable(reason)) for reason, points in table["reasons"]]
    rows += [(float(table["rest"]), "everything else", ""), (float(table["base"]), "where every user starts", "")]
    points_table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    points_table.add_column("  points", justify="right", no_wrap=True, min_width=8)
    points_table.add_column("odds", justify="right", no_wrap=True, min_width=9)
    points_table.add_column("because", no_wrap=True, overflow="ellipsis")
    points_table.add_column("bin", no_wrap=True, overflow="ellipsis", style="dim")
    for number, (points, words, bin_name) in enumerate(rows):
        plain = number >= len(rows) - 2
        style = "dim" if plain else "green" if points > 0 else "red"
        odds = f"{math.exp(points):.2g} to 1" if number == len(rows) - 1 else f"×{math.exp(points):.2f}"
        points_table.add_row("  " + signed(points), odds, Text(words, style), bin_name)
    console.print(points_table)
