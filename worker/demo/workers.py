"""The demo's workers: a scorer and a trainer, each a process of its own as `clickscore run --roles …` starts it, but on the shop's time.

They meet the demo only in the log. Beside it a pipe each says how long turns take, for the live view; when the pipe ends, for whatever reason,
the worker finishes its turn and ends too, so that none outlives the demo.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple, Self, TextIO

from worker.errors import ClickscoreError
from worker.service.assembly import build_loop
from worker.service.clock import SystemClock
from worker.service.loop import Stop
from worker.service.telemetry.committed import Committed
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import open_log
from worker.settings import Settings

ROLES = ("scorer", "trainer")
END_WITHIN_S = 20.0  # a worker that was told to end and does not is ended


class TurnReport(NamedTuple):
    """A turn of the scorer was committed. `took_ms` is without the wait for events."""

    read: int
    took_ms: float
    dead_letters: Mapping[str, int]
    dropped: Mapping[str, int]


class LearnedReport(NamedTuple):
    """A trainer has learned so many examples more."""

    target: str
    examples: int


class FailedReport(NamedTuple):
    """A worker cannot go on."""

    words: str


Report = TurnReport | LearnedReport | FailedReport


class ShopClock(SystemClock):
    """Spans and waits are real; what time it is, the shop says: an event of its tomorrow is from the future."""

    def __init__(self, reached_ms: Synchronized[int]) -> None:
        self._reached_ms = reached_ms

    def now_ms(self) -> int:
        """How far the shop has come, Unix time in milliseconds."""
        return self._reached_ms.value


class ReportingHappenings(Happenings):
    """Happenings that go to the demo instead of a log file."""

    def __init__(self, settings: Settings, reports: Connection, nowhere: TextIO) -> None:
        super().__init__(open_logger(settings.service, nowhere), Metrics(settings.targets), SystemClock())
        self._reports = reports

    def turn_committed(self, done: Committed) -> None:
        """A turn is published."""
        super().turn_committed(done)
        dropped: dict[str, int] = {}
        for turn in done.turns.values():
            for reason, count in turn.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
        took_s = sum(spent_s for step, spent_s in done.step_s.items() if step != "poll")
        self.report(TurnReport(done.read, 1000 * took_s, dict(done.dead_letters), dropped))

    def examples_learned(self, target: str, count: int) -> None:
        """A trainer has learned."""
        super().examples_learned(target, count)
        self.report(LearnedReport(target, count))

    def report(self, report: Report) -> None:
        """Tell the demo; nobody minds when it has gone."""
        with suppress(OSError):
            self._reports.send(report)


def work(settings: Settings, reached_ms: Synchronized[int], pipe: Connection) -> None:
    """Be one worker, until the pipe ends."""
    with Path(os.devnull).open("w") as nowhere:
        happened = ReportingHappenings(settings, pipe, nowhere)
        stop = Stop(happened)
        Thread(target=_end_with, args=(pipe, stop), daemon=True).start()
        try:
            with closing(open_log(settings)) as log:
                build_loop(log, settings, ShopClock(reached_ms), happened, stop).run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the demo says it
            happened.report(FailedReport(str(error) or type(error).__name__))


def _end_with(pipe: Connection, stop: Stop) -> None:
    with suppress(EOFError, OSError):
        pipe.recv()
    stop.asked = True


class Workers:
    """Both workers, from entering the `with` block to leaving it; what they had begun is finished and published then."""

    def __init__(self, settings: Settings, start_ms: int) -> None:
        self._settings = settings
        self._context = get_context("spawn")
        self._reached_ms: Synchronized[int] = self._context.Value("q", start_ms)
        self._processes: list[BaseProcess] = []
        self._pipes: dict[Connection, str] = {}

    def reach(self, time_ms: int) -> None:
        """The shop has come this far. To be called before its events of then are sent."""
        self._reached_ms.value = time_ms

    def reports(self) -> Iterator[Report]:
        """What the workers have told since the last call, without waiting. Raises ClickscoreError when one has failed."""
        for pipe in wait(list(self._pipes), 0):
            assert isinstance(pipe, Connection)
            while pipe.poll():
                try:
                    report = pipe.recv()
                except (EOFError, OSError):
                    raise _died(self._pipes[pipe], "its process has ended") from None
                if isinstance(report, FailedReport):
                    raise _died(self._pipes[pipe], report.words)
                yield report

    @property
    def exit_codes(self) -> list[int | None]:
        """Of the processes, in the order of ROLES; None while one runs."""
        return [process.exitcode for process in self._processes]

    def __enter__(self) -> Self:
        # Ctrl-C reaches every process of the terminal; the workers, which inherit that it is ignored, end when they are told to.
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for role in ROLES:
                service = self._settings.service.model_copy(update={"roles": (role,)})
                ours, theirs = self._context.Pipe()
                process: Any = self._context.Process(
                    target=work, args=(self._settings.model_copy(update={"service": service}), self._reached_ms, theirs), daemon=True
                )
                process.start()
                theirs.close()
                self._processes.append(process)
                self._pipes[ours] = role
        finally:
            signal.signal(signal.SIGINT, interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for pipe in self._pipes:
            with suppress(OSError):
                pipe.send(None)
        drains = [Thread(target=_drain, args=(pipe,), daemon=True) for pipe in self._pipes]  # a full pipe would hold up its worker
        for drain in drains:
            drain.start()
        for process in self._processes:
            process.join(END_WITHIN_S)
            if process.is_alive():
                process.kill()
                process.join()
        for drain in drains:
            drain.join()
        for pipe in self._pipes:
            pipe.close()


def _drain(pipe: Connection) -> None:
    with suppress(EOFError, OSError):
        while True:
            pipe.recv()


def _died(role: str, words: str) -> ClickscoreError:
    return ClickscoreError(f"the demo's {role} has stopped: {words}", "its own process", "run the demo again; if it stops again, report what this says")
