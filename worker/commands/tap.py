"""`clickscore tap`: what a topic holds, record by record."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.commands.config import ConfigOption, SetOption
from worker.commands.log_options import BootstrapOption, EmbeddedOption, log_flags

if TYPE_CHECKING:
    from worker.log.contract import Log, Record

AT_ONCE, WAIT_S = 500, 0.2
LAST_SHOWN = -10


def tap(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="events, scores, segments, triggers, examples, deadletter, profiles, models, or a full name.")],
    embedded: EmbeddedOption = None,
    bootstrap: BootstrapOption = None,
    start: Annotated[str, typer.Option("--from", metavar="WHERE", help="earliest, latest, an offset, or -N for the last N of each partition.")] = str(
        LAST_SHOWN
    ),
    most: Annotated[int | None, typer.Option("--max", metavar="N", min=1, help="Stop after this many records.")] = None,
    follow: Annotated[bool | None, typer.Option("--follow/--no-follow", help="Wait for more, or end; on a terminal it waits.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a record: partition, offset, time, key, headers and value.")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Print the records of a topic.

    On a terminal each is one line that fits; piped, each is its bare value, so that `clickscore tap scores | jq .purchase` works.
    """
    from worker.configuration import load
    from worker.service.topics import full_name, open_existing

    settings = load(config, assignments or (), log_flags(embedded, bootstrap)).settings
    log = open_existing(settings)
    try:
        name = full_name(settings, topic)
        positions = _positions(log, name, start)
        waits = sys.stdout.isatty() if follow is None else follow
        left = most
        for records in _followed(log, name, positions) if waits else _there(log, name, positions):
            _write(records[:left], as_json)
            left = None if left is None else left - len(records)
            if left is not None and left <= 0:
                break
    finally:
        log.close()


def _followed(log: Log, topic: str, positions: dict[int, int]) -> Iterator[list[Record]]:
    """All partitions as they grow, without an end."""
    tail = log.tail(topic, positions)
    while True:
        yield tail.poll(AT_ONCE, WAIT_S)


def _there(log: Log, topic: str, positions: dict[int, int]) -> Iterator[list[Record]]:
    """What the partitions hold by now, one after the other. A broker needs a moment for the first record: an empty poll would not mean the end."""
    for partition, position in positions.items():
        records = log.read(topic, partition, position)
        while step := list(islice(records, AT_ONCE)):
            yield step


def _positions(log: Log, topic: str, start: str) -> dict[int, int]:
    """The offset to begin at, by partition. A usage error for what is none."""
    first, end = log.start_offsets(topic), log.end_offsets(topic)
    if start == "earliest":
        return first
    if start == "latest":
        return end
    try:
        offset = int(start)
    except ValueError:
        raise typer.BadParameter(f"{start!r} is none of earliest, latest, an offset, or -N", param_hint="--from") from None
    return {partition: max(first[partition], end[partition] + offset) if offset < 0 else offset for partition in end}


def _write(records: list[Record], as_json: bool) -> None:
    out = sys.stdout.buffer
    on_terminal = sys.stdout.isatty()
    for record in records:
        if as_json:
            out.write(_envelope(record) + b"\n")
        elif on_terminal:
            out.write(_line(record, shutil.get_terminal_size().columns).encode() + b"\n")
        else:
            out.write(_bare(record) + b"\n")
    out.flush()


def _envelope(record: Record) -> bytes:
    import orjson

    headers = [[name, value.decode("utf-8", "replace")] for name, value in record.headers]
    key = None if record.key is None else record.key.decode("utf-8", "replace")
    fields = {"topic": record.topic, "partition": record.partition, "offset": record.offset, "timestamp_ms": record.timestamp_ms, "key": key}
    value: Any = None
    if record.value is not None:
        try:
            value = orjson.loads(record.value)
        except orjson.JSONDecodeError:
            value = record.value.decode("utf-8", "replace")
    return orjson.dumps({**fields, "headers": headers, "value": value})


def _bare(record: Record) -> bytes:
    if record.value is None:
        return b"null"
    return record.value if b"\n" not in record.value else _size(record.value).encode()  # a snapshot's arrays are no text


def _size(value: bytes) -> str:
    """What a binary value is: its size, and of a snapshot the model."""
    import orjson

    try:
        header = orjson.loads(value.partition(b"\n")[0])
        return f"{header['target']}@{header['numbers']['learned']} ({len(value):,} bytes)"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return f"({len(value):,} bytes)"


def _line(record: Record, width: int) -> str:
    """One record on one line of a terminal."""
    from datetime import UTC, datetime

    from worker.core.events.deadletters import REASON
    from worker.views.figures import printable

    at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).strftime("%H:%M:%S")
    key = "–" if record.key is None else printable(record.key.decode("utf-8", "replace"))
    value = (
        "(tombstone)"
        if record.value is None
        else _size(record.value)
        if b"\n" in record.value
        else _score(record.value) or record.value.decode("utf-8", "replace")
    )
    reason = next((content.decode("utf-8", "replace") + "  " for name, content in record.headers if name == REASON), "")
    line = f"{record.partition}:{record.offset:<8} {at}  {key}  {printable(reason)}{printable(value)}"
    return line if len(line) <= width else line[: width - 1] + "…"


def _score(value: bytes) -> str:
    """A score record in short; empty for anything else."""
    from worker.views.figures import lift, percent
    from worker.views.score_words import targets_of

    if not value.startswith(b'{"schema":1,"score_id":'):
        return ""
    import orjson

    record = orjson.loads(value)
    chances = "  ".join(f"{name} {percent(table['p'])} ({lift(table['lift'])})" for name, table in targets_of(record).items())
    return f"{record['cause']:<7}  {chances}"
