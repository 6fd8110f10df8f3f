"""The files of a replay: events in; scores, dead letters, a report and a summary out."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import orjson

from worker.errors import ClickscoreError
from worker.files import open_events
from worker.service.memory import collect_rarely
from worker.service.reprocessing.replay import Replay
from worker.settings import Settings
from worker.views.file_progress import FileProgress
from worker.views.replay_summary import replay_report, summary_lines


def run_replay(settings: Settings, files: Sequence[Path], out: Path | None, report: Path | None, dead_letters: Path | None) -> None:
    """Replay the files in order; what was written before an error or Ctrl-C stays, whole to its last line."""
    from worker.views.report import render

    collect_rarely()
    replay = Replay(settings.core)
    with contextlib.ExitStack() as stack:
        scores = stack.enter_context(output(out)) if out is not None else None
        letters = stack.enter_context(output(dead_letters)) if dead_letters is not None else None
        for file in files:
            with open_events(file) as events, FileProgress(f"replaying {file.name}", events) as progress:
                before = replay.read
                lines = events.lines()
                while batch := list(itertools.islice(lines, settings.service.turn_events)):
                    _write(replay, replay.take(batch), scores, letters)
                    progress.show(replay.read - before)
        _write(replay, replay.finish(), scores, letters)
    name = " ".join(str(file) for file in files)
    told = sys.stderr if str(out) == "-" or str(dead_letters) == "-" else sys.stdout
    for line in summary_lines(replay):
        print(line, file=told)
    if report is not None:
        with refusing(report):
            report.write_text(render(replay_report(replay, name)), encoding="utf-8")
        print(f"report: {report}", file=told)


def _write(replay: Replay, turn: object, scores: BinaryIO | None, letters: BinaryIO | None) -> None:
    from worker.core.pipeline import Turn

    assert isinstance(turn, Turn)
    if scores is not None and turn.scores:
        scores.write(b"\n".join(record for _, record in turn.scores) + b"\n")
    if letters is not None:
        for letter in turn.dead_letters:
            text = (letter.value or b"").decode("utf-8", "backslashreplace")
            letters.write(orjson.dumps({"line": letter.offset + 1, "reason": letter.reason, "detail": letter.detail, "value": text}) + b"\n")


@contextlib.contextmanager
def output(path: Path) -> Iterator[BinaryIO]:
    """A file to write to; gzip for .gz, - is standard output. Raises ClickscoreError where it cannot be written."""
    if str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with refusing(path), path.open("wb") as file:
        if path.suffix == ".gz":  # no file name and no time of day within: the same scores give the same file
            with gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
                yield packed  # type: ignore[misc]
        else:
            yield file


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Say of a file that cannot be written what to do."""
    try:
        yield
    except FileNotFoundError:
        raise ClickscoreError("cannot be written: its folder does not exist", str(path), "make the folder, or name another file") from None
    except (PermissionError, IsADirectoryError) as error:
        raise ClickscoreError(f"cannot be written: {error.strerror}", str(path), "name a file that may be written") from None
