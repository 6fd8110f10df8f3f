"""What a measurement yields, where it is kept, and on what it was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from worker import __version__
from worker.demo.broker.sources import KAFKA

CHECKOUT = Path(__file__).parents[1]
RESULTS = CHECKOUT / "build" / "bench" / "results"
PACKAGES = ("numpy", "orjson", "river", "kafka-python", "confluent-kafka")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `key` is what aims and the page find it by; without a value, `why` says why there is none."""

    key: str
    label: str
    value: float | None
    unit: str
    why: str = ""

    def number(self) -> str:
        """The number as a person reads it: three digits that count, whole from a hundred on."""
        size = abs(self.value or 0.0)
        return f"{self.value:,.0f}" if size >= 100 else f"{self.value:.1f}" if size >= 10 else f"{self.value:.2f}"

    def text(self) -> str:
        """The number with its unit, or why there is none."""
        return self.why if self.value is None else f"{self.number()} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Run:
    """One part's figures and what they were measured on."""

    part: str
    machine: dict[str, str]
    figures: list[Figure]

    def save(self) -> None:
        """Put them where the last run of this part was."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{self.part}.json").write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))


def saved(parts: Iterable[str]) -> dict[str, Run]:
    """The last run of each of these parts that has one."""
    runs: dict[str, Run] = {}
    for part in parts:
        path = RESULTS / f"{part}.json"
        if path.exists():
            read: dict[str, Any] = orjson.loads(path.read_bytes())
            runs[part] = Run(part, read["machine"], [Figure(**figure) for figure in read["figures"]])
    return runs


def machine() -> dict[str, str]:
    """What the figures of now are of. The load is that of the minute before: above 0.5 something else was at work."""
    return {
        "cpu": _first(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo")) or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "clickscore": f"{__version__} at {_commit()}",
        "python": platform.python_version(),
        "libraries": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES if _installed(name)),
        "broker": f"Kafka {KAFKA}, one node, on the same machine",
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _first(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.read_text()) if path.exists() else None
    return found[1].strip() if found else ""


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _commit() -> str:
    """The commit that is measured, and whether the program's files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(CHECKOUT), *arguments], check=False, capture_output=True, text=True).stdout.strip()

    try:
        return (git("rev-parse", "--short", "HEAD") or "no commit") + (" and changes" if git("status", "--porcelain", "--", "worker") else "")
    except OSError:
        return "no commit"
