"""Examples for tests: drawn by hypothesis, or by the thousand from a world whose chances are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker.core.labels.examples import Example, Sense
from worker.core.settings import TargetSettings

TARGET, LAYOUT, TABLE_SIZE = "purchase", "1-abcd", 64


def settings(**changes: Any) -> TargetSettings:
    return TargetSettings(**{"horizon": "7 d", "prior": 0.1, "abstain_below": 3, **changes})


def example(bins: Sequence[int], outcome: bool = False, weight: float = 1.0, sense: Sense = "matured", **changes: Any) -> Example:
    fields: dict[str, Any] = {
        "target": TARGET,
        "decision_id": "0-1",
        "user": "d1f0" * 8,
        "cause": 0,
        "time_ms": 1_609_582_512_345,
        "due_ms": 1_610_187_312_345,
        "p": 0.1,
        "raw": 0.1,
        "model": "purchase@1",
        "layout": LAYOUT,
    }
    return Example(**{**fields, **changes}, outcome=outcome, weight=weight, bins=np.array(bins, dtype=np.int32), sense=sense)


BINS = st.lists(st.integers(1, TABLE_SIZE - 1), unique=True, max_size=12)
PROBABILITIES = st.floats(1e-6, 1 - 1e-6)
EXAMPLES = st.builds(
    example,
    bins=BINS,
    outcome=st.booleans(),
    weight=st.sampled_from([1.0, 1.0, 6.0, 0.25]),
    cause=st.integers(0, 1),
    p=PROBABILITIES,
    raw=PROBABILITIES,
)


class World:
    """Users of `slots` features with ten values each; some values make the outcome likelier. Its rate is `rate`."""

    def __init__(self, rate: float, slots: int = 10, seed: int = 0, count: int = 4_000) -> None:
        chance = np.random.default_rng(seed)
        points = np.where(chance.random((slots, 10)) < 0.2, chance.normal(0.0, 0.6, (slots, 10)), 0.0)
        values = chance.integers(0, 10, (count, slots))
        margins = points[np.arange(slots), values].sum(axis=1)
        low, high = -20.0, 20.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if _sigmoid(margins + middle).mean() < rate else (low, middle)
        self.table_size = slots * 10 + 1
        self.bins = (values + np.arange(slots) * 10 + 1).astype(np.int32)
        self.p = _sigmoid(margins + low)
        self.happened = chance.random(count) < self.p


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
