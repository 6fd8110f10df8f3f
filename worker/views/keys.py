"""Keys pressed on a terminal, read without waiting and without echo; none where there is no terminal to read from."""

from __future__ import annotations

import io
import os
import select
import termios
import tty
from types import TracebackType
from typing import Any, Self, TextIO


class Keys:
    """Inside its `with` block the terminal hands over each key at once; Ctrl-C and Ctrl-Z still do what they do."""

    def __init__(self, stdin: TextIO) -> None:
        self._descriptor = _terminal(stdin)
        self._before: list[Any] | None = None

    def pressed(self) -> str:
        """The keys pressed since the last call."""
        if self._before is None or self._descriptor is None:
            return ""
        keys = b""
        while select.select([self._descriptor], [], [], 0)[0]:
            more = os.read(self._descriptor, 64)
            if not more:
                break
            keys += more
        return keys.decode("utf-8", "replace")

    def __enter__(self) -> Self:
        if self._descriptor is not None:
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._descriptor is not None and self._before is not None:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            self._before = None


def _terminal(stdin: TextIO) -> int | None:
    """The descriptor of standard input if a person can type there, in the foreground."""
    try:
        descriptor = stdin.fileno()
    except (io.UnsupportedOperation, ValueError, AttributeError):
        return None
    if not os.isatty(descriptor):
        return None
    try:
        foreground = os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # not our controlling terminal: there is no background to be in
        foreground = True
    return descriptor if foreground else None
