"""The watermark: how far event time has come in one partition, and which events may move it.

A live event is checked against the clock that the caller passes in. A replay has no clock: an event that jumps far ahead of all others waits
until an event of another user confirms it, so that one broken timestamp never makes everyone else late. What waits is carried from batch to
batch, and the verdict on an event depends on the order of events alone, not on how they were cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

UNSET = -1
PATIENCE = 100  # ordinary events after which a jump that nobody confirmed is given up
HELD_LIMIT = 64  # jumps that may wait at once


@dataclass(slots=True)
class Held:
    """An event that waits for confirmation, as the caller's position of it."""

    position: int
    user: str
    time_ms: int
    seen: int = 0


@dataclass(slots=True)
class Admitted:
    """The verdict on a batch: positions to process in this order, those that are late, and those refused as from the future."""

    order: Ints
    watermark_ms: Ints  # as it stands when each of them is processed; never falls
    late: list[int] = field(default_factory=list)
    future: list[int] = field(default_factory=list)


class Watermark:
    """The greatest event time that can be believed; UNSET before the first."""

    def __init__(self, jump_ms: int, allowed_lateness_ms: int, future_tolerance_ms: int) -> None:
        self.jump_ms = jump_ms
        self.allowed_lateness_ms = allowed_lateness_ms
        self.future_tolerance_ms = future_tolerance_ms
        self.value = UNSET
        self.held: list[Held] = []

    def admit(self, users: Sequence[str], time_ms: Ints, now_ms: int | None, start: int = 0) -> Admitted:
        """Judge the events from position `start` on; earlier positions are those that `held` refers to.

        With `now_ms` the clock decides; without it, confirmation by another user does.
        """
        fresh = np.arange(start, len(time_ms))
        if now_ms is not None:
            return self._live(fresh, time_ms, now_ms)
        if not self.held and self.value != UNSET:
            times = time_ms[start:]
            reached = np.maximum.accumulate(np.concatenate([[self.value], times]))
            if not (times > reached[:-1] + self.jump_ms).any():
                return self._admit(fresh, reached[1:], time_ms, [])
        return self._replay(users, fresh, time_ms)

    def _live(self, fresh: Ints, time_ms: Ints, now_ms: int) -> Admitted:
        ahead = time_ms[fresh] > now_ms + self.future_tolerance_ms
        accepted = fresh[~ahead]
        reached = np.maximum.accumulate(np.maximum(time_ms[accepted], self.value))
        return self._admit(accepted, reached, time_ms, fresh[ahead].tolist())

    def _replay(self, users: Sequence[str], fresh: Ints, time_ms: Ints) -> Admitted:
        order: list[int] = []
        reached: list[int] = []
        future: list[int] = []
        value = self.value

        def accept(position: int, time: int) -> None:
            nonlocal value
            value = max(value, time)
            order.append(position)
            reached.append(value)

        for position, time in zip(fresh.tolist(), time_ms[fresh].tolist(), strict=True):
            if value == UNSET or time > value + self.jump_ms:
                user = users[position]
                if any(h.user != user and abs(h.time_ms - time) <= self.jump_ms for h in self.held):
                    near = [h for h in self.held if abs(h.time_ms - time) <= self.jump_ms]
                    self.held = [h for h in self.held if h not in near]
                    for h in near:
                        accept(h.position, h.time_ms)
                    accept(position, time)
                else:
                    self.held.append(Held(position, user, time))
                    if len(self.held) > HELD_LIMIT:
                        future.append(self.held.pop(0).position)
                continue
            accept(position, time)
            waiting = self.held
            self.held = []
            for h in waiting:
                h.seen += 1
                if h.time_ms <= value + self.jump_ms:
                    accept(h.position, h.time_ms)
                elif h.seen >= PATIENCE:
                    future.append(h.position)
                else:
                    self.held.append(h)
        return self._admit(np.array(order, dtype=np.int64), np.array(reached, dtype=np.int64), time_ms, future)

    def finish(self, time_ms: Ints) -> Admitted:
        """The input has ended: whoever still waits is refused, unless nobody was ever believed (a file of one user)."""
        waiting, self.held = self.held, []
        if self.value != UNSET:
            return Admitted(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), future=[h.position for h in waiting])
        order = np.array([h.position for h in waiting], dtype=np.int64)
        return self._admit(order, np.maximum.accumulate(time_ms[order]), time_ms, [])

    def advance(self, elapsed_ms: int) -> None:
        """Time that passed on an idle input moves the watermark by as much, never to the clock's own date."""
        if self.value != UNSET:
            self.value += elapsed_ms

    def _admit(self, order: Ints, reached: Ints, time_ms: Ints, future: list[int]) -> Admitted:
        if len(reached):
            self.value = int(reached[-1])
        late = time_ms[order] < reached - self.allowed_lateness_ms
        return Admitted(order[~late], reached[~late], order[late].tolist(), future)
