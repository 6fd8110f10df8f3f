"""`clickscore rescore`: a range of the input scored again, beside the scores that there are."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, log_flags

if TYPE_CHECKING:
    from worker.log.contract import Log
    from worker.service.reprocessing.first_scores import Span
    from worker.service.reprocessing.rescore import Outcome, Scored
    from worker.settings import Settings

TOPIC, AT_ONCE = "clickscore.rescores", 2_000
_FILE = re.compile(r".*(/|\.jsonl(\.gz)?$)|-$")


def rescore(
    start: Annotated[str, typer.Option("--from", metavar="WHERE", help="First offset of each partition, or time of the scores (ISO 8601, UTC).")],
    end: Annotated[str | None, typer.Option("--to", metavar="WHERE", help="Up to this offset or time, which is not in it; else all there is.")] = None,
    out: Annotated[str, typer.Option("--out", metavar="TOPIC|FILE", help="Where to: a topic, or a file (a path, or .jsonl, .jsonl.gz; - is stdout).")] = TOPIC,
    models: Annotated[
        str, typer.Option("--models", metavar="WHICH", help="recorded: those that each first score names; latest: the latest for all.")
    ] = "recorded",
    inexact: Annotated[bool, typer.Option("--inexact", help="Go on where retention has removed the beginning of the input.")] = False,
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Score a range of the input again, to a side topic or a file.

    The input is read from its beginning, so that every user is in the state of then. Scores come out byte for byte as they were the first time, if the
    models of then are still there; what is still there of the first scores is compared, and the exit code is 1 when any differs.
    """
    from worker.configuration import load
    from worker.service.reprocessing.rescore import Rescore
    from worker.service.topics import open_existing

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    if models not in ("recorded", "latest"):
        raise typer.BadParameter(f"{models!r} is neither recorded nor latest", param_hint="--models")
    span = _span(start, end)
    with closing(open_existing(settings)) as log:
        again = Rescore(log, settings, span, "latest" if models == "latest" else "recorded", inexact=inexact)
        try:
            if _FILE.match(out):
                _to_file(Path(out), again.run())
            else:
                _to_topic(log, settings, out, again.run())
        finally:
            _tell(again.outcome, out)
    if models == "recorded" and (again.outcome.different or again.outcome.missing):
        raise SystemExit(1)


def _span(start: str, end: str | None) -> Span:
    from worker.service.clock import SystemClock
    from worker.service.reprocessing.first_scores import Span
    from worker.views.moments import moment_ms

    by_offset = [text.strip().isdigit() for text in (start, end) if text is not None]
    if len(set(by_offset)) > 1:
        raise typer.BadParameter("--from and --to must both be offsets, or both be times", param_hint="--to")
    try:
        bounds = [int(text) if by_offset[0] else moment_ms(text, SystemClock().now_ms()) for text in (start, end) if text is not None]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from / --to") from None
    if len(bounds) == 2 and bounds[0] >= bounds[1]:
        raise typer.BadParameter("the range is empty: --to must be behind --from", param_hint="--to")
    return Span(not by_offset[0], *bounds)


def _to_file(path: Path, scores: Iterator[Scored]) -> None:
    from worker.commands.replay_files import output

    with output(path) as file:
        for scored in scores:
            file.write(scored.value + b"\n")


def _to_topic(log: Log, settings: Settings, name: str, scores: Iterator[Scored]) -> None:
    from worker.log.contract import DAY_MS, Message, Topic
    from worker.service.topics import names_of

    if name in names_of(settings):
        raise typer.BadParameter(f"{name} is one of the worker's own topics: its readers would take these for new records", param_hint="--out")
    log.create([Topic(name, log.partition_count(settings.topics.events), retention_ms=30 * DAY_MS)])
    while step := list(islice(scores, AT_ONCE)):
        log.append(name, [Message(one.value, one.user_id.encode(), partition=one.partition) for one in step])


def _tell(outcome: Outcome, out: str) -> None:
    told = sys.stderr if out == "-" else sys.stdout
    first = [
        f"{count:,} {what}"
        for count, what in (
            (outcome.identical, "are byte for byte as they were the first time"),
            (outcome.different, "DIFFER from the first time"),
            (outcome.unknown, "have no first score left to compare with"),
        )
        if count
    ]
    print(f"{outcome.scores:,} scores to {out}, with {len(outcome.models)} set{'s' * (len(outcome.models) != 1)} of models", file=told)
    for line in first:
        print(f"  {line}", file=told)
    if outcome.missing:
        print(f"  {outcome.missing:,} first scores of the range were NOT given again", file=told)
