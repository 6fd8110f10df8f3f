"""`clickscore report`: whether the rules helped."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, log_flags


def report(
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write an HTML page here as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a rule, then one a target.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Say of each configured rule what its users bought beside those whom it never reaches, and of each target whether scores come true without messages.

    Intervals hold however often you look. Reads the topic of profiles whole, and the latest examples.
    """
    import orjson

    from worker import __version__
    from worker.commands.replay_files import refusing
    from worker.configuration import load
    from worker.service.queries.treatment import treatments
    from worker.service.queries.uplift import effects
    from worker.service.topics import open_existing, place
    from worker.views.uplift import treatment_lines, treatment_record, uplift_lines, uplift_page, uplift_record

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    with closing(open_existing(settings)) as log:
        found, reached = effects(log, settings), treatments(log, settings)
    records = [*map(uplift_record, found), *(treatment_record(*of, one) for of, one in reached.items())]
    for line in [orjson.dumps(record).decode() for record in records] if as_json else [*uplift_lines(found), "", *treatment_lines(reached)]:
        typer.echo(line)
    if out is not None:
        with refusing(out):
            out.write_text(uplift_page(found, reached, place(settings), f"clickscore {__version__}"), encoding="utf-8")
        typer.echo(f"report: {out}", err=as_json)
