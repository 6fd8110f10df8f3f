"""The clock: the only way in which the service learns the time, so that a test can write the script of it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Unix time for what is written down, a time that never goes back for spans, and waiting."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""

    def elapsed_s(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def sleep(self, duration_s: float) -> None:
        """Wait."""


class SystemClock:
    """The clock of this machine."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def elapsed_s(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()

    def sleep(self, duration_s: float) -> None:
        """Wait."""
        time.sleep(duration_s)
