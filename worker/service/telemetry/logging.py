"""The worker's own log: structlog, as JSON lines or, on a terminal, readable. Goes to stderr, so that stdout stays free for results.

A line names what happened and has its facts apart. Whoever is a user in a fact is masked; what repeats is held back (repeats.py).
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, Literal, TextIO

import structlog

from worker.service.masking import masked
from worker.service.telemetry.repeats import Repeats
from worker.settings import ServiceSettings

Level = Literal["debug", "info", "warning", "error"]

USERS = ("user", "user_id", "users", "key")  # facts that name users


class Logger:
    """Says what happened, from a severity on."""

    def __init__(self, write: Any, least: Level, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._least = _severity(least)
        self._clock_s = clock_s
        self._repeats = Repeats()
        self._lock = threading.Lock()  # the loop, the endpoint and every destination speak from threads of their own
        self.counted: Callable[[Level, bool], None] = lambda level, held_back: None  # called for every line

    def debug(self, event: str, **facts: Any) -> None:
        """For who looks for a fault; never held back."""
        self._say("debug", event, facts)

    def info(self, event: str, **facts: Any) -> None:
        """Good to know."""
        self._say("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Not as it should be; the worker helps itself."""
        self._say("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        """Somebody has to do something."""
        self._say("error", event, facts)

    def say_held_back(self, everything: bool = False) -> None:
        """Say how many lines were held back of what nobody has spoken of since; everything, at the end."""
        with self._lock:
            over = list(self._repeats.over(self._clock_s(), everything))
        for level, event, lines in over:
            getattr(self._write, level)("lines held back", of=event, lines=lines)

    def _say(self, level: Level, event: str, facts: dict[str, Any]) -> None:
        if _severity(level) < self._least:
            return
        if level != "debug":
            with self._lock:
                before = self._repeats.passes(level, event, facts, self._clock_s())
            if before is None:
                self.counted(level, True)
                return
            if before:
                facts["held_back"] = before
        self.counted(level, False)
        getattr(self._write, level)(event, **facts)


def open_logger(settings: ServiceSettings, stream: TextIO | None = None, clock_s: Callable[[], float] = time.monotonic) -> Logger:
    """A logger in the form and from the severity on that the settings ask for."""
    out = stream or sys.stderr
    on_terminal = settings.log_format == "console" or (settings.log_format == "auto" and out.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=20, pad_level=False, sort_keys=False)
        if on_terminal
        else structlog.processors.JSONRenderer()
    )
    write = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if on_terminal else "iso", utc=not on_terminal),
            _users_masked,
            _facts_first,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        cache_logger_on_first_use=True,
    )
    return Logger(write, settings.log_level, clock_s)


def _severity(level: Level) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def place_of(error: BaseException) -> str:
    """Where it was raised; its text may be anything, a user's id too."""
    *_, last = traceback.extract_tb(error.__traceback__) or [None]
    return f"{Path(last.filename).name}, line {last.lineno}" if last else ""


def _users_masked(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in USERS:
        value = line.get(name)
        if isinstance(value, str):
            line[name] = masked(value)
        elif isinstance(value, bytes):
            line[name] = masked(value.decode("utf-8", "replace"))
        elif isinstance(value, list | tuple | set | frozenset):
            line[name] = [masked(str(one)) for one in value]
    return line


def _facts_first(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """When, how bad and what, before the details: a person reads JSON lines too."""
    return {name: line[name] for name in ("timestamp", "level", "event") if name in line} | dict(line)
