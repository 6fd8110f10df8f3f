"""`clickscore privacy`: users forgotten, suppressed and let in again; the receipts; and what there still is of a user."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, log_flags

if TYPE_CHECKING:
    from worker.core.privacy.requests import Kind
    from worker.log.contract import Log
    from worker.service.privacy.asking import Found
    from worker.settings import Settings

FAILED = 1

privacy = typer.Typer(no_args_is_help=True, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})

UsersArgument = Annotated[list[str] | None, typer.Argument(metavar="USER…", help="Ids of users, as the events have them.")]
FileOption = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="A file of ids, one a line; - is standard input.")]
RequestOption = Annotated[str, typer.Option("--request-id", metavar="ID", help="Name of the request on its receipts; else one is made up.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait for the receipts; exit code 1 where not all are there in time.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.0, help="How long --wait waits.")]
EverywhereOption = Annotated[
    bool, typer.Option("--all-partitions", help="Ask every partition: for events whose producer does not spread users as Kafka's own clients do.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON objects, one a line.")]


@privacy.callback()
def _privacy() -> None:
    """Forget users, keep them from being known, show the receipts, and look for what is left. Needs privacy.key."""


def _command(kind: Kind, says: str) -> None:
    """The command that asks for one kind of request; all take the same."""

    def ask(
        users: UsersArgument = None,
        file: FileOption = None,
        request_id: RequestOption = "",
        wait: WaitOption = False,
        timeout: TimeoutOption = 60.0,
        everywhere: EverywhereOption = False,
        embedded: EmbeddedOption = None,
        bootstrap: BootstrapOption = None,
        config: ConfigOption = None,
        assignments: SetOption = None,
    ) -> None:
        _ask(kind, users, file, request_id, timeout if wait else None, everywhere, _settings(embedded, bootstrap, config, assignments))

    privacy.command(kind.lower(), help=says)(ask)


_command("DELETE", "Forget what is known of users. Events that come later start from nothing.")
_command("SUPPRESS", "Forget what is known of users, and drop their events from then on.")
_command("UNSUPPRESS", "Let suppressed users in again; they start from nothing.")


@privacy.command()
def receipts(
    request_id: Annotated[str, typer.Argument(metavar="[REQUEST_ID]", help="Only those of this request.")] = "",
    user: Annotated[str, typer.Option("--user", metavar="USER", help="Only those of this user.")] = "",
    as_json: JsonOption = False,
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Show receipts and check their signatures; exit code 1 where one is bad, or none is found."""
    import orjson

    from worker.service.privacy.asking import read_receipts
    from worker.service.topics import open_existing

    settings = _settings(embedded, bootstrap, config, assignments)
    with closing(open_existing(settings)) as log:
        found = list(read_receipts(log, settings, request_id, user))
    for one in found:
        if as_json:
            sys.stdout.buffer.write(orjson.dumps({**one.fields, "signature_good": one.good}) + b"\n")
        else:
            typer.echo(_in_line(one))
    if not found:
        typer.echo("no receipt", err=True)
    if not found or not all(one.good for one in found):
        raise SystemExit(FAILED)


@privacy.command()
def sweep(
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Cover the dead letters of everybody who was erased so far with tombstones; compaction takes them then.

    On Kafka, where `delete --wait` and `suppress --wait` do it at their end. An embedded log is swept by its workers.
    """
    from worker.service.topics import open_existing

    settings = _settings(embedded, bootstrap, config, assignments)
    if not settings.erases_by_compaction:
        typer.echo("an embedded log is swept by its workers; nothing to do")
        return
    with closing(open_existing(settings)) as log:
        typer.echo(_swept(log, settings))


@privacy.command()
def scan(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    the_input: Annotated[bool, typer.Option("--input", help="Look at the topic of events too, which is yours.")] = False,
    as_json: JsonOption = False,
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Look for a user in every record of every topic, and say what takes each; exit code 1 where a live one names the user.

    A record that a later one of its key has replaced is not live, nor is a tombstone: they go with compaction.
    """
    import orjson

    from worker.configuration import load
    from worker.service.privacy.scanning import scan as sightings_of
    from worker.service.topics import open_existing

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    live = covered = 0
    with closing(open_existing(settings)) as log:
        for one in sightings_of(log, settings, user, the_input=the_input):
            live, covered = live + one.live, covered + (not one.live)
            fields: dict[str, Any] = {name: getattr(one, name) for name in one.__slots__}
            where = f"{one.topic}, partition {one.partition}, offset {one.offset}: {' and '.join(one.places)}"
            line = orjson.dumps(fields).decode() if as_json else f"{'live' if one.live else 'covered':<8} {where}; goes {one.goes}"
            typer.echo(line)
    left_out = "" if the_input else f"; {settings.topics.events} is yours, and was left out"
    typer.echo(f"{live:,} live records name the user, {covered:,} more are covered{left_out}", err=as_json)
    if live:
        raise SystemExit(FAILED)


def _settings(embedded: str | None, bootstrap: str | None, config: Path | None, assignments: list[str] | None) -> Settings:
    """The settings, in which there is a key."""
    from worker.configuration import load
    from worker.service.privacy.asking import receipts_of

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    receipts_of(settings)
    return settings


def _ask(kind: Kind, users: list[str] | None, file: Path | None, request_id: str, timeout_s: float | None, everywhere: bool, settings: Settings) -> None:
    import secrets
    from datetime import UTC, datetime

    from worker.service.clock import SystemClock
    from worker.service.privacy.asking import Asking, checked_users
    from worker.service.topics import open_existing, place

    listed = checked_users([*(users or ()), *_lines(file)])
    if not listed:
        raise typer.BadParameter("name users, or a file of them", param_hint="USER")
    request_id = request_id or f"{datetime.now(UTC):%Y-%m-%d}-{secrets.token_hex(4)}"
    if len(request_id) > 64 or "\n" in request_id:
        raise typer.BadParameter("an id has up to 64 characters on one line", param_hint="--request-id")
    covers = kind != "UNSUPPRESS" and settings.erases_by_compaction
    with closing(open_existing(settings)) as log:
        asking = Asking(log, settings, SystemClock(), everywhere=everywhere)
        asking.ask(kind, listed, request_id)
        typer.echo(f"request {request_id}: {kind} of {len(listed):,} user{'s' * (len(listed) != 1)}, written to {place(settings)}")
        if timeout_s is None:
            typer.echo(f"its receipts: clickscore privacy receipts {request_id}")
            if covers:
                typer.echo("once they are there: clickscore privacy sweep covers the dead letters")
        elif missing := asking.wait(timeout_s):
            typer.echo(f"{missing:,} receipts were not there after {timeout_s:g} s: does a worker run that has privacy.key?", err=True)
            raise SystemExit(FAILED)
        else:
            typer.echo("carried out: all receipts are there")
            if covers:
                typer.echo(_swept(log, settings))


def _swept(log: Log, settings: Settings) -> str:
    from worker.service.privacy.letters import sweep_letters

    number = sum(sweep_letters(log, settings))
    return f"{number:,} dead letter{'s' * (number != 1)} of erased users covered"


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line]


def _in_line(one: Found) -> str:
    from worker.views.figures import moment, printable

    fields = one.fields
    if not one.good:
        return f"BAD SIGNATURE  partition {one.partition}, offset {one.offset}: not written with this privacy.key, or changed since"
    erased = ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in fields["erased"].items())
    done = f"{fields['request']} of user {fields['user']}, done {moment(fields['done_ms'])} UTC"
    return f"good  {printable(fields['request_id'])}: {done}, partition {fields['partition']} up to {fields['until']:,}; {erased}"
