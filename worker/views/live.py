"""The live view of a running scorer: a full-screen picture on a terminal, a plain line every few seconds anywhere else.

    with open_view(sys.stdout, sys.stdin, os.environ) as view:
        while work_is_left and not view.ended:
            ...
            view.show(state)

`show` may be called as often as one likes: it draws only when it is time. Ctrl-C stays what it is, a KeyboardInterrupt; leaving the
`with` block gives the terminal back as it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group
from rich.live import Live

from worker.views import figures
from worker.views.bin_words import in_words
from worker.views.keys import Keys
from worker.views.live_state import LiveState
from worker.views.screen import picture

FRAME_S = 0.15
LINE_S = 4.0
Clock = Callable[[], float]


class View(Protocol):
    """What shows a LiveState to whoever watches."""

    @property
    def ended(self) -> bool:
        """Whether the person asked to end."""

    def show(self, state: LiveState) -> None:
        """Show a state, or leave it if the last one is too fresh."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def open_view(stdout: TextIO, stdin: TextIO, environment: Mapping[str, str], clock: Clock = time.monotonic) -> View:
    """The view that suits where the output goes: plain where that is no terminal, a dumb one, one that cannot write the signs, or NO_COLOR asks."""
    dumb = environment.get("TERM", "dumb") in {"", "dumb", "unknown"} or _encoding(stdout) not in {"utf-8", "utf8"}
    plain = dumb or bool(environment.get("NO_COLOR")) or not stdout.isatty()
    return PlainView(stdout, clock) if plain else TerminalView(stdout, Keys(stdin), clock)


class TerminalView:
    """Draws on the terminal's other screen, which leaves the person's own untouched; q ends."""

    def __init__(self, stdout: TextIO, keys: Keys, clock: Clock = time.monotonic) -> None:
        self._console = Console(file=stdout)
        self._live = Live(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._keys, self._clock, self._due_s, self._ended = keys, clock, 0.0, False

    @property
    def ended(self) -> bool:
        """Whether q was pressed."""
        self._ended = self._ended or bool({"q", "Q"} & set(self._keys.pressed()))
        return self._ended

    def show(self, state: LiveState) -> None:
        """Draw the state, at most once a frame."""
        if self._clock() < self._due_s:
            return
        width, height = self._console.size
        self._live.update(Group(*picture(state, width, height)), refresh=True)
        self._due_s = self._clock() + FRAME_S

    def __enter__(self) -> Self:
        self._keys.__enter__()
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()
        self._keys.__exit__(kind, error, trace)


class PlainView:
    """Writes a line every few seconds, without control codes; the last state shown is written at the end."""

    def __init__(self, stdout: TextIO, clock: Clock = time.monotonic) -> None:
        self._stdout, self._clock, self._due_s = stdout, clock, float("-inf")
        self._unwritten: LiveState | None = None

    @property
    def ended(self) -> bool:
        """Never: without a terminal only a signal ends it."""
        return False

    def show(self, state: LiveState) -> None:
        """Write the state's line, if it is time."""
        if self._clock() < self._due_s:
            self._unwritten = state
            return
        self._write(state)

    def _write(self, state: LiveState) -> None:
        encoding = _encoding(self._stdout)
        self._stdout.write(plain_line(state).encode(encoding, "replace").decode(encoding) + "\n")
        self._stdout.flush()
        self._unwritten, self._due_s = None, self._clock() + LINE_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._unwritten is not None:
            self._write(self._unwritten)


def plain_line(state: LiveState) -> str:
    """The state in one line: speed, dead letters, each target's quality, and who is most likely to buy."""
    parts = [
        f"{figures.moment(state.shop_time_ms)} UTC",
        f"{figures.count(state.events)} events ({figures.count(state.events_per_s)}/s, p99 {figures.milliseconds(state.latency_p99_ms)})",
        f"{figures.count(state.users)} users",
        f"{figures.count(sum(number for _, number in state.dead_letters))} dead letters",
    ]
    for target in state.targets:
        name = figures.printable(target.name)
        if target.warming_up:
            parts.append(f"{name} warming up ({figures.count(target.examples)} examples)")
        else:
            losses = f"log-loss {figures.loss(target.log_loss)} against {figures.loss(target.baseline_log_loss)}"
            parts.append(f"{name} {losses}, says/{state.truth_word} {figures.ratio(target.calibration_ratio)}")
    for customer in state.buyers[:1]:
        why = "".join(f": {in_words(name)}" for name, _ in customer.why()[:1])
        parts.append(f"most likely {figures.printable(customer.user_id)} {figures.percent(customer.p)}{why}")
    return " | ".join(parts)


def _encoding(stream: TextIO) -> str:
    return (stream.encoding or "utf-8").lower()
