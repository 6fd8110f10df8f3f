"""What a turn's events did, kept for the turn: the state of any user as it stood when the watermark had come to a given time.

Timers due within a turn must see the world as of their own time, not as of the turn's end; that is what makes the outcome of a
turn independent of how the input was cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.core.profiles import layout as at
from worker.core.profiles.profiles import Applied, Profiles

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(slots=True)
class Intervals:
    """Stretches of a turn in which a user's state did not change: m of them, by user and time."""

    row: Ints  # profile row
    state: Ints  # where among the turn's states (Applied.states) it stands
    last_ms: Ints  # time of the user's latest event then
    until_ms: Ints  # the watermark at which the stretch ended: that of the user's next event, or of the turn's end
    after: Ints  # index of the event that the stretch follows; -1 for the stretch before the user's first event of the turn


class History:
    """The states before, between and after a turn's n events."""

    def __init__(self, profiles: Profiles, applied: Applied, rows: Ints, watermark_ms: Ints) -> None:
        self.profiles = profiles
        self.applied = applied
        self.watermark_ms = watermark_ms
        self.count = len(rows)
        self.order = np.argsort(rows, kind="stable")
        self.row = rows[self.order]
        self.key = self.row * (self.count + 1) + self.order
        self.users = applied.users

    def columns_at(self, rows: Ints, time_ms: Ints, columns: list[int]) -> Floats:
        """The given profile columns of `rows` (m) as they stood when the watermark had come to `time_ms` (m) and no further: m x columns."""
        out = self.profiles.rows[rows[:, None], columns]
        if not self.count:
            return out
        touched = np.searchsorted(self.users, rows)
        touched[touched == len(self.users)] = 0
        here = np.flatnonzero(self.users[touched] == rows)
        if not len(here):
            return out
        out[here] = self._states(self.applied.before[touched[here]], columns)
        seen = np.searchsorted(self.watermark_ms, time_ms[here], side="right")
        last = np.searchsorted(self.key, rows[here] * (self.count + 1) + seen) - 1
        known = (last >= 0) & (self.row[last] == rows[here])
        out[here[known]] = self._states(self.applied.state_of_event[self.order[last[known]]], columns)
        return out

    def latest_events(self, rows: Ints, time_ms: Ints) -> Ints:
        """The turn's latest event of each of `rows` (m) when the watermark had come to `time_ms` (m) and no further, -1 where there was none."""
        if not self.count:
            return np.full(len(rows), -1, dtype=np.int64)
        seen = np.searchsorted(self.watermark_ms, time_ms, side="right")
        last = np.searchsorted(self.key, rows * (self.count + 1) + seen) - 1
        return np.where((last >= 0) & (self.row[last] == rows), self.order[last], -1)

    def _states(self, index: Ints, columns: list[int]) -> Floats:
        """The given profile columns of the turn's states at `index` (m): m x columns."""
        return self.applied.states[columns, index[:, None]]

    def reached(self, rows: Ints, opens_ms: Ints, closes_ms: Ints, since_ms: Ints, columns: list[int]) -> NDArray[np.bool_]:
        """Whether one of the columns of `rows` (m) ever stood in (opens, closes], from the state at the watermark `since` on.

        Looks at every state of the turn, so that what happened and was taken back within one turn is seen as it is where they are two.
        """
        out = _within(self.columns_at(rows, np.minimum(since_ms, closes_ms), columns), opens_ms, closes_ms)
        low, high = np.searchsorted(self.row, rows, side="left"), np.searchsorted(self.row, rows, side="right")
        which = np.repeat(np.arange(len(rows)), high - low)
        if not len(which):
            return out
        nth = np.arange(len(which)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
        events = self.order[low[which] + nth]
        passed = self.watermark_ms[events]
        seen = (passed > since_ms[which]) & (passed <= closes_ms[which])
        states = self._states(self.applied.state_of_event[events[seen]], columns)
        which = which[seen]
        out[which[_within(states, opens_ms[which], closes_ms[which])]] = True
        return out

    def intervals(self, end_ms: int) -> Intervals:
        """Every stretch of unchanged state of the users whom the turn touched, up to the watermark `end_ms`."""
        row, order = self.row, self.order
        reached = self.watermark_ms[order]
        opens = np.concatenate([[True], row[1:] != row[:-1]]) if self.count else np.zeros(0, dtype=np.bool_)
        until = np.full(self.count, end_ms, dtype=np.int64)
        until[:-1][~opens[1:]] = reached[1:][~opens[1:]]
        starts = np.flatnonzero(opens)
        last_ms = self.applied.states[at.LAST].astype(np.int64)
        before = self.applied.before
        known = last_ms[before] > 0
        at_event = np.arange(self.count) * 2 + 1
        place = np.argsort(np.concatenate([starts[known] * 2, at_event]), kind="stable")
        state = np.concatenate([before[known], self.applied.state_of_event[order]])[place]
        return Intervals(
            row=np.concatenate([self.users[known], row])[place],
            state=state,
            last_ms=last_ms[state],
            until_ms=np.concatenate([reached[starts[known]], until])[place],
            after=np.concatenate([np.full(int(known.sum()), -1, dtype=np.int64), order])[place],
        )


def _within(times: Floats, opens_ms: Ints, closes_ms: Ints) -> NDArray[np.bool_]:
    return np.asarray(((times > opens_ms[:, None]) & (times <= closes_ms[:, None])).any(axis=1))
