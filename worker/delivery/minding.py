"""The thread that looks after one destination, and what is to be seen of it from outside: signs of life, where it is, what it has died of.

A known error (ClickscoreError) ends it, and with it the worker: it concerns the log, the name or the configuration, which all destinations share.
Any other is a fault of the program, most likely met on the way of one trigger. A worker that ended of it would meet it again after its restart, and
would hold up all destinations; so this one alone is begun anew, from its committed position, after pauses that grow.
"""

from __future__ import annotations

import random
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from worker.delivery.courier import Courier
from worker.delivery.pacing.backoff import Backoff
from worker.errors import ClickscoreError
from worker.service.clock import Clock
from worker.service.telemetry.happenings import Happenings

WAIT_S = 0.2  # of a courier without anything to do; also how long a wish to stop may go unnoticed
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # after a failure
PROVED_S = 60.0  # a courier that worked for so long has left the failure before it behind
FINISH_S = 5.0  # beyond the time limit of a request
PACKAGE = Path(__file__).parents[1]


class Minder:
    """Looks after one destination on a thread of its own, until it is stopped."""

    def __init__(
        self,
        name: str,
        request_s: float,
        begin: Callable[[Minder], Courier],
        stopping: threading.Event,
        ended: threading.Event,
        clock: Clock,
        happened: Happenings,
    ) -> None:
        """`begin` makes a courier; `request_s`: what a request may take. Sets `ended` as it dies of an error."""
        self.name = name
        self.finish_s = request_s + FINISH_S
        self._begin, self._stopping, self._ended = begin, stopping, ended
        self._clock, self._happened = clock, happened
        self._pause = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, random.Random())
        self._failures = 0
        self.signs = 0  # of life, counted
        self.resting = False  # between a failure and the next beginning: no signs are due
        self.died_of: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"deliver-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def sign(self) -> None:
        """Note a sign of life; for the thread itself."""
        self.signs += 1

    def join(self, within_s: float) -> bool:
        """Wait for its end; whether it has come."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    @property
    def at(self) -> str:
        """Where in the program the thread is: the innermost place of the project's own code."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        places = [place for place in traceback.extract_stack(frame) if PACKAGE in Path(place.filename).parents]
        return f"{Path(places[-1].filename).relative_to(PACKAGE.parent)}, line {places[-1].lineno}" if places else "an unknown place"

    def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._mind()
                except ClickscoreError:
                    raise
                except Exception as error:  # a fault, whatever it is: see above
                    if self._stopping.is_set():
                        raise
                    self._rest(error)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the loop's thread
            self.died_of = error
            self._ended.set()

    def _mind(self) -> None:
        """One courier's life."""
        self.sign()
        courier = self._begin(self)
        began_s = self._clock.elapsed_s()
        try:
            while not self._stopping.is_set():
                courier.step(WAIT_S)
                self.sign()
                if self._failures and self._clock.elapsed_s() - began_s >= PROVED_S:
                    self._failures = 0
                    self._happened.destination_proved(self.name)
            courier.finish(self.finish_s)
        finally:
            courier.close()

    def _rest(self, error: Exception) -> None:
        self._failures += 1
        pause_s = self._pause.wait_s(self._failures)
        self._happened.destination_failed(self.name, error, pause_s)
        self.resting = True
        self._stopping.wait(pause_s)
        self.resting = False
