"""`clickscore top`: the users who are likeliest, by their latest scores."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, log_flags

if TYPE_CHECKING:
    from worker.log.contract import Record
    from worker.settings import Settings


def top(
    target: Annotated[str | None, typer.Argument(metavar="[TARGET]", help="purchase, intent, churn, or one of your own; else the first.")] = None,
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many users to list.")] = 20,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """List the users likeliest to buy, to leave, or whatever the target says, each with the strongest reason."""
    from worker.configuration import load
    from worker.errors import ClickscoreError
    from worker.service.queries.scores import latest_scores
    from worker.service.topics import open_existing, place

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    name = target or next(iter(settings.targets))
    if name not in settings.targets:
        raise ClickscoreError(f"there is no target {name!r}", "the configuration", f"name one of {', '.join(settings.targets)}")
    log = open_existing(settings)
    try:
        users, highest = _highest(latest_scores(log, settings.topics.scores), name, limit)
    finally:
        log.close()
    if not highest:
        raise ClickscoreError(
            f"there is no score for {name} yet",
            f"log {place(settings)}, topic {settings.topics.scores}",
            "send events, and run a worker: clickscore run",
        )
    _print(name, users, highest, settings)


def _highest(records: Iterable[Record], target: str, limit: int) -> tuple[int, list[dict[str, Any]]]:
    """How many users have a score for the target, and the `limit` records with the highest, highest first."""
    from worker.views.score_words import parsed

    users = 0
    best: list[tuple[float, str, dict[str, Any]]] = []  # a heap; equal chances are ordered by user
    for record in records:
        score = parsed(record.value, f"topic {record.topic}, offset {record.offset}")
        if target not in score:
            continue
        users += 1
        entry = (float(score[target]["p"]), str(score["user_id"]), score)
        if len(best) < limit:
            heapq.heappush(best, entry)
        elif entry[:2] > best[0][:2]:
            heapq.heapreplace(best, entry)
    return users, [score for _, _, score in sorted(best, key=lambda entry: (-entry[0], entry[1]))]


def _print(target: str, users: int, highest: list[dict[str, Any]], settings: Settings) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from worker.views.bin_words import in_words
    from worker.views.figures import count, lift, moment, percent, printable
    from worker.views.score_words import meaning

    on_terminal = sys.stdout.isatty()
    console = Console(width=None if on_terminal else 120, highlight=False)
    console.print(Text.assemble((target, "bold"), f"  {meaning(settings.targets[target])}; {len(highest)} of {count(users)} users"))
    table = Table(box=None, header_style="bold underline", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("chance", justify="right", no_wrap=True)
    table.add_column("lift", justify="right", no_wrap=True)
    table.add_column("user", no_wrap=True, overflow="ellipsis")
    table.add_column("as of (UTC)", no_wrap=True)
    table.add_column("strongest reason", no_wrap=True, overflow="ellipsis")
    for score in highest:
        mine = score[target]
        reasons = [] if str(mine["model"]).endswith("@0") else mine.get("reasons") or []  # what is untrained has none that speak
        why = in_words(str(reasons[0][0])) if reasons else "–"
        silent = " (silence)" if score["cause"] == "silence" else ""
        table.add_row(
            Text(percent(float(mine["p"])), "bold cyan"), lift(float(mine["lift"])), printable(str(score["user_id"])), moment(score["time_ms"]) + silent, why
        )
    console.print(table)
    if any(score[target].get("abstain") == "warming_up" for score in highest):
        console.print(Text("still warming up: too few outcomes are known yet to rely on these", "yellow"))
