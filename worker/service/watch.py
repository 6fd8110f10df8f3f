"""What a worker is at: a few facts that its loop's thread leaves behind as they happen, for who looks from outside in another thread.

Happenings alone writes it. Values are replaced instead of being changed, so that a reader needs no lock.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping

from worker.core.pipeline import Turn
from worker.core.settings import TargetSettings
from worker.service.clock import Clock
from worker.service.likeliest import Likeliest


class Watch:
    """The state of one worker as it stands. Without targets nobody's scores are kept."""

    def __init__(self, clock: Clock, targets: Mapping[str, TargetSettings] | None = None) -> None:
        self._clock = clock
        self._minding = threading.Lock()  # each destination tells from a thread of its own
        self.likeliest = Likeliest(targets or {})
        self.began_ms = clock.now_ms()
        self.log_away = "it has not been reached yet"  # why the log does not answer, empty while it does
        self.rounds = 0  # times that the loop has come round
        self.partitions: frozenset[int] = frozenset()  # of the input: owned, and their state whole
        self.restoring: Mapping[int, int] = {}  # partition -> changelog records still to be read back, at most
        self.destinations: Mapping[str, str] = {}  # destination -> why nobody looks after it now; those that are looked after are not in it
        self.models: Mapping[str, str] = {}  # target -> version of the scorecard in force; NAME@0 has learned nothing
        self._sign_s = clock.elapsed_s()

    @property
    def silent_s(self) -> float:
        """Since the loop's thread gave its last sign of life."""
        return self._clock.elapsed_s() - self._sign_s

    def progressed(self) -> None:
        """The loop has come round."""
        self._sign_s = self._clock.elapsed_s()
        self.log_away = ""
        self.rounds += 1

    def log_left(self, why: str) -> None:
        """The log does not answer; it will be asked again. A sign of life too: a restart would help nobody."""
        self._sign_s = self._clock.elapsed_s()
        self.log_away = why

    def log_came_back(self) -> None:
        """The log answers."""
        self._sign_s = self._clock.elapsed_s()
        self.log_away = ""

    def restore_progressed(self, partition: int, left: int) -> None:
        """So many changelog records of a partition are still to be read back."""
        self._sign_s = self._clock.elapsed_s()
        self.restoring = {**self.restoring, partition: left}

    def partition_restored(self, partition: int) -> None:
        """A partition's state is whole."""
        self._sign_s = self._clock.elapsed_s()
        self.restoring = {number: left for number, left in self.restoring.items() if number != partition}
        self.partitions = self.partitions | {partition}

    def partitions_lost(self, partitions: Iterable[int]) -> None:
        """These partitions are another worker's now, or must be restored again."""
        self.partitions = self.partitions.difference(partitions)
        self.restoring = {number: left for number, left in self.restoring.items() if number in self.partitions}
        self.likeliest.keep(self.partitions)

    def models_taken(self, versions: Mapping[str, str]) -> None:
        """These scorecards are in force from now on, the others stay."""
        self.models = {**self.models, **versions}

    def destination_left(self, destination: str, why: str) -> None:
        """Nobody looks after a destination for now."""
        with self._minding:
            self.destinations = {**self.destinations, destination: why}

    def destination_minded(self, destination: str) -> None:
        """Somebody looks after it, as it should be."""
        if destination in self.destinations:
            with self._minding:
                self.destinations = {name: why for name, why in self.destinations.items() if name != destination}

    def users_erased(self, users: Collection[str]) -> None:
        """These asked to be forgotten."""
        self.likeliest.forget(users)

    def turn_committed(self, turns: Mapping[int, Turn]) -> None:
        """A turn's scores are published."""
        for partition, turn in turns.items():
            self.likeliest.take(partition, turn)
