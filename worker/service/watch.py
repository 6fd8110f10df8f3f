"""What a worker is at: a few facts that its loop leaves behind once a turn, for who looks from outside in another thread.

Only the loop's thread writes, and it replaces values instead of changing them, so that a reader needs no lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from worker.core.pipeline import Turn
from worker.service.clock import Clock
from worker.service.likeliest import Likeliest


class Watch:
    """The state of one worker as it stands."""

    def __init__(self, roles: Iterable[str], likeliest: Likeliest, clock: Clock) -> None:
        self._clock = clock
        self.roles = tuple(roles)
        self.likeliest = likeliest
        self.began_ms = clock.now_ms()
        self.log_away = "it is being opened"  # why the log does not answer, empty while it does
        self.rounds = 0  # times that the loop has come round
        self.partitions: frozenset[int] = frozenset()  # of the input, restored and scored here
        self.restoring: Mapping[int, int] = {}  # partition -> changelog records still to be read back
        self.models: Mapping[str, str] = {}  # target -> version of the scorecard in force; NAME@0 has learned nothing
        self._sign_s = clock.elapsed_s()

    @property
    def silent_s(self) -> float:
        """Since the loop's thread gave its last sign of life."""
        return self._clock.elapsed_s() - self._sign_s

    def sign(self) -> None:
        """The loop's thread lives: it got something done, or has asked a log again that is away."""
        self._sign_s = self._clock.elapsed_s()

    def log_left(self, why: str) -> None:
        """The log does not answer."""
        self.log_away = why
        self.sign()

    def log_came_back(self) -> None:
        """The log answers."""
        self.log_away = ""
        self.sign()

    def restore_progressed(self, partition: int, left: int) -> None:
        """So many changelog records of a partition are still to be read back; none when it is whole."""
        rest = {number: records for number, records in self.restoring.items() if number != partition}
        self.restoring = {**rest, partition: left} if left else rest
        self.sign()

    def turn_committed(self, turns: Mapping[int, Turn]) -> None:
        """A turn's scores are published."""
        for partition, turn in turns.items():
            self.likeliest.take(partition, turn)

    def came_round(self, partitions: Iterable[int], models: Mapping[str, str]) -> None:
        """The loop has come round; these partitions of the input are its own and whole, these models in force."""
        owned = frozenset(partitions)
        if owned != self.partitions:
            self.partitions = owned
            self.likeliest.keep(owned)
            self.restoring = {number: left for number, left in self.restoring.items() if number in owned}
        self.models = dict(models)
        self.rounds += 1
        self.sign()
