"""The chain as flows of probability, and the matrices that carry it through each half hour of the week."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from worker.demo.behaviour import SLOT_MS, STAGES, Behaviour, Floats, season

_TERMS = 9  # of the exponential's series, after scaling by a power of two to a norm below 1/2: error under 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Rates of change per half hour, float64[kinds, states, states]: `plain` at any hour, `seasonal` in an average one."""

    plain: Floats
    seasonal: Floats


@dataclass(frozen=True, slots=True)
class Week:
    """Transition matrices of the week's half hours: `steps` [levels, kinds, states, states]; `level` int64[336], which of them a half hour has."""

    steps: Floats
    level: NDArray[np.int64]

    def at(self, slot: int) -> Floats:
        """float64[kinds, states, states] of one half hour, counted from Monday 0:00 UTC."""
        return np.asarray(self.steps[self.level[slot]], dtype=np.float64)


@cache
def everything(chain: Behaviour) -> Flow:
    """The chain as it is."""
    flow = chain.jumps * chain.rates[..., None]
    diagonal = np.arange(flow.shape[1])
    flow[:, diagonal, diagonal] -= chain.rates
    waits = chain.waits[None, :, None]
    return Flow(np.where(waits, 0.0, flow) * SLOT_MS, np.where(waits, flow, 0.0) * SLOT_MS)


@cache
def silence(chain: Behaviour) -> Flow:
    """The same, with every move that would be an event cut off: what is left of the probability is that of silence."""
    event = (chain.node >= 0)[None, None, :] & ~np.eye(len(chain.names), dtype=bool)[None]
    whole = everything(chain)
    return Flow(np.where(event, 0.0, whole.plain), np.where(event, 0.0, whole.seasonal))


@dataclass(frozen=True, slots=True)
class Purchases:
    """The chain with memory of a purchase since a moment. After its own states come copies of those that follow a purchase, which
    remember that it was made since and could still be refunded (`copy` int64[states] names them, -1 where there is none), and one last
    state for a purchase made final by a next visit or by being gone. `bought` float64[states] is 1 where a purchase stands.
    """

    flow: Flow
    copy: NDArray[np.int64]
    bought: Floats


@cache
def purchases(chain: Behaviour) -> Purchases:
    """Build that chain."""
    after = [f"{stage}/{name}" for stage in STAGES for name in ("purchase", "thanks", "bought_hot", "bought_warm")]
    states = len(chain.names)
    copy = np.full(states, -1)
    copy[[chain.index[name] for name in after]] = np.arange(states, states + len(after))
    whole = everything(chain)
    bought = np.zeros(states + len(after) + 1)
    bought[states:] = 1.0
    return Purchases(Flow(_remembering(chain, whole.plain, copy), _remembering(chain, whole.seasonal, copy)), copy, bought)


def _remembering(chain: Behaviour, part: Floats, copy: NDArray[np.int64]) -> Floats:
    states, final = len(chain.names), int(copy.max()) + 1
    flow = np.zeros((part.shape[0], final + 1, final + 1))
    flow[:, :states, :states] = part
    for row in np.flatnonzero(copy >= 0).tolist():
        for target in np.flatnonzero(np.any(part[:, row] != 0, axis=0)).tolist():
            undone = chain.names[target].endswith("/refund")
            goal = copy[target] if copy[target] >= 0 else target if undone else final
            flow[:, copy[row], goal] += part[:, row, target]
    for stage in STAGES:  # whoever buys from now on is in the copy, whoever just bought is not
        entry = chain.index[f"{stage}/purchase"]
        others = np.arange(states) != entry
        flow[:, :states, copy[entry]] += np.where(others, part[:, :, entry], 0.0)
        flow[:, :states, entry] = np.where(others, 0.0, part[:, :, entry])
    return flow


@cache
def week(flow: Flow) -> Week:
    """Half hours equally busy share one matrix: the season has few levels."""
    busy, level = np.unique(season(), return_inverse=True)
    return Week(exponential(flow.plain[None] + busy[:, None, None, None] * flow.seasonal[None]), level.reshape(-1).astype(np.int64))


def part_of(flow: Flow, slot: int, share: float) -> Floats:
    """float64[kinds, states, states]: the transition matrix of a share of one half hour."""
    return exponential((flow.plain + season()[slot] * flow.seasonal) * share)


def exponential(flow: Floats) -> Floats:
    """exp of each matrix, by scaling and squaring (Moler and Van Loan 2003, method 3)."""
    norm = float(np.abs(flow).sum(axis=-1).max())
    squarings = max(0, int(np.ceil(np.log2(max(norm, 1e-12)))) + 1)
    small = flow / 2.0**squarings
    one = np.broadcast_to(np.eye(flow.shape[-1]), flow.shape)
    result = one + small / _TERMS
    for term in range(_TERMS - 1, 0, -1):
        result = one + small @ result / term
    for _ in range(squarings):
        result = result @ result
    return np.asarray(result, dtype=np.float64)
