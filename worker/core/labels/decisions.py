"""Pending decisions: scores that will be judged, kept with their bins and probabilities until what they spoke of has happened or not.

A user's decision of the day is one of that day's events, each with the same chance: every event has a draw (a hash of its offset), the smallest
so far holds the place, and only when the day is over is it final. Of several events in one millisecond the last speaks for all, as it
knows what all of them did. A silent score is a decision with the chance `share`, weighted by the inverse. So a user has at most one decision
a day at events, and as many in silence as marks can pass: the number waiting is bounded by the longest window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.settings import DAY_MS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

EVENT = -1  # the mark of a decision at an event
UNKNOWN, ABSENT, HAPPENED, VOID, DONE = range(5)  # what is known of a decision's outcome; DONE = published, or not a decision of this target
SKIPPED = -1  # in `seen`: an outage cuts the decision, or it was restored from a record that did not say
_SPLIT = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def draws(key: Ints, seed: int) -> Floats:
    """A number in [0, 1) for every key, evenly spread and always the same (splitmix64)."""
    with np.errstate(over="ignore"):
        x = key.astype(np.uint64) * _SPLIT[0] + np.uint64(seed) * _SPLIT[2] + _SPLIT[0]
        x = (x ^ (x >> np.uint64(30))) * _SPLIT[1]
        x = (x ^ (x >> np.uint64(27))) * _SPLIT[2]
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(slots=True)
class Scored:
    """A batch's scores as columns: what a decision is made of. n rows, s slots, t targets."""

    row: Ints  # of the profile
    time_ms: Ints
    offset: Ints  # of the event, or of the user's last event in silence
    mark: Ints  # EVENT, or which mark of silence
    bins: NDArray[np.int32]  # n x s
    raw: Floats  # n x t
    p: Floats  # n x t, of the outcome (not of its absence)
    model: tuple[str, ...]  # one version a target
    level: tuple[float, ...]  # of each target: what p has of level.Level, in log-odds, at events


def decided_ms(scored: Scored, sources: Ints, reached: Ints, start_ms: int) -> Ints:
    """When each of n scores was known: at the watermark of its event, or at its mark in silence, and never before a score in front of it.

    `sources` (n): of each score its event, -1 in silence; `reached` is the watermark at each event, `start_ms` that before the turn.
    """
    known = np.where(sources >= 0, reached[sources] if len(reached) else 0, scored.time_ms)
    if len(known):
        known[0] = max(int(known[0]), start_ms)
    return np.maximum.accumulate(known)


