"""`clickscore send`: puts the events of a file on the input topic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, PartitionsOption, log_flags


def send(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines (also .gz, .zst) or Parquet; - is standard input.")],
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    rate: Annotated[float | None, typer.Option("--rate", metavar="N", min=0.001, help="Events a second; without it as fast as it goes.")] = None,
    partitions: PartitionsOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Send the events of a file to the worker's input.

    Each goes under its user's key. A line that cannot be read is sent as it is: the worker puts it on the dead letters, with the reason.
    """
    from worker.configuration import load
    from worker.files import open_events
    from worker.service.clock import SystemClock
    from worker.service.sender import Sent, send_lines
    from worker.service.topics import open_log, place
    from worker.views.file_progress import FileProgress

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    clock, sent = SystemClock(), Sent()
    with open_events(file) as events:
        log = open_log(settings, partitions)
        began_s = clock.elapsed_s()
        try:
            with FileProgress(f"sending {file.name}", events) as progress:
                for sent in send_lines(log, settings.topics.events, events.lines(), clock, rate):
                    progress.show(sent.lines)
        finally:  # whatever stopped it: what is in the log is there for good, and sending it again would count it twice
            log.close()
            took_s = max(clock.elapsed_s() - began_s, 1e-3)
            typer.echo(f"sent {sent.lines:,} events to {place(settings)} in {took_s:.1f} s ({sent.lines / took_s:,.0f}/s)")
            if sent.bare:
                typer.echo(f"{sent.bare:,} of them name no user that can be read: the worker will put them on the dead letters")
