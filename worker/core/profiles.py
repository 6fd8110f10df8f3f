"""Profiles: what is remembered of every user of one partition, one row of float64 a user (profile_layout names the columns).

`Profiles.apply` takes a batch's events through the rows in rounds (profile_update) and returns the state after each event.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worker.core import profile_layout as at
from worker.core.profile_update import EventColumns, Flags, Floats, Ints, Rules, advance


@dataclass(slots=True)
class Applied:
    """What a batch of n events did to u users' profiles."""

    users: Ints  # u rows of the table that the batch touched
    before: Floats  # u x WIDTH: their state before the batch
    states: Floats  # n x WIDTH: the state after each event, in an order of its own
    state_of_event: Ints  # n: where in `states` an event's state stands
    duplicate: Flags  # n: an event id seen before; it changed nothing


class Profiles:
    """A growing table of profiles with an index by user id."""

    def __init__(self, rules: Rules, capacity: int = 1024) -> None:
        self.rules = rules
        self.rows: Floats = np.zeros((capacity, at.WIDTH))
        self.row_of: dict[str, int] = {}
        self.user_of: list[str | None] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.row_of)

    @property
    def bytes(self) -> int:
        """Bytes held by the rows of the users that are remembered."""
        return len(self) * at.WIDTH * 8

    def rows_for(self, user_ids: list[str]) -> Ints:
        """The row of each user, new rows for new users."""
        known = self.row_of
        found = [known.get(user) for user in user_ids]
        if None in found:
            found = [self._add(user) if row is None else row for user, row in zip(user_ids, found, strict=True)]
        return np.array(found, dtype=np.int64)

    def _add(self, user: str) -> int:
        row = self.row_of.get(user)
        if row is not None:  # added by an earlier event of the same batch
            return row
        if self._free:
            row = self._free.pop()
            self.user_of[row] = user
        else:
            row = len(self.user_of)
            self.user_of.append(user)
            if row == len(self.rows):
                grown = np.zeros((max(1024, row * 3 // 2), at.WIDTH))
                grown[:row] = self.rows
                self.rows = grown
        self.row_of[user] = row
        return row

    def apply(self, rows: Ints, events: EventColumns) -> Applied:
        """Take the events, in order, through the rows of their users.

        A user's k-th event of the batch belongs to round k. Users are laid out by falling number of events,
        so that each round works on one unbroken block of rows.
        """
        users, user_of_event, counts = np.unique(rows, return_inverse=True, return_counts=True)
        by_count = np.argsort(-counts, kind="stable")
        place = np.empty_like(by_count)
        place[by_count] = np.arange(len(by_count))
        users, counts, user_of_event = users[by_count], counts[by_count], place[user_of_event]
        by_user = np.argsort(user_of_event, kind="stable")
        nth = np.empty(len(rows), dtype=np.int64)
        nth[by_user] = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        order = np.lexsort((user_of_event, nth))  # rounds one after the other, in each the users in their order
        state_of_event = np.empty_like(order)
        state_of_event[order] = np.arange(len(order))
        sizes = np.bincount(nth)

        events = events.take(order)
        work = self.rows[users]
        before = work.copy()
        states = np.empty((len(rows), at.WIDTH))
        duplicate = np.zeros(len(rows), dtype=np.bool_)
        start = 0
        for size in sizes:
            stop = start + size
            duplicate[start:stop] = advance(work[:size], events.cut(start, stop), self.rules)
            states[start:stop] = work[:size]
            start = stop
        self.rows[users] = work
        return Applied(users, before, states, state_of_event, duplicate[state_of_event])

    def forget(self, rows: Ints) -> list[str]:
        """Drop these users; returns their ids. Their rows are zeroed and used again."""
        gone: list[str] = []
        for row in rows.tolist():
            user = self.user_of[row]
            if user is not None:
                gone.append(user)
                del self.row_of[user]
                self.user_of[row] = None
                self._free.append(row)
        self.rows[rows] = 0.0
        return gone

    def longest_silent(self, count: int) -> Ints:
        """The rows of the `count` users whose latest event is oldest."""
        held = np.array(sorted(self.row_of.values()), dtype=np.int64)
        return held[np.argsort(self.rows[held, at.LAST], kind="stable")[:count]]
