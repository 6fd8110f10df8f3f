"""The watermark: how far event time has come in one partition, and which events may move it.

A live event is checked against the clock that the caller passes in. A replay has no clock: an event that jumps far ahead of all others waits
until an event of another user confirms it, so that one broken timestamp never makes everyone else late. What waits is carried from batch to
batch, and the verdict on an event depends on the order of events alone, not on how they were cut. Where so many wait in a row that no event
of the believed time came between them, time itself has moved on (a first user's long visit, a shop that closed for days): the earliest is believed.
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
        if now_ms is not None:
            self.held = []  # whoever waited in a replay is judged by the clock, too
            return self._live(np.arange(len(time_ms)), time_ms, now_ms)
        fresh = np.arange(start, len(time_ms))
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

        def accept(position: int, time: int) -> None:
            self.value = max(self.value, time)
            order.append(position)
            reached.append(self.value)

        for position, time in zip(fresh.tolist(), time_ms[fresh].tolist(), strict=True):
            if self.value == UNSET or time > self.value + self.jump_ms:
                for held in self._confirmed_by(users[position], time):
                    accept(held.position, held.time_ms)
                if self.value != UNSET and time <= self.value + self.jump_ms:
                    accept(position, time)
                else:
                    self.held.append(Held(position, users[position], time))
                    if len(self.held) > HELD_LIMIT:
                        if any(held.seen for held in self.held):
                            future.append(self.held.pop(0).position)
                        else:
                            for held in self._earliest():
                                accept(held.position, held.time_ms)
                continue
            accept(position, time)
            if self.held:
                caught_up, given_up = self._age_held()
                for held in caught_up:
                    accept(held.position, held.time_ms)
                future += [held.position for held in given_up]
        return self._admit(np.array(order, dtype=np.int64), np.array(reached, dtype=np.int64), time_ms, future)

    def _confirmed_by(self, user: str, time: int) -> list[Held]:
        """Take out those waiting within a jump of this event, if one of them is another user's."""
        near = [held for held in self.held if abs(held.time_ms - time) <= self.jump_ms]
        if all(held.user == user for held in near):
            return []
        self.held = [held for held in self.held if held not in near]
        return near

    def _earliest(self) -> list[Held]:
        """Take out the earliest of those waiting and all within a jump of it: time is believed to have moved on to it."""
        first = min(held.time_ms for held in self.held)
        near = [held for held in self.held if held.time_ms <= first + self.jump_ms]
        self.held = [held for held in self.held if held not in near]
        return near

    def _age_held(self) -> tuple[list[Held], list[Held]]:
        """An ordinary event has passed: take out those that the watermark has caught up with, and those that nobody will confirm any more."""
        for held in self.held:
            held.seen += 1
        caught_up = [held for held in self.held if held.time_ms <= self.value + self.jump_ms]
        given_up = [held for held in self.held if held.time_ms > self.value + self.jump_ms and held.seen >= PATIENCE]
        self.held = [held for held in self.held if held not in caught_up and held not in given_up]
        return caught_up, given_up

    def finish(self, time_ms: Ints) -> Admitted:
        """The input has ended: whoever still waits is refused, unless time has moved on and no event said otherwise.

        That is so where nobody was ever believed (a file of one user), and up to the last time that another user came after.
        """
        waiting, self.held = self.held, []
        believed = [
            h for h in waiting if self.value == UNSET or (h.seen == 0 and any(o.user != h.user and o.seen == 0 and o.time_ms >= h.time_ms for o in waiting))
        ]
        order = np.array([h.position for h in believed], dtype=np.int64)
        reached = np.maximum.accumulate(np.maximum(time_ms[order], self.value))
        return self._admit(order, reached, time_ms, [h.position for h in waiting if h not in believed])

    def advance(self, elapsed_ms: int) -> None:
        """Time that passed on an idle input moves the watermark by as much, never to the clock's own date."""
        if self.value != UNSET:
            self.value += elapsed_ms

    def _admit(self, order: Ints, reached: Ints, time_ms: Ints, future: list[int]) -> Admitted:
        if len(reached):
            self.value = int(reached[-1])
        late = time_ms[order] < reached - self.allowed_lateness_ms
        return Admitted(order[~late], reached[~late], order[late].tolist(), future)
