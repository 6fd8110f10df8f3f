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


def follow(row: Ints, born: Flags, when: Flags, stay: Flags, start: Flags) -> Followed:
    """Follow latches through moments: `when` and `stay` are L x n, `start` L x n says how each user's latches stood before the turn.

    `row` (n) tells users apart, `born` (n) marks the first moment of a user who is new, whose latches are off. A user's moments are in order.
    """
    count = len(row)
    order = np.argsort(row, kind="stable")
    rows = row[order]
    first = np.ones(count, dtype=np.bool_)
    first[1:] = rows[1:] != rows[:-1]
    opens = first | born[order]
    group = np.maximum.accumulate(np.where(opens, np.arange(count), 0))
    start = start[:, order] & ~born[order][group]
    goes_on = when[:, order]
    decided = np.maximum.accumulate(np.where(goes_on | ~stay[:, order], np.arange(count), -1), axis=1)
    sorted_on = np.where(decided >= group, np.take_along_axis(goes_on, np.maximum(decided, 0), axis=1), start)
    sorted_before = start.copy()
    sorted_before[:, 1:] = np.where(opens[1:], start[:, 1:], sorted_on[:, :-1])
    on, before = np.empty_like(sorted_on), np.empty_like(sorted_on)
    on[:, order], before[:, order] = sorted_on, sorted_before
    closes = np.append(first[1:], True) if count else first
    return Followed(on, before, order[closes])
