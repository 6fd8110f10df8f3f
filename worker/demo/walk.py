"""The customers' walk through the chain: all of them at once, one move a wave, drawn from one seeded generator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from worker.demo.behaviour import Behaviour, Floats, after_wait, behaviour

Ints = NDArray[np.int64]
NEVER_MS = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Wave:
    """One event each of n different customers: int64[n] columns. Waves follow each other in every customer's own order of time."""

    who: Ints
    state: Ints
    time_ms: Ints


class Crowd:
    """Customers, each with a kind, a state and the time of the next move: int64[customers]. Nobody moves before being placed."""

    def __init__(self, kind: Ints, random: Generator, chain: Behaviour | None = None) -> None:
        chain = chain or behaviour()
        self.kind, self.state, self.next_ms = kind, np.zeros(len(kind), np.int64), np.full(len(kind), NEVER_MS)
        self._random, self._chain = random, chain
        self._onward, self._limits = _successors(chain.jumps)

    def place(self, who: Ints, state: Ints, time_ms: Ints) -> None:
        """Put customers just into a waiting state at a time; no event is made of it."""
        self.state[who] = state
        self.next_ms[who] = self._leave(who, time_ms)

    def call(self, who: Ints, state: Ints, time_ms: Ints) -> None:
        """Let customers of the outside enter `state` at `time_ms`, with its event if it has one."""
        self.state[who] = -1 - state  # a negative state stands before the door of the one it names
        self.next_ms[who] = time_ms

    def waves(self, until_ms: int) -> Iterator[Wave]:
        """Move everyone up to, and not including, `until_ms`."""
        who = np.flatnonzero(self.next_ms < until_ms)
        while len(who):
            time_ms = self.next_ms[who]
            state = self._enter(who)
            self.state[who] = state
            self.next_ms[who] = self._leave(who, time_ms)
            eventful = self._chain.node[state] >= 0
            if eventful.any():
                yield Wave(who[eventful], state[eventful], time_ms[eventful])
            who = who[self.next_ms[who] < until_ms]

    def _enter(self, who: Ints) -> Ints:
        """The states that customers move into."""
        kind, state = self.kind[who], self.state[who]
        draw = self._random.random(len(who))
        choice = (draw[:, None] >= self._limits[kind, state]).sum(axis=1)
        return np.asarray(np.where(state < 0, -1 - state, self._onward[kind, state, choice]), dtype=np.int64)

    def _leave(self, who: Ints, time_ms: Ints) -> Ints:
        """When customers will leave the states they are in, entered at `time_ms`: at least a millisecond later, or never."""
        state = self.state[who]
        rate = self._chain.rates[self.kind[who], state]
        hold_ms = self._random.exponential(size=len(who)) / np.maximum(rate, 1e-300)
        hold_ms = np.minimum(hold_ms, 1e13)  # some 300 years
        waits = self._chain.waits[state]
        leave_ms = time_ms + np.maximum(hold_ms, 1).astype(np.int64)
        leave_ms[waits] = np.maximum(after_wait(time_ms[waits], hold_ms[waits]), time_ms[waits] + 1)
        leave_ms[rate == 0] = NEVER_MS
        return np.asarray(leave_ms, dtype=np.int64)


def _successors(jumps: Floats) -> tuple[Ints, Floats]:
    """The few states that each state leads to and the upper limits of their chances: [kinds, states, successors]."""
    most = int((jumps > 0).sum(axis=-1).max())
    onward = np.argsort(-jumps, axis=-1, kind="stable")[..., :most]
    limits = np.cumsum(np.take_along_axis(jumps, onward, axis=-1), axis=-1)
    limits[..., -1] = 1.0
    reached = np.take_along_axis(jumps, onward, axis=-1) > 0
    last = np.maximum(reached.sum(axis=-1) - 1, 0)
    np.put_along_axis(limits, last[..., None], 1.0, axis=-1)
    return onward.astype(np.int64), limits
