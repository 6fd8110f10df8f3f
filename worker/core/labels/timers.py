"""Event-time timers: sorted runs of them, from which everything due before the watermark is taken.

Adding is cheap and never undone: what a timer was set for may have changed, so whoever takes it checks that it still holds. Runs of like size are
merged as they come, so that there are few of them, and a timer is moved as often as its number has binary digits; runs of LARGEST are left alone, so
that no turn waits for the sorting of millions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LARGEST = 1 << 16  # timers of a run that is merged no more


class Timers:
    """Timers with a payload of two integers each."""

    def __init__(self) -> None:
        self._runs: list[Ints] = []  # each 3 x m: due time and payload, by due time; never empty

    def add(self, due_ms: Ints, first: Ints, second: Ints) -> None:
        """Set m timers: each argument int64[m]."""
        if not len(due_ms):
            return
        added = [np.stack([due_ms, first, second])]
        size = len(due_ms)
        while self._runs and self._runs[-1].shape[1] <= min(size, LARGEST):
            added.append(self._runs.pop())
            size += added[-1].shape[1]
        self._runs.append(_by_due(added))

    def take(self, before_ms: int) -> tuple[Ints, Ints, Ints]:
        """Remove every timer due strictly before `before_ms`; in the order of time and payload, each once even if set twice."""
        due = [(number, int(run[0].searchsorted(before_ms))) for number, run in enumerate(self._runs) if run[0, 0] < before_ms]
        if not due:
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, nothing
        taken = np.concatenate([self._runs[number][:, :count] for number, count in due], axis=1)
        for number, count in due:
            rest = self._runs[number][:, count:]
            self._runs[number] = rest.copy() if rest.base is not None and 2 * rest.size < rest.base.size else rest  # let the memory of the others go
        self._runs = [run for run in self._runs if run.shape[1]]
        taken = taken[:, np.lexsort(taken[::-1])]
        new = np.concatenate([[True], (taken[:, 1:] != taken[:, :-1]).any(axis=0)])
        due_ms, first, second = taken[:, new]
        return due_ms, first, second


def _by_due(parts: Sequence[Ints]) -> Ints:
    timers = np.concatenate(parts, axis=1)
    return timers[:, timers[0].argsort(kind="stable")]
