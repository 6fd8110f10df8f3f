"""Silence: who is to be scored again because nothing happened, and who is to be forgotten.

Marks are times after a user's latest event. After every turn, all marks before the watermark have been scored, so which ones are still to
come follows from the profile and the watermark alone and need not be stored.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from worker.core.labels.history import Intervals
from worker.core.labels.timers import Timers
from worker.core.profiles import layout as at
from worker.core.profiles.profiles import Profiles

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(slots=True)
class Silent:
    """m silent moments: whose, when, at which mark, and the state that they find."""

    row: Ints
    time_ms: Ints
    mark: Ints
    state: Floats  # WIDTH x m: a state a column
    after: Ints  # index of the turn's event that it follows, -1 if that came in an earlier turn

    def __len__(self) -> int:
        return len(self.row)


def join(parts: list[Silent]) -> Silent:
    """Several lots of silent moments as one."""
    return Silent(*(np.concatenate([getattr(part, field.name) for part in parts], axis=-1) for field in fields(Silent)))


class Silence:
    """Marks and the time to live, as one ascending list of offsets from a user's latest event."""

    def __init__(self, marks_ms: tuple[int, ...], time_to_live_ms: int) -> None:
        self.marks = len(marks_ms)
        self.offsets = np.array([*marks_ms, time_to_live_ms], dtype=np.int64)
        self.timers = Timers()

    def _passed(self, last_ms: Ints, watermark_ms: Ints | int) -> Ints:
        return np.searchsorted(self.offsets, watermark_ms - last_ms, side="left")

    def within(self, intervals: Intervals, states: Floats, start_ms: int, end_ms: int) -> Silent:
        """The silent moments between the events of a turn's users, from the watermark before the turn to the one after it; sets their next timers.

        `states` are those that the intervals refer to.
        """
        last = intervals.last_ms
        passed = self._passed(last, intervals.until_ms)
        same = np.concatenate([[False], (intervals.row[1:] == intervals.row[:-1]) & (last[1:] == last[:-1])]) if len(last) else np.zeros(0, dtype=np.bool_)
        before = np.where(intervals.after < 0, self._passed(last, start_ms), 0)
        before[same] = passed[np.flatnonzero(same) - 1]
        done = np.minimum(np.maximum(passed, before), self.marks)
        fires = done - np.minimum(before, self.marks)
        closing = np.concatenate([intervals.row[1:] != intervals.row[:-1], [True]]) if len(last) else np.zeros(0, dtype=np.bool_)
        self.plan(intervals.row[closing], last[closing], end_ms)
        which = np.repeat(np.arange(len(fires)), fires)
        nth = np.arange(len(which)) - np.repeat(np.cumsum(fires) - fires, fires)
        mark = np.minimum(before, self.marks)[which] + nth
        return Silent(intervals.row[which], last[which] + self.offsets[mark], mark, states[:, intervals.state[which]], intervals.after[which])

    def due(self, profiles: Profiles, busy: Ints, end_ms: int) -> tuple[Silent, Ints]:
        """The silent moments of everybody but the `busy` before the watermark `end_ms`, and all rows whose time to live has passed."""
        parts: list[Silent] = []
        gone: list[Ints] = []
        while True:
            time, row, last = self.timers.take(end_ms)
            if not len(row):
                break
            mark = np.searchsorted(self.offsets, time - last)
            holds = (profiles.rows[row, at.LAST] == last) & ((mark >= self.marks) | ~np.isin(row, busy))
            time, row, last, mark = time[holds], row[holds], last[holds], mark[holds]
            expired = mark >= self.marks
            gone.append(row[expired])
            time, row, last, mark = time[~expired], row[~expired], last[~expired], mark[~expired]
            parts.append(Silent(row, time, mark, profiles.rows[row].T, np.full(len(row), -1, dtype=np.int64)))
            self.timers.add(last + self.offsets[mark + 1], row, last)
        if not parts:
            nothing = np.zeros(0, dtype=np.int64)
            return Silent(nothing, nothing, nothing, np.zeros((at.WIDTH, 0)), nothing), nothing
        return join(parts), np.concatenate(gone)

    def plan(self, rows: Ints, last_ms: Ints, watermark_ms: int) -> None:
        """Set the next timer of each row: the first mark, or the end of its time to live, that the watermark has not passed."""
        upcoming = np.minimum(self._passed(last_ms, watermark_ms), self.marks)
        self.timers.add(last_ms + self.offsets[upcoming], rows, last_ms)
