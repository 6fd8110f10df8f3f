"""Outcomes: once a decision's window has passed, whether what it spoke of happened, and the example that follows.

A window (t + delay, t + delay + horizon] is closed by the watermark, also for a user who never comes back. Only events up to its end count.
A window that meets an outage of the input says nothing about the user: it is void, counted, and neither learned nor judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.core.labels.decisions import ABSENT, DONE, EVENT, HAPPENED, UNKNOWN, VOID, Decisions, draws
from worker.core.labels.examples import Sense
from worker.core.labels.history import History
from worker.core.labels.looks import Looks
from worker.core.labels.timers import Timers
from worker.core.labels.watched import Watched, watched_events
from worker.core.profiles import layout as at
from worker.core.profiles.layout import ORDER_RING
from worker.core.settings import TargetSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Overlaps = Callable[[Ints, Ints], NDArray[np.bool_]]


@dataclass(slots=True)
class Settled:
    """m outcomes to publish: the decision's place, the target's number, what became of it, and the weight to learn it with."""

    place: Ints
    target: Ints
    happened: NDArray[np.bool_]
    weight: Floats
    sense: Sense


class Outcomes:
    """The targets' windows over the pending decisions."""

    def __init__(self, targets: dict[str, TargetSettings], seed: int) -> None:
        self.names = tuple(targets)
        self.settings = tuple(targets.values())
        self.seed = seed
        self.delay = np.array([t.delay_ms for t in self.settings], dtype=np.int64)
        self.horizon = np.array([t.horizon_ms for t in self.settings], dtype=np.int64)
        self.thin = np.array([t.silent_negatives for t in self.settings])
        self.silent = np.array([t.silent for t in self.settings])
        self.timers = Timers()
        self._closed: Ints = np.zeros(0, dtype=np.int64)
        self.voided = 0
        self.thinned = 0
        self.columns: list[list[int]] = []
        self.watch(Watched.first(watched_events(targets)))
        self.looks = Looks(self)

    def watch(self, watched: Watched) -> None:
        """Read further outcomes from these columns of the profiles."""
        fixed = {"any": [at.LAST], "purchase": list(range(at.ORDER_TIMES, at.ORDER_TIMES + ORDER_RING))}
        self.columns[:] = [fixed.get(target.outcome) or [watched.column(target.outcome)] for target in self.settings]

    def wait_for(self, decisions: Decisions, places: Ints) -> None:
        """Set the timers of new decisions."""
        self._wait_for(decisions, places)
        self.looks.wait_for(decisions, places)

    def _wait_for(self, decisions: Decisions, places: Ints) -> None:
        count = len(self.settings)
        place, target = np.nonzero(decisions.outcome[places] != DONE)
        place = places[place]
        self.timers.add(decisions.time_ms[place] + self.delay[target] + self.horizon[target], place * count + target, decisions.serial[place])

    def resume(self, decisions: Decisions, places: Ints, watermark_ms: int) -> None:
        """Go on with restored decisions: what ended before the watermark was published in the turn that moved it there."""
        ends = np.maximum(decisions.time_ms[places, None] + self.delay + self.horizon, decisions.final_ms[places, None])
        decisions.outcome[places] = np.where(ends < watermark_ms, DONE, decisions.outcome[places])
        self._wait_for(decisions, places)
        self.looks.wait_for(decisions, places, watermark_ms)

    def ends(self, decisions: Decisions, place: Ints, target: Ints) -> Ints:
        """When these decisions of these targets have nothing left to wait for."""
        ends: Ints = np.maximum(decisions.time_ms[place] + self.delay[target] + self.horizon[target], decisions.final_ms[place])
        return ends

    def settle(self, decisions: Decisions, history: History, overlaps: Overlaps, watermark_ms: int) -> Settled:
        """Close every window that ended before the watermark; release() then drops the decisions that have nothing left to wait for."""
        self.looks.take(decisions, history, overlaps, watermark_ms)
        count = len(self.settings)
        ready: list[Ints] = []
        while True:
            due, key, serial = self.timers.take(watermark_ms)
            if not len(due):
                break
            holds = decisions.serial[key // count] == serial
            due, key, serial = due[holds], key[holds], serial[holds]
            place, target = key // count, key % count
            unknown = decisions.outcome[place, target] == UNKNOWN
            self._look(decisions, history, overlaps, place[unknown], target[unknown])
            final = decisions.final_ms[place]
            early = (final > due) & (final >= watermark_ms)  # the day is not over: another event may still take this decision's place
            self.timers.add(final[early], key[early], serial[early])
            decisions.touched.update(place[early & unknown].tolist())
            ready.append(key[~early])
        if not ready:
            nothing = self._closed = np.zeros(0, dtype=np.int64)
            return Settled(nothing, nothing, nothing.astype(np.bool_), nothing.astype(np.float64), "matured")
        key = self._in_order(decisions, np.concatenate(ready))
        self._closed = key // count
        settled = self._publish(decisions, key // count, key % count)
        self.looks.count(decisions, settled)
        return settled

    def _in_order(self, decisions: Decisions, key: Ints) -> Ints:
        """By when the outcome was known, the end of waiting, then by the event that the decision stands for: whatever the cut.

        It is known at the end of waiting, but for what a late event brought when that was over. A restore gives places anew, and the order survives it.
        """
        place, target = key // len(self.settings), key % len(self.settings)
        ends = self.ends(decisions, place, target)
        return key[np.lexsort((target, decisions.mark[place], decisions.offset[place], ends, np.maximum(ends, decisions.decided_ms[place])))]

    def _look(self, decisions: Decisions, history: History, overlaps: Overlaps, place: Ints, target: Ints) -> None:
        opens = decisions.time_ms[place] + self.delay[target]
        closes = opens + self.horizon[target]
        result = np.full(len(place), ABSENT, dtype=np.int8)
        for number, columns in enumerate(self.columns):
            mine = np.flatnonzero(target == number)
            if len(mine):
                latest = history.columns_at(decisions.row[place[mine]], closes[mine], columns).max(axis=1)
                result[mine[latest > opens[mine]]] = HAPPENED
        if len(place):
            result[overlaps(opens, closes)] = VOID
        decisions.outcome[place, target] = result

    def _publish(self, decisions: Decisions, place: Ints, target: Ints) -> Settled:
        outcome = decisions.outcome[place, target].copy()
        weight = decisions.weight[place].copy()
        silent = decisions.mark[place] != EVENT
        thin = silent & (outcome == ABSENT)
        weight[thin] /= self.thin[target[thin]]
        key = (decisions.offset[place] * 256 + decisions.mark[place] + 1) * 64 + target
        dropped = thin & (draws(key, self.seed + 2) >= self.thin[target])
        void = outcome == VOID
        self.voided += int(void.sum())
        self.thinned += int(dropped.sum())
        decisions.outcome[place, target] = DONE
        keep = ~void & ~dropped
        return Settled(place[keep], target[keep], outcome[keep] == HAPPENED, weight[keep], "matured")

    def release(self, decisions: Decisions) -> None:
        """Drop the decisions that settle() found nothing left to wait for; call it when their examples have been made."""
        if not len(self._closed):
            return
        places = np.unique(self._closed)
        decisions.drop(places[(decisions.outcome[places] == DONE).all(axis=1)])
