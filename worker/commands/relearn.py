"""`clickscore relearn`: the models learned anew from the examples that remain, and handed to the trainer that runs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, log_flags

if TYPE_CHECKING:
    from worker.service.reprocessing.relearning import Relearning


def relearn(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Learn and compare, and change nothing.")] = False,
    wait: Annotated[str, typer.Option("--wait", metavar="TIME", help="How long to wait for the trainer to take the models over.")] = "60 s",
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Learn the models anew from the examples that are there, in their order, without those of users who were erased (privacy.key, receipts).

    The worker goes on meanwhile. Its trainer takes each model over at a mark among the examples, adds what has come since, and publishes it; scorers follow.
    Where no trainer runs, the next one that starts does. Examples that retention has removed are not learned again.
    """
    from worker.configuration import load
    from worker.core.settings import duration_ms
    from worker.service.clock import SystemClock
    from worker.service.reprocessing.relearning import hand_over, relearn, taken_over
    from worker.service.topics import open_existing

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    try:
        wait_s = duration_ms(wait) / 1000
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--wait") from None
    with closing(open_existing(settings)) as log:
        if not settings.privacy.key:
            typer.echo("No privacy.key is set: nobody was erased, and all examples are learned.")
        done = []
        for one in relearn(log, settings):
            done.append(one)
            _tell(one)
        if not done:
            typer.echo("No trainer has learned anything yet: there is nothing to learn anew.")
        elif dry_run:
            typer.echo("A dry run: nothing was changed.")
        else:
            for one in done:
                hand_over(log, settings, one)
            _tell_taken(done, taken_over(log, settings, done, SystemClock(), wait_s), wait)


def _tell(one: Relearning) -> None:
    typer.echo(
        f"{one.target}: {one.read:,} examples read, {one.erased:,} of erased users passed over" + (f", {one.refused:,} unreadable" if one.refused else "")
    )
    if not math.isnan(one.log_loss):
        typer.echo(f"  log-loss on the latest {one.judged:,}: {one.relearned_log_loss:.4f}, of the model that runs {one.log_loss:.4f}")
    if one.first > 0:
        typer.echo(f"  examples before offset {one.first:,} are gone by retention: what the model had learned of them is not learned again")


def _tell_taken(done: Iterable[Relearning], left: list[str], wait: str) -> None:
    taken = [one.target for one in done if one.target not in left]
    if taken:
        typer.echo(f"Taken over by the trainer: {', '.join(taken)}")
    if left:
        typer.echo(f"Handed over, and not taken within {wait}: {', '.join(left)}. The trainer, or the next one that starts, will come by it.")