class Decisions:
    """A table of pending decisions with free places used again; `serial` tells a place's decisions apart."""

    def __init__(self, slots: int, targets: int) -> None:
        self.targets = targets
        self.models: list[tuple[str, ...]] = []
        self.candidate_of: dict[int, int] = {}  # profile row -> place of the day's decision so far
        self.touched: set[int] = set()  # places to write to the changelog
        self.removed: list[tuple[int, int, int]] = []  # (row, offset, mark) of written decisions to tombstone
        self._serials = 0
        self._free: list[int] = []
        self._allocate(256, slots)

    def _allocate(self, capacity: int, slots: int) -> None:
        self.row = np.zeros(capacity, dtype=np.int64)
        self.time_ms = np.zeros(capacity, dtype=np.int64)
        self.offset = np.zeros(capacity, dtype=np.int64)
        self.mark = np.zeros(capacity, dtype=np.int64)
        self.draw = np.zeros(capacity)
        self.final_ms = np.zeros(capacity, dtype=np.int64)
        self.decided_ms = np.zeros(capacity, dtype=np.int64)  # in silence: when it was known, which may be after its window; not written
        self.weight = np.zeros(capacity)
        self.serial = np.zeros(capacity, dtype=np.int64)  # 0 = a free place
        self.model = np.zeros(capacity, dtype=np.int64)
        self.written = np.zeros(capacity, dtype=np.bool_)
        self.bins = np.zeros((capacity, slots), dtype=np.int32)
        self.raw = np.zeros((capacity, self.targets))
        self.p = np.zeros((capacity, self.targets))
        self.outcome = np.zeros((capacity, self.targets), dtype=np.int8)
        self.seen = np.zeros((capacity, self.targets), dtype=np.int8)  # 1 + the look that first saw the outcome, 0 not yet, or SKIPPED
        self.level = np.zeros((capacity, self.targets))
        self.announced = np.zeros((capacity, self.targets), dtype=np.int8)  # of the delay-corrected scheme: 1 provisional, 2 happened has been published
        self._free.extend(range(capacity - 1, -1, -1))

    def _grow(self, least: int) -> None:
        """More places, at least so many."""
        old = len(self.row)
        more = max(256, old // 2, least)
        for name in (
            "row",
            "time_ms",
            "offset",
            "mark",
            "draw",
            "final_ms",
            "decided_ms",
            "weight",
            "serial",
            "model",
            "written",
            "bins",
            "raw",
            "p",
            "outcome",
            "seen",
            "level",
            "announced",
        ):
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros((more, *column.shape[1:]), dtype=column.dtype)]))
        self._free.extend(range(len(self.row) - 1, old - 1, -1))

    def __len__(self) -> int:
        return len(self.row) - len(self._free)

    def _take(self, count: int) -> Ints:
        """Free places, which are no longer free."""
        if len(self._free) < count:
            self._grow(count - len(self._free))
        return np.array([self._free.pop() for _ in range(count)], dtype=np.int64)

    def add(self, scored: Scored, index: Ints, draw: Floats, final_ms: Ints, weight: float, decides: Flags) -> Ints:
        """Keep the scores at `index` as decisions of the targets flagged in `decides`; returns their places."""
        if scored.model not in self.models:
            self.models.append(scored.model)
        model = self.models.index(scored.model)
        places = self._take(len(index))
        self.row[places], self.time_ms[places], self.offset[places] = scored.row[index], scored.time_ms[index], scored.offset[index]
        self.mark[places], self.draw[places], self.final_ms[places], self.weight[places] = scored.mark[index], draw, final_ms, weight
        self.bins[places], self.raw[places], self.p[places], self.model[places] = scored.bins[index], scored.raw[index], scored.p[index], model
        self.outcome[places] = np.where(decides, UNKNOWN, DONE)
        self.announced[places], self.seen[places], self.level[places] = 0, 0, scored.level
        self.decided_ms[places] = 0
        self.serial[places] = np.arange(self._serials + 1, self._serials + 1 + len(index))
        self._serials += len(index)
        self.written[places] = False
        self.touched.update(places.tolist())
        return places

    def drop(self, places: Ints) -> None:
        """Forget these decisions."""
        columns = (places, self.row[places], self.offset[places], self.mark[places], self.written[places])
        for place, row, offset, mark, written in zip(*(column.tolist() for column in columns), strict=True):
            if self.candidate_of.get(row) == place:
                del self.candidate_of[row]
            if written:
                self.removed.append((row, offset, mark))
            self.touched.discard(place)
            self._free.append(place)
        self.serial[places] = 0

    def draw_days(self, scored: Scored, eligible: Ints, seed: int, decides: Flags) -> Ints:
        """Hold the day's draw among the events at `eligible` (indices into scored, in order); returns the places of new decisions."""
        if not len(eligible):
            return eligible
        row, time = scored.row[eligible], scored.time_ms[eligible]
        day = time // DAY_MS
        order = np.lexsort((np.arange(len(row)), day, row))
        row, day, time, index = row[order], day[order], time[order], eligible[order]
        starts = np.flatnonzero(np.concatenate([[True], (row[1:] != row[:-1]) | (day[1:] != day[:-1])]))
        sizes = np.diff(np.concatenate([starts, [len(row)]]))
        draw = draws(scored.offset[index], seed)
        least = np.minimum.reduceat(draw, starts)
        positions = np.arange(len(row))
        winner = np.minimum.reduceat(np.where(draw == np.repeat(least, sizes), positions, len(row)), starts)
        when = time[winner]
        held = np.array([self.candidate_of.get(r, -1) for r in row[starts].tolist()], dtype=np.int64)
        same_day = (held >= 0) & (self.time_ms[held] // DAY_MS == day[starts])
        keeps = same_day & (self.draw[held] <= least)
        when = np.where(keeps, self.time_ms[held], when)
        least = np.where(keeps, self.draw[held], least)
        last = np.maximum.reduceat(np.where(time == np.repeat(when, sizes), positions, -1), starts)
        changes = last >= 0  # a kept decision stays as it is unless this batch brought more of its millisecond
        self.drop(held[changes & same_day])
        chosen = index[last[changes]]
        places = self.add(scored, chosen, least[changes], (day[starts][changes] + 1) * DAY_MS, 1.0, decides)
        for r, place in zip(scored.row[chosen].tolist(), places.tolist(), strict=True):
            self.candidate_of[r] = place
        return places

    def draw_silent(self, scored: Scored, silent: Ints, decided: Ints, share: float, seed: int, decides: Flags) -> Ints:
        """Make each silent score at `silent` a decision with the chance `share`; returns the places of new decisions. `decided`: when all scores were known."""
        if not len(silent):
            return silent
        draw = draws(scored.offset[silent] * 256 + scored.mark[silent] + 1, seed + 1)
        drawn = draw < share
        index = silent[drawn]
        places = self.add(scored, index, draw[drawn], scored.time_ms[index], 1.0 / share, decides)
        self.decided_ms[places] = decided[index]
        return places

    def restore(self, rows: Ints, models: Sequence[tuple[str, ...]], fields: Mapping[str, NDArray[Any]]) -> Ints:
        """Take n pending decisions of users in these profile rows, with their models and all columns else; returns their places."""
        places = self._take(len(rows))
        if not len(places):
            return places
        known = {model: index for index, model in enumerate(self.models)}
        self.row[places] = rows
        self.model[places] = [known.setdefault(model, len(known)) for model in models]
        self.models = list(known)
        for name, values in fields.items():
            getattr(self, name)[places] = values
        self.decided_ms[places] = 0
        self.serial[places] = np.arange(self._serials + 1, self._serials + 1 + len(places))
        self._serials += len(places)
        self.written[places] = True
        drawn = places[self.mark[places] == EVENT]
        for place, row, final_ms in zip(drawn.tolist(), self.row[drawn].tolist(), self.final_ms[drawn].tolist(), strict=True):
            latest = self.candidate_of.get(row)
            if latest is None or self.final_ms[latest] < final_ms:
                self.candidate_of[row] = place
        return places

    def forget_users(self, rows: Ints) -> int:
        """Drop the decisions of users that are forgotten; returns how many."""
        if not len(self):
            return 0
        places = np.flatnonzero((self.serial > 0) & np.isin(self.row, rows))
        self.drop(places)
        return len(places)
