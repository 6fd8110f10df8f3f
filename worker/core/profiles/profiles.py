"""Profiles: what is remembered of every user of one partition, one row of float64 a user (layout names the columns).

`Profiles.apply` takes a batch's events through the rows (rounds says how they lie side by side, update what each of them does)
and returns the state after each event.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worker.core.profiles import layout as at
from worker.core.profiles.event_columns import EventColumns, Flags, Floats, Ints, Rules
from worker.core.profiles.rounds import Rounds, chains_of
from worker.core.profiles.update import advance


@dataclass(slots=True)
class Applied:
    """What a batch of n events did to u users' profiles."""

    users: Ints  # u rows of the table that the batch touched, ascending
    before: Ints  # u: where in `states` their state before the batch stands
    states: Floats  # WIDTH x m: a state a column, so that a profile column is one unbroken row
    first: int  # the states from here on are those after the fresh events, one each
    state_of_event: Ints  # n: where in `states` the state after an event stands
    duplicate: Flags  # n: an event id seen before; it changed nothing
    rounds: Rounds  # how the states lie
    last: Ints  # u: where in `states` their state after the batch stands


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
        for user in dict.fromkeys(user_ids):
            if user not in known:
                self._add(user)
        return np.fromiter(map(known.__getitem__, user_ids), np.int64, len(user_ids))

    def reserve(self, users: int) -> None:
        """Make room for so many users at once."""
        if users > len(self.rows):
            grown = np.zeros((users, at.WIDTH))
            grown[: len(self.rows)] = self.rows
            self.rows = grown

    def _add(self, user: str) -> None:
        if self._free:
            row = self._free.pop()
            self.user_of[row] = user
        else:
            row = len(self.user_of)
            self.user_of.append(user)
            if row == len(self.rows):
                self.reserve(max(1024, row * 3 // 2))
        self.row_of[user] = row

    def apply(self, rows: Ints, events: EventColumns) -> Applied:
        """Take the events, in order, through the rows of their users."""
        users, user = np.unique(rows, return_inverse=True)
        before = self.rows[users]
        chains = chains_of(user, before, events, self.rules.time_to_live_ms)
        rounds = Rounds(chains.of_event, len(chains.owner), ~chains.duplicate)
        states = np.empty((at.WIDTH, rounds.columns))
        known = rounds.before[: len(users)]
        states[:, known] = before.T
        states[:, rounds.before[len(users) :]] = 0.0
        advance(states, events.take(rounds.event), rounds, self.rules)
        last = known.copy()
        last[chains.owner] = rounds.last  # where a user has several chains the last one counts
        self.rows[users] = states[:, last].T
        return Applied(users, known, states, rounds.chains, rounds.of_event, chains.duplicate, rounds, last)

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
