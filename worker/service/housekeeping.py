"""Housekeeping: an embedded log has no broker that compacts its topics, so the worker does it, in a thread beside the turns."""

from __future__ import annotations

import threading
from collections.abc import Callable

from worker.log.contract import Log
from worker.log.errors import LogUnavailable
from worker.service.clock import Clock
from worker.service.telemetry.happenings import Happenings

LOOK_EVERY_S = 30.0
LEAST_RECORDS = 50_000  # of a topic, written since the last time: below it cleaning costs more than it gives


class Housekeeping:
    """Cleans a topic once it has grown by half since it was last cleaned, and sweeps out erased users."""

    def __init__(self, log: Log, topics: list[str], clock: Clock, happened: Happenings, sweep: Callable[[], None] | None = None) -> None:
        """`sweep` removes what there is of erased users, where anybody can be."""
        self._log = log
        self._topics = topics
        self._sweep = sweep
        self._clock = clock
        self._happened = happened
        self._cleaned_at: dict[str, int] = {}  # records ever written, by topic
        self._kept: dict[str, int] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin to look after the topics."""
        self._thread.start()

    def close(self) -> None:
        """End, after the topic that is being cleaned."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """Sweep, and clean the topics that need it now."""
        if self._sweep:
            try:
                self._sweep()
            except LogUnavailable as error:
                self._happened.cleaning_put_off("all", error)
        for topic in self._topics:
            if self._ending.is_set():
                return
            try:
                self._clean(topic)
            except LogUnavailable as error:
                self._happened.cleaning_put_off(topic, error)

    def _clean(self, topic: str) -> None:
        written = sum(self._log.end_offsets(topic).values())
        new = written - self._cleaned_at.get(topic, 0)
        if new < max(LEAST_RECORDS, self._kept.get(topic, 0) // 2):
            return
        began_s = self._clock.elapsed_s()
        removed = self._log.cleanup(topic)
        self._cleaned_at[topic] = written
        self._kept[topic] = max(0, self._kept.get(topic, 0) + new - removed)
        self._happened.topic_cleaned(topic, removed, self._clock.elapsed_s() - began_s)
