"""How long the program takes to start: wall time of whole processes, the quickest of several."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.events import Stream
from bench.figures import Figure

RUNS = 5


def startup(_: Sequence[bytes]) -> Iterator[Figure]:
    """`--help`, and a replay of one event: all that is imported before a worker can work."""
    with tempfile.TemporaryDirectory(prefix="clickscore-bench-") as folder:
        file = Path(folder, "one.jsonl")
        file.write_bytes(Stream(1).take(1)[0] + b"\n")
        replay = ["replay", str(file), "--out", str(Path(folder, "scores.jsonl"))]
        for key, label, arguments in (("help", "clickscore --help", ["--help"]), ("replay", "clickscore replay of one event", replay)):
            yield Figure(f"startup.{key}", label, min(_wall_s(arguments) for _ in range(RUNS)), "s")


def _wall_s(arguments: Sequence[str]) -> float:
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-m", "worker", *arguments], check=True, capture_output=True)
    return time.monotonic() - began_s
