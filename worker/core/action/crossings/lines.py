"""Both lines of a plan's latches, worked out for all moments of a turn at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.core.action.language.evaluation import compiled
from worker.core.action.plan import Latch
from worker.core.action.portraits.fields import Moments, Portraits

Ints = NDArray[np.int64]


class Lines:
    """The conditions of some latches, compiled."""

    def __init__(self, latches: Sequence[Latch], portraits: Portraits) -> None:
        self._portraits = portraits
        self._latches = [
            (1 << number, latch.targets, compiled(latch.when), None if latch.stay is latch.when else compiled(latch.stay))
            for number, latch in enumerate(latches)
        ]

    def of(self, moments: Moments, count: int) -> tuple[Ints, Ints]:
        """Where `when` and `stay` hold for `count` moments, as bits (n each); where both are one line its `stay` is left out, as `when` says it already.

        What speaks of a target that is warming up holds for nobody.
        """
        column = self._portraits.columns(moments)
        when, stay = (np.zeros(count, dtype=np.int64) for _ in range(2))
        with np.errstate(all="ignore"):
            for bit, targets, enters, stays in self._latches:
                if not any(moments.warming_up[target] for target in targets):
                    when |= np.multiply(enters(column), bit, dtype=np.int64)
                    if stays is not None:
                        stay |= np.multiply(stays(column), bit, dtype=np.int64)
        return when, stay
