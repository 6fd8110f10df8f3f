"""The view as a terminal, a pipe and a pair of hands see it."""

from __future__ import annotations

import io
import os
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TextIO

import pytest
from hypothesis import given

from tests.views.states import EMPTY, FULL, states
from worker.views.live import FRAME_S, LINE_S, PlainView, TerminalView, open_view, plain_line
from worker.views.live_state import LiveState

OTHER_SCREEN, OWN_SCREEN, HIDDEN, SHOWN = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25l", b"\x1b[?25h"


@dataclass
class Terminal:
    """A pseudo-terminal: what is written to it is kept, keys can be pressed."""

    stdin: TextIO
    stdout: TextIO
    keyboard: int
    written: bytearray = field(default_factory=bytearray)
    done: threading.Event = field(default_factory=threading.Event)

    def press(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)

    def mode(self) -> list[object]:
        return list(termios.tcgetattr(self.stdin.fileno()))

    def drain(self) -> None:
        while True:
            try:
                more = os.read(self.keyboard, 65536)
            except OSError:  # the other end is closed
                break
            self.written += more
        self.done.set()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (30, 100))
    with os.fdopen(os.dup(slave), "w", encoding="utf-8") as stdout, os.fdopen(slave, "r", encoding="utf-8") as stdin:
        screen = Terminal(stdin, stdout, master)
        reader = threading.Thread(target=screen.drain)
        reader.start()
        yield screen
    reader.join()
    os.close(master)


@contextmanager
def closed(screen: Terminal) -> Iterator[None]:
    """Wait until all that was written has been read."""
    yield
    screen.stdout.close()
    screen.stdin.close()
    screen.done.wait()


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_terminal_gets_a_picture_on_its_other_screen_and_its_own_back(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    before = terminal.mode()
    with closed(terminal):
        with open_view(terminal.stdout, terminal.stdin, {"TERM": "xterm-256color"}) as view:
            assert isinstance(view, TerminalView)
            assert terminal.mode() != before
            view.show(FULL)
            assert not view.ended
        assert terminal.mode() == before
    written = bytes(terminal.written)
    assert written.index(OTHER_SCREEN) < written.index(b"14,532") < written.index(OWN_SCREEN)
    assert written.index(HIDDEN) < written.rindex(SHOWN)


def test_an_error_inside_gives_the_terminal_back_too(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    before = terminal.mode()

    def interrupted() -> None:
        with open_view(terminal.stdout, terminal.stdin, {"TERM": "xterm-256color"}) as view:
            view.show(FULL)
            raise KeyboardInterrupt

    with closed(terminal):
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert terminal.mode() == before
    assert terminal.written.index(OTHER_SCREEN) < terminal.written.index(OWN_SCREEN)


@pytest.mark.parametrize(("keys", "ends"), [(b"q", True), (b"Q", True), (b"xyq", True), (b"x", False), (b"\x1b[A", False), ("ü".encode(), False)])
def test_q_ends(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, keys: bytes, ends: bool) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    with closed(terminal), open_view(terminal.stdout, terminal.stdin, {"TERM": "xterm-256color"}) as view:
        view.show(EMPTY)
        assert not view.ended
        terminal.press(keys)
        assert view.ended == ends
        assert view.ended == ends  # and stays so


def test_frames_are_drawn_no_oftener_than_can_be_seen(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    clock = Clock()
    with closed(terminal), open_view(terminal.stdout, terminal.stdin, {"TERM": "xterm-256color"}, clock) as view:
        for number in range(10):
            view.show(replace(FULL, title=f"shop number {number}"))
        clock.now_s += FRAME_S
        view.show(replace(FULL, title="the last shop"))
    assert b"shop number 0" in terminal.written
    assert b"shop number 1" not in terminal.written
    assert b"the last shop" in terminal.written


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_where_no_picture_is_wanted_there_are_plain_lines(terminal: Terminal, environment: dict[str, str]) -> None:
    with closed(terminal), open_view(terminal.stdout, terminal.stdin, environment) as view:
        assert isinstance(view, PlainView)
        view.show(FULL)
        assert not view.ended
    assert b"\x1b" not in terminal.written
    assert b"212,400 events" in terminal.written


def test_a_pipe_gets_a_line_every_few_seconds_and_the_last_state() -> None:
    pipe, clock = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), Clock()
    with open_view(pipe, io.StringIO(), {"TERM": "xterm"}, clock) as view:
        for number in range(25):
            view.show(replace(EMPTY, events=number))
            clock.now_s += LINE_S / 10
    pipe.seek(0)
    assert [line.split(" | ")[1].split()[0] for line in pipe.read().splitlines()] == ["0", "10", "20", "24"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_line_can_be_written_in_any_encoding(encoding: str) -> None:
    pipe = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with PlainView(pipe) as view:
        view.show(FULL)
    pipe.seek(0)
    assert "212,400 events" in pipe.read()


@given(states)
def test_a_plain_line_is_one_line_without_control_codes(state: LiveState) -> None:
    line = plain_line(state)
    assert all(character.isprintable() for character in line)
    assert "UTC" in line
