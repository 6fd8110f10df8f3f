"""The progress of reading a file, on a terminal: bar, rate and time left. Elsewhere it shows nothing."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from worker.files import EventFile

if TYPE_CHECKING:
    from rich.progress import Progress


class FileProgress:
    """A bar on stderr for one file, measured in bytes of it and counted in events."""

    def __init__(self, title: str, file: EventFile) -> None:
        self._title = title
        self._file = file
        self._bar: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> FileProgress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[done]}")]
            ends = TimeElapsedColumn() if self._file.total_bytes is None else TimeRemainingColumn()
            self._bar = Progress(*columns, ends, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._title, total=self._file.total_bytes, done="")
            self._bar.start()
        return self

    def show(self, events: int) -> None:
        """So many events are done; the bytes are read from the file."""
        if self._bar:
            elapsed_s = self._bar.tasks[0].elapsed or 0.0
            rate = f" · {events / elapsed_s:,.0f}/s" if elapsed_s > 0.5 else ""
            self._bar.update(self._task, completed=self._file.read_bytes, done=f"{events:,} events{rate}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()
