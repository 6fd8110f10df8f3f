"""The picture of the demo on Kafka: a screen on a terminal, plain lines elsewhere. What happens is told at once in both."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from worker.demo.kafka_watch import KafkaState
from worker.views import figures
from worker.views.keys import Keys

FRAME_S, LINE_S = 0.2, 4.0
STALE_S = 1.0  # a partition without a new score for so long is shown in red


class KafkaView(Protocol):
    """What shows a KafkaState."""

    @property
    def ended(self) -> bool:
        """Whether the person asked to end."""

    def show(self, state: KafkaState) -> None:
        """Show a state, or leave it if the last one is too fresh."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def open_kafka_view(stdout: TextIO, stdin: TextIO, environment: Mapping[str, str]) -> KafkaView:
    """A screen on a terminal that can show one, else lines."""
    dumb = environment.get("TERM", "dumb") in {"", "dumb", "unknown"} or (stdout.encoding or "utf-8").lower() not in {"utf-8", "utf8"}
    return Lines(stdout) if dumb or environment.get("NO_COLOR") or not stdout.isatty() else Screen(stdout, Keys(stdin))


class Screen:
    """The terminal's other screen; q ends."""

    def __init__(self, stdout: TextIO, keys: Keys) -> None:
        self._live = Live(console=Console(file=stdout), screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._keys, self._due_s, self._ended = keys, 0.0, False

    @property
    def ended(self) -> bool:
        """Whether q was pressed."""
        self._ended = self._ended or bool({"q", "Q"} & set(self._keys.pressed()))
        return self._ended

    def show(self, state: KafkaState) -> None:
        """Draw the state, at most once a frame."""
        if time.monotonic() >= self._due_s:
            self._live.update(picture(state), refresh=True)
            self._due_s = time.monotonic() + FRAME_S

    def __enter__(self) -> Self:
        self._keys.__enter__()
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()
        self._keys.__exit__(kind, error, trace)


class Lines:
    """A line every few seconds, and one for each thing that happens."""

    def __init__(self, stdout: TextIO) -> None:
        self._stdout, self._due_s, self._told = stdout, 0.0, 0

    @property
    def ended(self) -> bool:
        """Never: without a terminal only a signal ends it."""
        return False

    def show(self, state: KafkaState) -> None:
        """Write what is due."""
        for words in state.happened[self._told :]:
            self._write(words)
        self._told = len(state.happened)
        if time.monotonic() >= self._due_s:
            self._write(line(state))
            self._due_s = time.monotonic() + LINE_S

    def _write(self, text: str) -> None:
        encoding = self._stdout.encoding or "utf-8"
        self._stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        self._stdout.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def line(state: KafkaState) -> str:
    """The state in one line."""
    owners = ", ".join(f"{worker.member} {worker.state}{_of(worker.partitions)}" for worker in state.workers)
    return f"{_clock(state.elapsed_s)} {_figures(state)} | {owners}"


def picture(state: KafkaState) -> RenderableType:
    """The state on a screen."""
    head = Text.assemble(("clickscore on Kafka", "bold"), f"  {state.bootstrap}, {_clock(state.elapsed_s)} of {_clock(state.of_s)}", ("   q ends it", "dim"))
    parts: list[RenderableType] = [head, Text(_figures(state)), Text(f"models {', '.join(state.models)}" if state.models else "", "dim"), Text()]
    workers = Table("worker", "process", "partitions", "state", box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for worker in state.workers:
        style = "green" if worker.state == "scoring" else "bold red" if worker.state.startswith("killed") else "yellow"
        owned = ", ".join(map(str, worker.partitions)) or figures.MISSING
        workers.add_row(worker.member, str(worker.pid or figures.MISSING), owned, Text(worker.state, style))
    table = Table("partition", "owner", "scores", "last score", box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for partition in state.partitions:
        stale = not partition.last_ago_s < STALE_S
        table.add_row(
            str(partition.number),
            partition.owner or figures.MISSING,
            figures.count(partition.scores),
            Text(f"{figures.milliseconds(1000 * partition.last_ago_s)} ago", "bold red" if stale else ""),
        )
    told = [Text(words, "bold" if "SIGKILL" in words or "first new" in words else "") for words in state.happened[-8:]]
    return Group(*parts, workers, Text(), table, Text(), *told)


def _figures(state: KafkaState) -> str:
    latency = f"sent to readable p50 {figures.milliseconds(state.latency_p50_ms)}, p99 {figures.milliseconds(state.latency_p99_ms)}"
    return f"{figures.count(state.sent)} events sent, {figures.count(state.scored)} scored ({figures.count(state.events_per_s)}/s), {latency}"


def _of(partitions: tuple[int, ...]) -> str:
    return f" {', '.join(map(str, partitions))}" if partitions else ""


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
