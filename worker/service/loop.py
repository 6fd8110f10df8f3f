"""The loop of one process: one thread in which the roles take turns, each for a bounded time.

Scoring comes first: a turn takes the events that have come since the last one, and learning gets half as much time as it took, at
least LEARN_AT_LEAST_S; what is left to learn waits for the next round. After a restore events are scored before anything is learned. A
signal is noted and acted on between turns.
Delivery waits for others most of its time, and has threads of its own; the loop only looks after them.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from worker.service.clock import Clock
from worker.service.scoring.scorer import Scorer
from worker.service.telemetry.happenings import Happenings
from worker.service.training.trainer import Trainers

WAIT_S = 0.2  # for input, while there is nothing to do; also how long a signal may go unnoticed
LEARN_AT_LEAST_S, LEARN_SHARE = 0.02, 0.5


class Stop:
    """Whether the process was asked to end."""

    def __init__(self, happened: Happenings) -> None:
        self.asked = False
        self._happened = happened

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT as the wish to end; a second one ends the process at once, as ever."""
        before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        self._before = before
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.asked = True
        signal.signal(number, self._before[signal.Signals(number)])
        self._happened.stop_requested(signal.Signals(number).name)


class Deliveries(Protocol):
    """The delivering members of one process; they live on a floor above."""

    def turn(self, wait_s: float) -> None:
        """Look after the threads, for wait_s; raises what one of them has died of."""

    def close(self) -> None:
        """Finish what is under way, commit, and leave the groups; raises what kept a thread from it."""


class Loop:
    """The roles of one process."""

    def __init__(
        self, scorer: Scorer | None, trainers: Trainers | None, clock: Clock, happened: Happenings, stop: Stop, deliveries: Deliveries | None = None
    ) -> None:
        self._scorer = scorer
        self._trainers = trainers
        self._deliveries = deliveries
        self._clock = clock
        self._happened = happened
        self._stop = stop
        self._busy = True

    def run(self) -> None:
        """Turn until asked to stop; then publish what has been learned, and leave the groups."""
        try:
            while not self._stop.asked:
                self.turn()
            if self._trainers:
                self._trainers.publish()
        finally:
            for role in (self._scorer, self._trainers, self._deliveries):
                if role:
                    role.close()

    def turn(self) -> None:
        """Once round: score, then learn, then look after deliveries. Waits only when the last round found nothing to do."""
        wait_s = 0.0 if self._busy else WAIT_S
        began_s = self._clock.elapsed_s()
        busy = False
        if self._scorer:
            busy, wait_s = self._scorer.turn(wait_s), 0.0
            if self._scorer.restored and not busy:  # events have waited for all of it, and learning would begin with an import of most of a second
                busy = self._scorer.turn(WAIT_S)
        if self._trainers:
            budget_s = max(LEARN_AT_LEAST_S, LEARN_SHARE * (self._clock.elapsed_s() - began_s))
            busy, wait_s = self._trainers.learn(budget_s, wait_s) or busy, 0.0
        if self._deliveries:
            self._deliveries.turn(wait_s)
        self._busy = busy
        self._happened.progressed()
