"""Which column of the profiles remembers which outcome that targets watch besides purchases and any event.

There are OUTCOMES such columns, and the configuration may name other outcomes tomorrow. So a name keeps the column that it has, for as long as it is
configured, and the partition's record says which that is. A name that is new takes a column that nobody has any more; what stands in it from before is
the time of another event: it counts for nothing up to `since_ms`, the watermark at which the name came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.core.events.names import EVENT_NAMES
from worker.core.profiles import layout as at
from worker.core.profiles.layout import OUTCOMES
from worker.core.settings import TargetSettings

NOTHING = -1  # no event has this number
FOREVER = -1  # since_ms of a column that never was another's


def watched_events(targets: Mapping[str, TargetSettings]) -> tuple[str, ...]:
    """The outcome names that need a profile column of their own, in a stable order; at most OUTCOMES of them."""
    names = tuple(sorted({t.outcome for t in targets.values()} - {"any", "purchase"}))
    if len(names) > OUTCOMES:
        raise ValueError(f"targets watch {len(names)} outcomes besides 'purchase' and 'any' ({', '.join(names)}); at most {OUTCOMES} are possible")
    return names


@dataclass(frozen=True, slots=True)
class Watched:
    """Names and since when they count, a column each; a column that nobody needs has the name it had last, or none."""

    names: tuple[str, ...] = ("",) * OUTCOMES
    since_ms: tuple[int, ...] = (FOREVER,) * OUTCOMES

    @classmethod
    def first(cls, names: Sequence[str]) -> Watched:
        """The columns of a partition without a past."""
        return cls((*names, *[""] * (OUTCOMES - len(names))))

    @classmethod
    def of_state(cls, state: Iterable[tuple[str, int]]) -> Watched:
        """state() read back; raises ValueError or TypeError for anything else."""
        names, since_ms = zip(*state, strict=True)
        if len(names) != OUTCOMES or not all(type(name) is str for name in names) or not all(type(since) is int for since in since_ms):
            raise ValueError(f"{OUTCOMES} names with times are expected")
        return cls(names, since_ms)

    def state(self) -> list[tuple[str, int]]:
        """For the partition's record; nothing where no column was ever needed."""
        return list(zip(self.names, self.since_ms, strict=True)) if any(self.names) else []

    def for_names(self, names: Sequence[str], watermark_ms: int) -> Watched:
        """The columns once these names are configured, from this watermark on."""
        ours, since_ms = list(self.names), list(self.since_ms)
        for name in names:
            if name not in ours:
                free = next(column for column, held in enumerate(ours) if held not in names)
                ours[free], since_ms[free] = name, watermark_ms
        return Watched(tuple(ours), tuple(since_ms))

    def codes(self, names: Sequence[str]) -> tuple[int, ...]:
        """The event that each column watches, by its number, for a configuration with these names; NOTHING for none."""
        return tuple(EVENT_NAMES.index(name) if name in names else NOTHING for name in self.names)

    def column(self, name: str) -> int:
        """The profile column of a name."""
        return at.OUTCOME + self.names.index(name)

    def clear(self, rows: NDArray[np.float64]) -> None:
        """Take out of profiles that were read, float64[n, WIDTH], what their columns remember of names that had them before."""
        columns = rows[:, at.OUTCOME : at.OUTCOME + OUTCOMES]
        columns[columns <= np.array(self.since_ms)] = 0.0
