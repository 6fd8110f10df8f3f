"""`clickscore segments`: who is in them, who would be, and audiences of them."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, log_flags

if TYPE_CHECKING:
    from worker.settings import Settings

segments = typer.Typer(no_args_is_help=True, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})

SegmentArgument = Annotated[str, typer.Argument(metavar="SEGMENT", help="The segment's configured name.")]


@segments.callback()
def _segments() -> None:
    """List segments and their members, try them out over files, or export an audience."""


@segments.command(name="list")
def list_(embedded: EmbeddedOption = None, bootstrap: BootstrapOption = None, config: ConfigOption = None, assignments: SetOption = None) -> None:
    """List the configured segments, with how many users are in each and its condition."""
    from worker.service.queries.audience import memberships
    from worker.service.topics import open_existing

    settings = _settings(embedded, bootstrap, config, assignments)
    with closing(open_existing(settings)) as log:
        counts = dict.fromkeys(settings.segments, 0)
        for record in memberships(log, settings):
            for name in record["segments"]:
                counts[name] = counts.get(name, 0) + (name in settings.segments)
    typer.echo(f"{'segment':24}{'members':>10}  condition")
    for name, segment in settings.segments.items():
        typer.echo(f"{name:24}{counts[name]:>10,}  {segment.when}" + (f"  (stays while {segment.stay})" if segment.stay else ""))


@segments.command()
def members(
    segment: SegmentArgument,
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each member's latest record, one a line.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Print at most so many.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Print the ids of a segment's members, one a line."""
    import orjson

    from worker.service.queries.audience import members_of
    from worker.service.topics import open_existing

    settings = _settings(embedded, bootstrap, config, assignments, segment)
    with closing(open_existing(settings)) as log:
        found = members_of(log, settings, segment)
    for record in found[:limit]:
        line = orjson.dumps(record) if as_json else str(record["user_id"]).encode()
        sys.stdout.buffer.write(line + b"\n")


@segments.command(name="test")
def try_segments(
    files: Annotated[list[Path], typer.Argument(metavar="EVENTS…", help="JSON lines (also .gz, .zst) or Parquet, in the order of time; - is standard input.")],
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Say who would be in the configured segments after files of events.

    Prints each change as a JSON line, as a worker publishes it; the summary goes to stderr. Models learn on the way, from nothing.
    """
    from worker.commands.dry_runs import dry_run, planned
    from worker.configuration import load
    from worker.views.action_words import segment_lines

    settings = load(config, assignments or ()).settings
    run = planned(settings, "segments")
    for turn in dry_run(run, settings, files):
        for _, value in turn.segments:
            if value is not None:
                sys.stdout.buffer.write(value + b"\n")
    sys.stdout.flush()
    for line in segment_lines(run):
        typer.echo(line, err=True)


@segments.command()
def export(
    segment: SegmentArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Write the audience here; - is standard output.")],
    identifiers: Annotated[
        Path | None,
        typer.Option(
            "--identifiers",
            metavar="FILE",
            help="CSV with a head, or JSON lines: user_id, and email, phone, first_name, last_name, country, zip or mobile_id; - is standard input.",
        ),
    ] = None,
    platform: Annotated[Literal["google", "meta"] | None, typer.Option("--platform", help="Whose customer list to write; needs --identifiers.")] = None,
    form: Annotated[Literal["csv", "jsonl"], typer.Option("--format", help="CSV with a head, or one JSON object a line.")] = "csv",
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Write a segment's members for an advertising platform, as hashes, and only those whose consent is granted.

    With --identifiers, members are looked up in that file, and what it says of them is written as the platform's documentation wants it and hashed;
    nothing else of the file is kept or shown. Without, the user id itself is hashed (SHA-256), without blanks around it and in small letters: what
    platforms match when user ids are e-mail addresses.
    """
    from worker.commands.customer_lists import customers, members_alone, write_list
    from worker.service.queries.audience import audience_of
    from worker.service.topics import open_existing

    if (identifiers is None) != (platform is None):
        raise typer.BadParameter("--identifiers and --platform go together: the file says who is who, the platform how that is written")
    settings = _settings(embedded, bootstrap, config, assignments, segment)
    with closing(open_existing(settings)) as log:
        audience = audience_of(log, settings, segment)
    listed = members_alone(audience) if identifiers is None or platform is None else customers(audience, identifiers, platform)
    write_list(listed, to, form)
    for line in listed.told(to):
        typer.echo(line, err=True)


def _settings(embedded: str | None, bootstrap: str | None, config: Path | None, assignments: list[str] | None, segment: str | None = None) -> Settings:
    """The settings, in which there are segments, and this one among them."""
    import difflib

    from worker.commands.dry_runs import require
    from worker.configuration import load
    from worker.errors import ClickscoreError

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    require(settings, "segments")
    if segment is not None and segment not in settings.segments:
        close = difflib.get_close_matches(segment, settings.segments, n=1)
        todo = f"did you mean {close[0]!r}?" if close else f"name one of {', '.join(settings.segments)}"
        raise ClickscoreError(f"there is no segment {segment!r}", "the configuration", todo)
    return settings
