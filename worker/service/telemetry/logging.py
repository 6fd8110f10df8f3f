"""The worker's own log: structlog, as JSON lines or, on a terminal, readable. Goes to stderr, so that stdout stays free for results."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from worker.settings import ServiceSettings

Logger = Any  # structlog's loggers are made to be called, not to be typed


def open_logger(settings: ServiceSettings, stream: TextIO | None = None) -> Logger:
    """A logger in the form and from the severity on that the settings ask for."""
    out = stream or sys.stderr
    on_terminal = settings.log_format == "console" or (settings.log_format == "auto" and out.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=20, pad_level=False, sort_keys=False)
        if on_terminal
        else structlog.processors.JSONRenderer()
    )
    return structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if on_terminal else "iso", utc=not on_terminal),
            _facts_first,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        cache_logger_on_first_use=True,
    )


def _facts_first(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """When, how bad and what, before the details: a person reads JSON lines too."""
    return {name: line[name] for name in ("timestamp", "level", "event") if name in line} | dict(line)
