"""What telemetry costs: the same worker on the same input, with its log lines, metrics, quality measures and page's lists, and without.

Processor time over an embedded log in memory, learning included, in alternation: one run with, one without, and so on, each in a process of its own.
The ratio of the pairs' medians is the figure; the bar is a loss of less than 3 % of throughput.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from bench.figures import Figure
from bench.learning import shop
from worker.log.embedded import EmbeddedLog
from worker.service.assembly import build_loop
from worker.service.clock import SystemClock
from worker.service.loop import Stop
from worker.service.memory import collect_rarely
from worker.service.sender import send_lines
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import create_topics
from worker.service.watch import Watch
from worker.settings import ServiceSettings, Settings

EVENTS, PAIRS = 30_000, 5
TURNS = (100, 5_000)


class Silent(Happenings):
    """Nothing that happens is told to anybody."""

    def __getattribute__(self, name: str) -> object:
        return object.__getattribute__(self, name) if name.startswith("_") else _nothing


def _nothing(*_: object, **__: object) -> None:
    return None


def cost(_lines: Sequence[bytes]) -> Iterator[Figure]:
    """Events a second of processor time with telemetry over that without, at small and at large turns."""
    for turn in TURNS:
        taken: dict[str, list[float]] = {"with": [], "without": []}
        for _ in range(PAIRS):
            for mode, times in taken.items():
                ran = subprocess.run([sys.executable, "-m", "bench.telemetry_cost", mode, str(turn)], capture_output=True, text=True, check=True)
                times.append(float(ran.stdout))
        told, silent = (statistics.median(taken[mode]) for mode in ("with", "without"))
        yield Figure(f"telemetry.{turn}", f"throughput with telemetry over without, turns of {turn:,}", silent / told, "ratio")
        yield Figure(f"telemetry.{turn}.cost", "  what it costs an event", (told - silent) / EVENTS * 1e6, "µs")


def run(mode: str, turn_events: int) -> float:
    """Seconds of processor time that a worker takes for all events."""
    settings = Settings(service=ServiceSettings(turn_events=turn_events, member="m", log_level="info"))
    clock, log = SystemClock(), EmbeddedLog(None)
    create_topics(log, settings, 1)
    metrics, watch = Metrics(settings.targets), Watch(clock, settings.targets)
    happened = (Happenings if mode == "with" else Silent)(open_logger(settings.service, io.StringIO()), metrics, clock, watch)
    for _ in send_lines(log, settings.topics.events, shop(EVENTS), clock):
        pass
    collect_rarely()
    loop = build_loop(log, settings, clock, happened, Stop(happened))
    end, began_s = log.end_offsets(settings.topics.events), time.process_time()
    while log.committed(settings.service.group, settings.topics.events) != end:
        loop.turn()
    return time.process_time() - began_s


if __name__ == "__main__":
    print(run(sys.argv[1], int(sys.argv[2])))
