"""Processes as the system counts them: their processor time and memory, those they started included. Source: proc(5); Linux only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

TICKS_S = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all that it started, itself first."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


def cpu_s(pid: int) -> float:
    """Processor time so far, of all threads: utime and stime."""
    total = 0
    for one in family(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS_S


def resident_mib(pid: int) -> float:
    """Resident memory of now."""
    pages = 0
    for one in family(pid):
        with suppress(OSError):
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
