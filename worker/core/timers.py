"""Event-time timers: a wheel of one-minute buckets from which everything due before the watermark is taken.

Adding is cheap and never undone: what a timer was set for may have changed, so whoever takes it checks that it still holds.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BUCKET_MS = 60_000


class Timers:
    """Timers with a payload of two integers each."""

    def __init__(self) -> None:
        self._buckets: dict[int, list[Ints]] = {}
        self._order: list[int] = []  # heap of the buckets that hold something

    def add(self, due_ms: Ints, first: Ints, second: Ints) -> None:
        """Set m timers: each argument int64[m]."""
        if not len(due_ms):
            return
        timers = np.stack([due_ms, first, second])
        bucket = due_ms // BUCKET_MS
        order = np.argsort(bucket, kind="stable")
        timers, bucket = timers[:, order], bucket[order]
        cuts = np.flatnonzero(np.diff(bucket)) + 1
        for part, number in zip(np.split(timers, cuts, axis=1), bucket[np.concatenate([[0], cuts])].tolist(), strict=True):
            if number not in self._buckets:
                self._buckets[number] = []
                heapq.heappush(self._order, number)
            self._buckets[number].append(part)

    def take(self, before_ms: int) -> tuple[Ints, Ints, Ints]:
        """Remove every timer due strictly before `before_ms`; in the order of time and payload, each once even if set twice."""
        taken: list[Ints] = []
        while self._order and self._order[0] * BUCKET_MS < before_ms:
            number = heapq.heappop(self._order)
            timers = np.concatenate(self._buckets.pop(number), axis=1)
            due = timers[0] < before_ms
            taken.append(timers[:, due])
            if not due.all():
                self._buckets[number] = [timers[:, ~due]]
                heapq.heappush(self._order, number)
                break
        if not taken:
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, nothing
        due_ms, first, second = np.unique(np.concatenate(taken, axis=1), axis=1)
        return due_ms, first, second
