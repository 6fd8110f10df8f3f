"""Rounds: how the events of a turn lie side by side, so that what passes from one event of a user to the next is worked out for all users at once.

A chain is what happened to one profile in a turn: its fresh events in order. `chains_of` finds them; nearly always a chain is a user, but a user whose
time to live passed within the turn goes on as somebody new, in another chain. Duplicates belong to no chain: they change nothing.

`Rounds` gives every chain one column for its state before the turn and every event one for the state after it: first the states before, then the
first events of all chains (round 1), then the second ones, and so on. Chains are numbered by falling length, so each round is one unbroken
block, and what came before each of its events stands in the same order at the beginning of the block before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.profiles import layout as at
from worker.core.profiles.event_columns import EventColumns, Flags, Floats, Ints
from worker.core.profiles.layout import EVENT_RING

_RING = slice(at.EVENTS, at.EVENTS + EVENT_RING)


@dataclass(slots=True)
class Chains:
    """n events told apart: c chains, of which the first u are those of the turn's u users."""

    of_event: Ints  # n: the chain of each event; of a duplicate the chain that it would have continued
    duplicate: Flags  # n: an event id seen before
    owner: Ints  # c: the user of each chain, 0 … u - 1; beyond the first u, chains begin with an empty profile


def chains_of(user: Ints, before: Floats, events: EventColumns, time_to_live_ms: int) -> Chains:
    """Find duplicates, and users who were silent beyond their time to live between two events.

    `user` int64[n] numbers the users of the events 0 … u - 1, `before` float64[u, WIDTH] are their profiles. Whoever may be concerned is found for all
    at once; only their events are then looked at one by one.
    """
    chains = Chains(user.copy(), np.zeros(len(user), dtype=np.bool_), np.arange(len(before)))
    if not len(user):
        return chains
    first = np.zeros(len(before), dtype=np.int64)
    first[user[::-1]] = np.arange(len(user))[::-1]
    since = np.where(before[:, at.TOTAL] > 0, before[:, at.LAST], events.time_ms[first])  # nobody's latest event is older
    identified = events.event != 0
    hashes = np.sort(events.event[identified])
    repeated = hashes[1:][hashes[1:] == hashes[:-1]]
    concerned = identified & (before[:, _RING][user] == events.event[:, None]).any(axis=1)
    concerned |= since[user] + time_to_live_ms < events.watermark_ms
    if len(repeated):
        concerned |= np.isin(events.event, repeated)
    if concerned.any():
        _walk(chains, np.flatnonzero(np.isin(user, user[concerned])), before, events, time_to_live_ms)
    return chains


def _walk(chains: Chains, index: Ints, before: Floats, events: EventColumns, time_to_live_ms: int) -> None:
    """Look at the events at `index` one by one."""
    users, owner = chains.of_event[index], chains.owner.tolist()
    states = {user: (float(before[user, at.LAST]), int(before[user, at.TOTAL]), before[user, _RING].tolist(), user) for user in set(users.tolist())}
    columns = (events.event[index].tolist(), events.time_ms[index].tolist(), events.watermark_ms[index].tolist())
    for i, user, code, time, watermark in zip(index.tolist(), users.tolist(), *columns, strict=True):
        latest, total, codes, chain = states[user]
        if total and latest + time_to_live_ms < watermark:  # a new user, with an empty profile as one never seen
            latest, total, codes, chain = 0.0, 0, [0.0] * EVENT_RING, len(owner)
            owner.append(user)
        chains.of_event[i] = chain
        if code and code in codes:
            chains.duplicate[i] = True
            continue
        if code:
            codes[total % EVENT_RING] = code
        states[user] = (max(latest, time), total + 1, codes, chain)
    chains.owner = np.array(owner, dtype=np.int64)


class Rounds:
    """The columns of c chains and their n fresh events. What is said of n is in the order of columns, after the first c."""

    def __init__(self, chain: Ints, chains: int, fresh: Flags) -> None:
        """`chain` int64[m] is the chain of each event in the order of arrival, `fresh` bool[m] says which of them are no duplicates."""
        counts = np.bincount(chain[fresh], minlength=chains)
        by_count = np.argsort(-counts, kind="stable")
        self.before = np.empty_like(by_count)  # c: the column of each chain's state before
        self.before[by_count] = np.arange(chains)
        chain = self.before[chain]
        by_chain = np.argsort(chain, kind="stable")
        passed = np.empty(len(chain), dtype=np.int64)  # fresh events of the chain up to each event
        passed[by_chain] = np.cumsum(fresh[by_chain])
        counts = counts[by_count]
        passed -= (np.cumsum(counts) - counts)[chain]
        sizes = np.bincount(passed[fresh])[1:]  # events of each round
        starts = np.concatenate([[0], chains + np.cumsum(sizes) - sizes])
        self.chains = chains
        self.columns = chains + int(sizes.sum())
        self.of_event = starts[passed] + chain  # m: the column of the state after each event, which a duplicate leaves as it was
        self.event = np.empty(self.columns - chains, dtype=np.int64)  # n: the event of each column after the first c
        self.event[self.of_event[fresh] - chains] = np.flatnonzero(fresh)
        self.nth = np.repeat(np.arange(len(sizes)), sizes)  # n, in the order of columns: how many events of the chain came before
        self.chain = np.arange(chains, self.columns) - np.repeat(starts[1:], sizes)  # n: the column of the chain's state before the turn
        self.previous = self.chain + np.repeat(starts[:-1], sizes)  # n: the column of the state before each event
        self.last = (starts[counts] + np.arange(chains))[self.before]  # c: the column of each chain's last state
        # of each round: the columns before its events, its own, and the same counted from the first event
        self.blocks = [
            (slice(before, before + size), slice(start, start + size), slice(start - chains, start - chains + size))
            for before, start, size in zip(starts[:-1].tolist(), starts[1:].tolist(), sizes.tolist(), strict=True)
        ]

    def carry(self, combine: np.ufunc, table: NDArray[Any]) -> None:
        """Combine each event's entry of `table` [..., columns] with the one before it, along every chain."""
        for before, now, _ in self.blocks:
            combine(table[..., before], table[..., now], out=table[..., now])

    def latest(self, flagged: Flags) -> Ints:
        """For each event (n) the column of the latest flagged event of its chain up to it, or of the state before."""
        index = np.arange(self.columns)
        index[self.chains :] *= flagged  # column 0 is never later than a chain's own
        self.carry(np.maximum, index)
        return index[self.chains :]

    def apart(self, events: Ints) -> list[Ints]:
        """Some events (ascending, counted in the order of columns) by rounds: none of a list follows another of it."""
        return np.split(events, np.flatnonzero(np.diff(self.nth[events])) + 1)
