"""Event-time timers against a plain list."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.labels import timers as module
from worker.core.labels.timers import Timers

MINUTE_MS = 60_000

moments = st.integers(0, 5).map(lambda n: n * MINUTE_MS) | st.integers(0, 5 * MINUTE_MS)
timer = st.tuples(moments, st.integers(0, 3), st.integers(0, 3))
acts = st.lists(st.lists(timer, max_size=5) | moments, max_size=20)


@given(acts)
def test_everything_due_before_is_taken_once_in_order_and_nothing_else(steps: list[list[tuple[int, int, int]] | int]) -> None:
    timers = Timers()
    waiting: set[tuple[int, int, int]] = set()
    for step in [*steps, 6 * MINUTE_MS]:
        if isinstance(step, list):
            columns = np.array(step, dtype=np.int64).reshape(-1, 3).T
            timers.add(columns[0], columns[1], columns[2])
            waiting |= set(step)
        else:
            taken = list(zip(*(column.tolist() for column in timers.take(step)), strict=True))
            assert taken == sorted(each for each in waiting if each[0] < step)
            waiting -= set(taken)
    assert waiting == set()


@pytest.mark.parametrize("largest", [1, 8, module.LARGEST])
def test_runs_stay_few_and_lose_nothing(largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", largest)
    chance = np.random.default_rng(largest)
    timers, waiting = Timers(), np.zeros((3, 0), dtype=np.int64)
    for turn in range(300):
        added = np.stack([turn * 10 + chance.integers(0, 500, 3), chance.integers(0, 5, 3), chance.integers(0, 5, 3)])
        timers.add(*added)
        waiting = np.concatenate([waiting, added], axis=1)
        due = waiting[0] < turn * 10
        assert np.array_equal(timers.take(turn * 10), np.unique(waiting[:, due], axis=1))
        waiting = waiting[:, ~due]
    assert len(timers._runs) <= 150 // largest + 8
    assert sum(run.shape[1] for run in timers._runs) == waiting.shape[1]
