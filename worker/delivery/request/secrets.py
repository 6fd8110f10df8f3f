"""Secrets from the settings or from a file that is read again whenever it has changed, so that they rotate without a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Secret(Generic[Value]):
    """A secret that was read once. `read` makes it out of the text, and raises ValueError where it cannot; neither ever shows the text."""

    def __init__(self, text: str, path: str, read: Callable[[str], Value]) -> None:
        """The secret of a file, or without one of `text`. Raises OSError and ValueError."""
        self._path = Path(path) if path else None
        self._read = read
        self._seen = self._stamp()
        self._value = read(self._path.read_text("utf-8") if self._path else text)

    def __repr__(self) -> str:
        return "Secret(…)"

    @property
    def value(self) -> Value:
        """The secret as last read."""
        return self._value

    def look(self) -> bool:
        """Read the file again if it has changed; returns whether it had.

        Raises OSError and ValueError where the new content cannot be used: the secret stays as it was, and the next look tries again.
        """
        stamp = self._stamp()
        if stamp == self._seen or self._path is None:
            return False
        self._value = self._read(self._path.read_text("utf-8"))
        self._seen = stamp
        return True

    def _stamp(self) -> tuple[int, ...]:
        if self._path is None:
            return ()
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino
