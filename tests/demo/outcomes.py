"""What really happened to customers, counted from their waves alone: the slow and plain twin of the truth tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.demo.behaviour import DAY_MS, NODES, behaviour
from worker.demo.walk import Crowd

MINUTE_MS = 60_000


def outcomes(crowd: Crowd, from_ms: int) -> NDArray[np.bool_]:
    """bool[customers, 3]: purchase and intent (not refunded within the window) and churn, of everyone after `from_ms`."""
    node_of = behaviour().node
    horizon_ms = {0: 7 * DAY_MS, 1: 30 * MINUTE_MS}
    standing = np.zeros((len(crowd.kind), 2), np.int64)  # purchases of each window that were not refunded
    seen = np.zeros(len(crowd.kind), bool)
    bought_before = np.ones((len(crowd.kind), 2), bool)  # the last purchase was made before the window opened
    for wave in crowd.waves(from_ms + 7 * DAY_MS + 30 * MINUTE_MS + 1):
        name = np.array([NODES[node].name for node in node_of[wave.state]])
        after_ms = wave.time_ms - from_ms
        seen[wave.who[after_ms > 30 * MINUTE_MS]] = True
        for window, length_ms in horizon_ms.items():
            within = (after_ms > 0) & (after_ms <= length_ms)
            bought = wave.who[within & (name == "purchase")]
            standing[bought, window] += 1
            bought_before[bought, window] = False
            refunded = wave.who[within & (name == "refund")]
            standing[refunded, window] -= ~bought_before[refunded, window]
            bought_before[refunded, window] = True
    return np.column_stack([standing > 0, ~seen])
