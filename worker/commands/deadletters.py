"""`clickscore deadletters`: what could not be scored and why, and back to the input with it."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, log_flags

if TYPE_CHECKING:
    from worker.log.contract import Record
    from worker.service.reprocessing.deadletters import Summary, Wanted

SHOWN, WIDTH = 20, 160

ReasonOption = Annotated[str, typer.Option("--reason", metavar="REASON", help="Only those of this reason, such as invalid_json.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help="Only those written since: 2026-03-01T12:00, or an age such as '2 h' or '7 d'.")
]

deadletters = typer.Typer(no_args_is_help=True, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@deadletters.callback()
def _deadletters() -> None:
    """List the records that could not be scored, or send them to the input again."""


@deadletters.command("list")
def list_letters(
    reason: ReasonOption = "",
    since: SinceOption = None,
    most: Annotated[int, typer.Option("--max", metavar="N", min=0, help="Show the last N letters of those; the summary counts all.")] = SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a letter, without the summary.")] = False,
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Say how many dead letters there are of each reason, with an example, and show the last of them."""
    from worker.configuration import load
    from worker.service.reprocessing.deadletters import summarize
    from worker.service.topics import open_existing

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    wanted, last = _wanted(reason, since), deque[tuple["Record", bool]](maxlen=most)
    with closing(open_existing(settings)) as log:
        summary = summarize(log, settings, wanted, lambda letter, replayed: last.append((letter, replayed)))
    if as_json:
        for letter, replayed in last:
            sys.stdout.buffer.write(_as_json(letter, replayed) + b"\n")
        return
    _print_summary(summary)
    if last:
        typer.echo("")
    for letter, replayed in sorted(last, key=lambda shown: shown[0].timestamp_ms):
        typer.echo(_in_line(letter, replayed))


@deadletters.command()
def replay(
    reason: ReasonOption = "",
    since: SinceOption = None,
    go: Annotated[bool, typer.Option("--go", help="Do it; without this it is only said what would be done.")] = False,
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Send dead letters to the input again, once what was wrong with them has been mended.

    Each goes back as it came, to the partition that it came from, with a header that counts how often it was replayed. No letter is replayed twice; an
    event that has died again after three replays is left alone, and so is one of a user who was erased since. Letters left out by --reason or --since stay
    available.
    """
    from worker.configuration import load
    from worker.service.clock import SystemClock
    from worker.service.reprocessing.deadletters import replay as replayed_letters
    from worker.service.reprocessing.deadletters import summarize
    from worker.service.topics import open_existing, place

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    wanted = _wanted(reason, since)
    with closing(open_existing(settings)) as log:
        if not go:
            summary = summarize(log, settings, wanted)
            _print_summary(summary)
            if count := summary.open.total():
                typer.echo(
                    f"\nwould go back to {settings.topics.events}: {_counted(dict(summary.open))}. Nothing was done yet: --go does it ({count:,} in all)"
                )
            else:
                typer.echo("\nnothing to replay")
            return
        sent: dict[str, int] = {}
        try:
            for step in replayed_letters(log, settings, wanted, SystemClock()):
                for name, number in step.items():
                    sent[name] = sent.get(name, 0) + number
        finally:  # whatever stopped it: those are on the input for good, and remembered
            typer.echo(f"replayed to {settings.topics.events}, {place(settings)}: {_counted(sent) if sent else 'nothing'}")


def _wanted(reason: str, since: str | None) -> Wanted:
    from worker.service.clock import SystemClock
    from worker.service.reprocessing.deadletters import Wanted
    from worker.views.moments import moment_ms

    try:
        return Wanted(reason, 0 if since is None else moment_ms(since, SystemClock().now_ms()))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None


def _print_summary(summary: Summary) -> None:
    from worker.views.figures import printable

    if not summary.letters:
        typer.echo("no dead letters")
        return
    width = max(map(len, summary.letters))
    for reason, number in summary.letters.most_common():
        notes = [
            f"{count:,} {what}"
            for count, what in (
                (summary.replayed[reason], "replayed"),
                (summary.too_often[reason], "replayed too often"),
                (summary.no_events[reason], "no events, and not for replay"),
                (summary.erased[reason], "of erased users, and not for replay"),
            )
            if count
        ]
        example = printable((summary.examples[reason].value or b"").decode("utf-8", "backslashreplace"))
        typer.echo(f"{number:>8,}  {printable(reason):<{width}}  {_cut('; '.join([*notes, 'such as ' + (example or '(no value)')]))}")


def _counted(reasons: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {reason}" for reason, number in sorted(reasons.items(), key=lambda item: -item[1]))


def _fields(letter: Record, replayed: bool) -> dict[str, Any]:
    from worker.core.events.deadletters import MESSAGE, OFFSET, PARTITION, TOPIC, as_it_came
    from worker.service.reprocessing.deadletters import reason_of, replays_of

    headers = {name: content.decode("utf-8", "replace") for name, content in letter.headers}
    key, value = as_it_came(letter.key, letter.value, letter.headers)
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "timestamp_ms": letter.timestamp_ms,
        "reason": reason_of(letter),
        "detail": headers.get(MESSAGE, ""),
        "from": {"topic": headers.get(TOPIC, ""), "partition": headers.get(PARTITION, ""), "offset": headers.get(OFFSET, "")},
        "replayed": replayed,
        "replays": replays_of(letter),
        "key": None if key is None else key.decode("utf-8", "replace"),
        "value": None if value is None else value.decode("utf-8", "backslashreplace"),
    }


def _as_json(letter: Record, replayed: bool) -> bytes:
    import orjson

    return orjson.dumps(_fields(letter, replayed))


def _in_line(letter: Record, replayed: bool) -> str:
    from datetime import UTC, datetime

    from worker.views.figures import printable

    fields = _fields(letter, replayed)
    at = datetime.fromtimestamp(letter.timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    state = "  (replayed)" if replayed else ""
    return _cut(
        f"{letter.partition}:{letter.offset:<8} {at}  {printable(fields['reason'])}{state}: {printable(fields['detail'])}  {printable(fields['value'] or '')}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
