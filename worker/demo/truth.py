"""The true probabilities of a customer's future, worked out from the chain, never by drawing futures.

With P(k) the transition matrix of half hour k of the week, a window of 7 days that opens at the start of half hour k is the product
P(k) P(k+1) … P(k-1) once around the week: a suffix of the week's product times a prefix of it, so two sweeps give all 336 windows.
Within a half hour the probabilities are read between its ends in a straight line (the season changes little in it).
A purchase counts unless it is refunded within the window, as the scorer counts it; a refund is itself an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from worker.demo.behaviour import SLOT_MS, SLOTS, Behaviour, Floats, behaviour, week_position_ms
from worker.demo.flow import Week, everything, purchases, silence, week

TARGETS = ("purchase", "intent", "churn")


@dataclass(frozen=True, slots=True)
class TruthTables:
    """float64[targets, kinds, states, 337]: the true probabilities at the start of each half hour of the week; the last equals the first."""

    tables: Floats

    def at(self, kind: NDArray[np.int64], state: NDArray[np.int64], time_ms: NDArray[np.int64]) -> Floats:
        """float64[n, 3], in the order of TARGETS: for n customers just after they entered `state` at `time_ms`."""
        slot, within = np.divmod(week_position_ms(time_ms), SLOT_MS)
        share = within / SLOT_MS
        return np.asarray((self.tables[:, kind, state, slot] * (1 - share) + self.tables[:, kind, state, slot + 1] * share).T, dtype=np.float64)


@cache
def truth_tables() -> TruthTables:
    """The tables of the demo's customers, worked out once in a process."""
    return work_out(behaviour())


def work_out(chain: Behaviour) -> TruthTables:
    """The tables of any chain: a few hundred products of small matrices, some half a second."""
    buying = purchases(chain)
    carried, states = week(buying.flow), len(chain.names)
    purchase, intent = _around(carried, buying.bought), (carried.steps @ buying.bought)[carried.level]
    quiet, whole = quiet_weeks(chain), week(everything(chain))
    churn = np.stack([(whole.at(slot) @ quiet[(slot + 1) % SLOTS][..., None])[..., 0] for slot in range(SLOTS)])
    tables = np.stack([purchase[..., :states], intent[..., :states], churn])
    return TruthTables(np.concatenate([tables, tables[:, :1]], axis=1).transpose(0, 2, 3, 1))


@cache
def quiet_weeks(chain: Behaviour) -> Floats:
    """float64[336, kinds, states]: the probability of no event in the 7 days from the start of each half hour."""
    return _around(week(silence(chain)), np.ones(len(chain.names)))


def _around(steps: Week, end: Floats) -> Floats:
    """float64[336, kinds, states]: for each start, the product of all half hours once around the week, applied to `end`."""
    shape = steps.steps.shape[1:]
    prefixes, result = np.empty((SLOTS, *shape[:-1])), np.empty((SLOTS, *shape[:-1]))
    prefix = suffix = np.broadcast_to(np.eye(shape[-1]), shape)
    for slot in range(SLOTS):
        prefixes[slot] = prefix @ end
        prefix = prefix @ steps.at(slot)
    for slot in range(SLOTS - 1, -1, -1):
        suffix = steps.at(slot) @ suffix
        result[slot] = (suffix @ prefixes[slot][..., None])[..., 0]
    return result
