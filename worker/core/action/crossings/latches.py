"""Latches: conditions with two lines, so that what stands near one line does not flicker.

A latch goes on where its `when` holds and goes off where its `stay` does not; in between it stays as it was. A segment is a latch whose members are those
for whom it is on; a rule is a latch that triggers as it goes on, and is armed again when it goes off. All latches of a turn are followed at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(slots=True)
class Followed:
    """L latches over n moments, in the order given."""

    on: Flags  # L x n: after each moment
    before: Flags  # L x n: before it
    last: Ints  # the moments after which a user's state is the turn's last


class Users:
    """The n moments of a turn by user: each one's in order, side by side."""

    def __init__(self, row: Ints, born: Flags) -> None:
        """`row` (n) tells users apart, `born` (n) marks the first moment of a user who is new, whose latches are off. A user's moments are in order."""
        count = len(row)
        self.order = np.argsort(row, kind="stable")
        rows = row[self.order]
        first = np.ones(count, dtype=np.bool_)
        first[1:] = rows[1:] != rows[:-1]
        self.places = np.arange(count, dtype=np.int32)
        self.opens = first | born[self.order]
        self.group = np.maximum.accumulate(np.where(self.opens, self.places, 0))
        self.new = born[self.order][self.group]
        self.last = self.order[np.append(first[1:], True) if count else first]

    def follow(self, when: Flags, stay: Flags, start: Flags) -> Followed:
        """Follow latches through the moments: `when` and `stay` are L x n, `start` L x n says how each user's latches stood before the turn."""
        start = start[:, self.order] & ~self.new
        goes_on = when[:, self.order]
        decides = goes_on | ~(goes_on if stay is when else stay[:, self.order])
        decided = np.maximum.accumulate(np.where(decides, self.places, np.int32(-1)), axis=1)
        sorted_on = np.where(decided >= self.group, np.take_along_axis(goes_on, np.maximum(decided, 0), axis=1), start)
        sorted_before = start.copy()
        sorted_before[:, 1:] = np.where(self.opens[1:], start[:, 1:], sorted_on[:, :-1])
        on, before = np.empty_like(sorted_on), np.empty_like(sorted_on)
        on[:, self.order], before[:, self.order] = sorted_on, sorted_before
        return Followed(on, before, self.last)
