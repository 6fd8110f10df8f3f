"""The level: whether outcomes come more often just now than was said, seen days before windows close.

Labels are as old as the window is long when they are learned, and so is any calibration on them. But most of what happens in a window happens early in it.
So the outcomes that have come so far are held against those expected so far: the sum of the probabilities given, times the share of outcomes that come
by that age, which is learned from windows that have closed. Both sums fade with a half-life of a day, and a prior stands beside them, so that few
outcomes move nothing. ln(come / expected) is added to the log-odds of scores at events.

Only ages up to three days count: a probability given longer ago was another model's, whose error has been learned from meanwhile, and would be
corrected twice. docs/decisions/0005 has what was tried and what it gave.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from worker.core.labels.tallies import MILLION, Tally
from worker.core.settings import HOUR_MS

HALF_LIFE_H = 24.0
PRIOR = 50.0  # outcomes, come and expected alike
OUTCOMES_NEEDED = 200.0  # closed windows that the shares are known from
MEMORY = 5_000.0  # outcomes over which the shares are an average
LIMIT = 1.0  # of the correction, in log-odds: a factor of 2.7


class Level:
    """One target's level. `looks` is how often each decision is looked at."""

    def __init__(self, looks: int) -> None:
        self.tallies = 0  # folded in so far
        self.hour_ms = 0  # the latest
        self.expected = 0.0  # faded to that hour
        self.come = 0.0
        self.happened = [0.0] * (looks + 1)  # outcomes by the look that saw them first, those that none saw last

    @property
    def shift(self) -> float:
        """What to add to the log-odds of scores at events."""
        return max(-LIMIT, min(LIMIT, math.log((self.come + PRIOR) / (self.expected + PRIOR))))

    def fold(self, tally: Tally) -> None:
        """Take a tally in; ValueError if it is of other looks. Tallies of several partitions may come out of order: an older one counts for less."""
        if len(tally.happened) != len(self.happened):
            raise ValueError(f"a tally of {len(tally.seen)} looks, where there are {len(self.happened) - 1}")
        self.tallies += 1
        later_h = (tally.hour_ms - self.hour_ms) / HOUR_MS
        weight = math.exp2(min(later_h, 0.0) / HALF_LIFE_H)
        if later_h > 0.0:
            keep = math.exp2(-later_h / HALF_LIFE_H)
            self.expected, self.come, self.hour_ms = keep * self.expected, keep * self.come, tally.hour_ms
        fade = math.exp(-sum(tally.happened) / MEMORY)
        self.happened = [fade * old + new for old, new in zip(self.happened, tally.happened, strict=True)]
        known = sum(self.happened)
        if known < OUTCOMES_NEEDED:
            return
        shares = [count / known for count in self.happened]
        self.expected += weight * sum(expected * share for expected, share in zip(tally.expected, shares, strict=False)) / MILLION
        self.come += weight * sum(tally.seen)

    def state(self) -> list[float]:
        """Everything as plain numbers; go_on() is the inverse."""
        return [float(self.tallies), float(self.hour_ms), self.expected, self.come, *self.happened]

    def go_on(self, state: Sequence[float]) -> None:
        """Take the place of the level whose state() this is. One of other looks knows other shares: only its count of tallies is kept."""
        self.tallies = int(state[0])
        if len(state) == 4 + len(self.happened):
            self.hour_ms, self.expected, self.come = int(state[1]), float(state[2]), float(state[3])
            self.happened = [float(count) for count in state[4:]]
