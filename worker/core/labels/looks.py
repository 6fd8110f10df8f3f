"""Looks: whether what a pending decision speaks of has happened so far, asked a few times before its window closes, and tallied by the hour.

Only decisions at events are looked at, and only once nothing can take their place any more. A look at an age sees the user as they stood when the watermark
had come to that time, so tallies depend on the records alone, not on how they were cut into turns. What an outage cuts is not looked at again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worker.core.labels.decisions import EVENT, SKIPPED, Decisions
from worker.core.labels.history import History
from worker.core.labels.tallies import LOOKS_MS, MILLION, Tally, looks_of
from worker.core.labels.timers import Timers
from worker.core.settings import HOUR_MS

if TYPE_CHECKING:
    from worker.core.labels.outcomes import Outcomes, Overlaps, Settled

Ints = NDArray[np.int64]


class Looks:
    """The looks at the decisions of all targets, and the tallies of the hours that are not over."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes
        self.counts = [len(looks_of(target.horizon_ms)) for target in outcomes.settings]  # looks of each target
        looks = [(target, look) for target, count in enumerate(self.counts) for look in range(count)]
        self._target = np.array([target for target, _ in looks], dtype=np.int64)  # of every look at a decision: its target,
        self._key = np.array([target * len(LOOKS_MS) + look for target, look in looks], dtype=np.int64)  # what its timer adds to the decision's,
        self._after_ms = np.array([outcomes.delay[target] + LOOKS_MS[look] for target, look in looks], dtype=np.int64)  # and how long after it it is due
        self.timers = Timers()
        self.hours: dict[tuple[int, int], list[list[int]]] = {}  # (hour, target's number) -> expected, seen, happened

    def wait_for(self, decisions: Decisions, places: Ints, from_ms: int = 0) -> None:
        """Set the timers of new or restored decisions; what was due before `from_ms` has been looked at."""
        places = places[decisions.mark[places] == EVENT]
        if not len(places):
            return
        due = np.maximum(decisions.time_ms[places, None] + self._after_ms, decisions.final_ms[places, None])
        key = places[:, None] * (len(self.counts) * len(LOOKS_MS)) + self._key
        wanted = (decisions.seen[places][:, self._target] != SKIPPED) & (due >= from_ms)
        serial = np.broadcast_to(decisions.serial[places, None], due.shape)
        self.timers.add(due[wanted], key[wanted], serial[wanted])

    def take(self, decisions: Decisions, history: History, overlaps: Overlaps, watermark_ms: int) -> None:
        """Do the looks that were due before the watermark. Call it before windows are settled."""
        due, key, serial = self.timers.take(watermark_ms)
        if not len(due):
            return
        holds = decisions.serial[key // (len(self.counts) * len(LOOKS_MS))] == serial
        due, key = due[holds], key[holds]
        for look in range(len(LOOKS_MS)):  # those of one decision in their order
            at = np.flatnonzero(key % len(LOOKS_MS) == look)
            if len(at):
                self._look(decisions, history, overlaps, due[at], key[at] // len(LOOKS_MS), look)

    def _look(self, decisions: Decisions, history: History, overlaps: Overlaps, due: Ints, key: Ints, look: int) -> None:
        place, target = key // len(self.counts), key % len(self.counts)
        opens = decisions.time_ms[place] + self.outcomes.delay[target]
        void = overlaps(opens, due)
        decisions.seen[place[void], target[void]] = SKIPPED
        decisions.touched.update(place[void].tolist())
        counted = decisions.seen[place, target] != SKIPPED
        due, place, target, opens = due[counted], place[counted], target[counted], opens[counted]
        new = decisions.seen[place, target] == 0
        for number, columns in enumerate(self.outcomes.columns):
            mine = np.flatnonzero(new & (target == number))
            if len(mine):
                latest = history.columns_at(decisions.row[place[mine]], due[mine], columns).max(axis=1)
                new[mine[latest <= opens[mine]]] = False
        decisions.seen[place[new], target[new]] = look + 1
        decisions.touched.update(place[new].tolist())
        hour, looks = due // HOUR_MS, np.full(len(due), look)
        self._add(hour, target, 0, looks, _millionths(decisions, place, target))
        self._add(hour[new], target[new], 1, looks[new], np.ones(int(new.sum()), dtype=np.int64))

    def count(self, decisions: Decisions, settled: Settled) -> None:
        """Tally the outcomes that settle() found by the look that saw them first. Call it before their decisions are released."""
        if not len(settled.place):
            return
        seen, looks = decisions.seen[settled.place, settled.target], np.array(self.counts)[settled.target]
        counted = settled.happened & (decisions.mark[settled.place] == EVENT) & (seen != SKIPPED) & (looks > 0) & (seen <= looks)
        place, target, seen, looks = settled.place[counted], settled.target[counted], seen[counted], looks[counted]
        hour = self.outcomes.ends(decisions, place, target) // HOUR_MS
        self._add(hour, target, 2, np.where(seen == 0, looks, seen - 1), np.ones(len(hour), dtype=np.int64))

    def _add(self, hour: Ints, target: Ints, row: int, look: Ints, amount: Ints) -> None:
        """Add each amount to a row of its hour's sums, at its look."""
        for hour_, number, place, more in zip(hour.tolist(), target.tolist(), look.tolist(), amount.tolist(), strict=True):
            if (sums := self.hours.get((hour_, number))) is None:
                count = self.counts[number]
                sums = self.hours[hour_, number] = [[0] * count, [0] * count, [0] * (count + 1)]
            sums[row][place] += more

    def publish(self, partition: int, watermark_ms: int) -> list[Tally]:
        """The tallies of the hours that are over, in their order."""
        over = sorted(key for key in self.hours if (key[0] + 1) * HOUR_MS <= watermark_ms)
        tallies = []
        for hour, number in over:
            expected, seen, happened = map(tuple, self.hours.pop((hour, number)))
            tallies.append(Tally(self.outcomes.names[number], partition, hour * HOUR_MS, expected, seen, happened))
        return tallies

    def state(self) -> list[list[object]]:
        """The hours that are not over, as JSON-able values."""
        return [[hour, self.outcomes.names[number], *sums] for (hour, number), sums in sorted(self.hours.items())]

    def restore(self, state: list[list[object]]) -> None:
        """Go on from state(); what it has of targets or looks that are no more is let go. ValueError, TypeError for something else."""
        for hour, name, *sums in state:
            expected, seen, happened = ([int(str(count)) for count in column] for column in sums if isinstance(column, list))
            number = self.outcomes.names.index(str(name)) if name in self.outcomes.names else None
            if number is not None and len(seen) == self.counts[number]:
                self.hours[int(str(hour)), number] = [expected, seen, happened]


def _millionths(decisions: Decisions, place: Ints, target: Ints) -> Ints:
    """The probabilities that these decisions were given, without the level of their time."""
    p = decisions.p[place, target]
    log_odds = np.log(p) - np.log1p(-p) - decisions.level[place, target]
    return np.rint(MILLION / (1.0 + np.exp(-log_odds))).astype(np.int64)
