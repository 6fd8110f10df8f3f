"""What telemetry costs: the same worker on the same input, with its log lines, metrics, quality measures and page's lists, and without.

Processor time over an embedded log in memory, learning included, after a start that is not counted, in alternation: one run with, one without, and so
on, each in a process of its own.
The ratio of the pairs' medians is the figure; the bar is a loss of less than 3 % of throughput. What is worked out by the clock and not by the event hardly
comes up in so short a run, and is measured on its own, with its windows full.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from timeit import timeit

import numpy as np

from bench.figures import Figure
from bench.learning import shop
from worker.core.labels.decisions import EVENT, Scored
from worker.core.labels.examples import CAUSES
from worker.core.learning.drift import PIECE_MS
from worker.core.learning.window import Window
from worker.core.scoring.slots import SLOTS
from worker.log.embedded import EmbeddedLog
from worker.service.assembly import build_loop
from worker.service.clock import SystemClock
from worker.service.loop import Loop, Stop
from worker.service.memory import collect_rarely
from worker.service.sender import send_lines
from worker.service.telemetry import monitor as monitors
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.monitor import RECENT, SAMPLE
from worker.service.telemetry.scoring_metrics import REPORT_EVERY_S
from worker.service.topics import create_topics
from worker.service.training import trainer
from worker.service.watch import Watch
from worker.settings import ServiceSettings, Settings

EVENTS, WARMING, PAIRS = 60_000, 20_000, 15
TURNS = (100, 5_000)
REPEATED, NEVER_S = 10, 1e9


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
        for number in range(PAIRS):
            for mode in sorted(taken, reverse=number % 2 == 1):  # who goes first takes turns too
                ran = subprocess.run([sys.executable, "-m", "bench.telemetry_cost", mode, str(turn)], capture_output=True, text=True, check=True)
                taken[mode].append(float(ran.stdout))
        told, silent = (statistics.median(taken[mode]) for mode in ("with", "without"))
        yield Figure(f"telemetry.{turn}", f"throughput with telemetry over without, turns of {turn:,}", silent / told, "ratio")
        yield Figure(f"telemetry.{turn}.cost", "  what it costs an event", (told - silent) / (EVENTS - WARMING) * 1e6, "µs")
    yield Figure("telemetry.clock", "quality of six full windows and drift, by the clock: share of a core", by_the_clock(), "ratio")


def run(mode: str, turn_events: int) -> float:
    """Seconds of processor time that a worker takes for the events after the first ones."""
    settings = Settings(service=ServiceSettings(turn_events=turn_events, member="m", log_level="info"))
    clock, log = SystemClock(), EmbeddedLog(None)
    create_topics(log, settings, 1)
    if mode == "without":
        trainer._windows, trainer.JUDGED_EVERY_S, trainer.FIRST_LOOK_S = lambda: ((), ()), NEVER_S, NEVER_S
    metrics, watch = Metrics(settings.targets), Watch(clock, settings.targets)
    happened = (Happenings if mode == "with" else Silent)(open_logger(settings.service, io.StringIO()), metrics, clock, watch)
    for _ in send_lines(log, settings.topics.events, shop(EVENTS), clock):
        pass
    collect_rarely()
    loop = build_loop(log, settings, clock, happened, Stop(happened))
    _until(WARMING, loop, log, settings)  # imports, and what is larger while few scores are known
    began_s = time.process_time()
    _until(EVENTS, loop, log, settings)
    return time.process_time() - began_s


def _until(position: int, loop: Loop, log: EmbeddedLog, settings: Settings) -> None:
    while sum(log.committed(settings.service.group, settings.topics.events).values()) < position:
        loop.turn()


def by_the_clock() -> float:
    """Share of one core that the measures of quality and of drift take every so many seconds."""
    random, settings = np.random.default_rng(1), Settings()
    p = random.beta(1, 20, trainer.JUDGED)
    window = Window(trainer.JUDGED)
    window.observe(p, p, random.random(len(p)) < p, np.ones(len(p)))
    monitors.EVERY = 1
    monitor = monitors.Monitor(Metrics(settings.targets), {name: target.absence for name, target in settings.targets.items()})
    for piece in range(2 * RECENT // SAMPLE):
        monitor.take(_scores(random, piece, len(settings.targets)))
        monitor.look()
    quality_s = timeit(window.quality, number=REPEATED, timer=time.process_time) / REPEATED
    drift_s = timeit(monitor.report, number=REPEATED, timer=time.process_time) / REPEATED
    return len(settings.targets) * len(CAUSES) * quality_s / trainer.JUDGED_EVERY_S + drift_s / REPORT_EVERY_S


def _scores(random: np.random.Generator, piece: int, targets: int) -> Scored:
    mark = np.where(random.random(SAMPLE) < 0.5, EVENT, 0)
    p, zeros = random.beta(1, 20, (SAMPLE, targets)), np.zeros(SAMPLE, dtype=np.int64)
    bins = np.zeros((SAMPLE, len(SLOTS)), dtype=np.int32)
    return Scored(zeros, zeros + piece * PIECE_MS // 20, zeros, mark, bins, p, p, ("",) * targets, (0.0,) * targets)


if __name__ == "__main__":
    print(run(sys.argv[1], int(sys.argv[2])))
