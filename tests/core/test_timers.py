"""Event-time timers against a plain list."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.core.timers import BUCKET_MS, Timers

moments = st.integers(0, 5).map(lambda n: n * BUCKET_MS) | st.integers(0, 5 * BUCKET_MS)
timer = st.tuples(moments, st.integers(0, 3), st.integers(0, 3))
acts = st.lists(st.lists(timer, max_size=5) | moments, max_size=20)


@given(acts)
def test_everything_due_before_is_taken_once_in_order_and_nothing_else(steps: list[list[tuple[int, int, int]] | int]) -> None:
    timers = Timers()
    waiting: set[tuple[int, int, int]] = set()
    for step in [*steps, 6 * BUCKET_MS]:
        if isinstance(step, list):
            columns = np.array(step, dtype=np.int64).reshape(-1, 3).T
            timers.add(columns[0], columns[1], columns[2])
            waiting |= set(step)
        else:
            taken = list(zip(*(column.tolist() for column in timers.take(step)), strict=True))
            assert taken == sorted(each for each in waiting if each[0] < step)
            waiting -= set(taken)
    assert waiting == set()
