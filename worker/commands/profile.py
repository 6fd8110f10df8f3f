"""`clickscore profile`: a user's portrait."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, log_flags


def profile(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id, as the events have it.")],
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the portrait as one JSON object.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Tell what is known of a user: stage, visits, purchases, likes, consent, segments and scores.

    Favourite categories, usual hours and consent are followed only where segments or triggers are configured.
    """
    import orjson

    from worker.configuration import load
    from worker.service.queries.portrait import read_portrait
    from worker.service.topics import open_existing
    from worker.views.action_words import portrait_lines

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    log = open_existing(settings)
    try:
        portrait = read_portrait(log, settings, user)
    finally:
        log.close()
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(portrait) + b"\n")
        return
    for line in portrait_lines(portrait):
        typer.echo(line)
