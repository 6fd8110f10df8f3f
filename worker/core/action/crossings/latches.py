"""Latches: conditions with two lines, so that what stands near one line does not flicker.

A latch goes on where its `when` holds and goes off where its `stay` does not; in between it stays as it was. A segment is a latch whose members are those
for whom it is on; a rule is a latch that triggers as it goes on, and is armed again when it goes off. All latches of a turn are followed at once: what
holds at a moment is one number, with a bit a latch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def flags_of(bits: Ints, count: int) -> Flags:
    """The bits (n) of `count` latches as flags, count x n."""
    octets = np.ascontiguousarray(bits, dtype="<i8").view(np.uint8).reshape(-1, 8)
    return np.unpackbits(octets, axis=1, count=count, bitorder="little").view(np.bool_).T


def names_of(names: Sequence[str], bits: int) -> list[str]:
    """The names whose bits are set."""
    return [name for number, name in enumerate(names) if bits >> number & 1]


def bits_of(names: Sequence[str], chosen: Sequence[str]) -> int:
    """The bits of the chosen names."""
    return sum(1 << number for number, name in enumerate(names) if name in chosen)


@dataclass(slots=True)
class Followed:
    """Latches over n moments, in the order given, a bit each."""

    on: Ints  # n: after each moment
    before: Ints  # n: before it
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
        new = born[self.order]
        self.first = self.order[first]  # of every user the first moment
        self.opens = np.flatnonzero(first | new)
        self.new = new[self.opens]
        self.last = self.order[np.append(first[1:], True) if count else first]

    def follow(self, when: Ints, stay: Ints, start: Ints) -> Followed:
        """Follow latches through the moments: bits (n) of where `when` and `stay` hold, and of how each user's latches stood before the turn.

        A moment passes on what was on before it where `stay` holds. Passing on over two moments is passing on over both, so that spans are doubled until
        nothing passes any more: a scan in as many steps as the longest stay between two lines has doublings.
        """
        on = when[self.order]
        passes = stay[self.order] & ~on
        begin = np.where(self.new, 0, start[self.order[self.opens]])
        on[self.opens] |= begin & passes[self.opens]
        passes[self.opens] = 0
        span = 1
        while passes.any():
            on[span:] |= on[:-span] & passes[span:]
            passes[span:] &= passes[:-span].copy()
            span *= 2
        was = np.empty_like(on)
        was[1:] = on[:-1]
        was[self.opens] = begin
        after, before = np.empty_like(on), np.empty_like(on)
        after[self.order], before[self.order] = on, was
        return Followed(after, before, self.last)
