"""What an event does to its user's profile, worked out for all events of a turn at once.

`advance` is given the states before (WIDTH rows, the profile's columns; one column a chain) and fills in the state after every event. What an event
changes depends on the state before it in few ways, and each way is one pass over the rounds (rounds.py) for many profile columns together:
the latest value of something, the largest of it, a sum that fades or starts again, a set. Each pass is elementwise over the events of a round, so a
state comes out the same however the input is cut into batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.core.profiles import layout as at
from worker.core.profiles.event_columns import LATEST, VIEW_ITEM, EventColumns, Rules
from worker.core.profiles.layout import EVENT_RING, HALF_LIVES_MS, N_HALF_LIVES, N_KINDS, OUTCOMES
from worker.core.profiles.rounds import Rounds
from worker.core.profiles.trade import PRICE_COLUMNS, TRADE_COLUMNS, cart_value, prices, trade
from worker.core.settings import DAY_MS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_LARGEST = [*range(at.LAST_OF, at.LAST_OF + N_KINDS), *range(at.OUTCOME, at.OUTCOME + OUTCOMES), at.DAY]
_RING = slice(at.EVENTS, at.EVENTS + EVENT_RING)
_SEEN = slice(at.CATEGORY, at.CATEGORY + LATEST)
_SETS = slice(at.CATEGORIES, at.CATEGORIES + 2)  # of categories and of paths
_KINDS = np.arange(N_KINDS)[:, None]

_HALF_OF = np.tile(np.arange(N_HALF_LIVES), N_KINDS)
_HALVES = np.arange(N_HALF_LIVES)
_SESSION_SUMS = [*range(at.IN_SESSION, at.IN_SESSION + N_KINDS), at.CART_VALUE, at.REPEATS]  # they begin again with every session
_SUMS = [*range(at.COUNTERS, at.COUNTERS + N_KINDS * N_HALF_LIVES), *_SESSION_SUMS, at.SESSIONS, at.DAYS]


@dataclass(slots=True)
class Moment:
    """How each of n events stands to the one before it."""

    before: Floats  # time of the user's latest event before
    new: Flags  # there is none
    passed_ms: Floats  # since then; below 0 for a late event
    late: Flags


def advance(states: Floats, events: EventColumns, rounds: Rounds, rules: Rules) -> None:
    """Fill in the events' columns of `states`; `events` are in the order of columns."""
    first, previous, chain = rounds.chains, rounds.previous, rounds.chain
    after = states[:, first:]  # a view: the states after each event
    moment = _moment(states, events, rounds)
    starts = _sessions(states, events, rounds, moment, rules.session_gap_ms)
    kind, deals = trade(states, events, rounds)
    priced = prices(states, events, rounds)
    of_kind = kind == _KINDS
    _remember(states, events, rounds, rules, moment, of_kind, {"session": starts, "trade": deals, "price": priced})
    _add_up(states, events, rounds, kind, moment, starts)
    _collect(states, events, rounds, moment.late, starts)
    after[at.TOTAL] = states[at.TOTAL, chain] + (rounds.nth + 1)
    after[at.OFFSET] = events.offset
    # the path before the latest one
    path, was = events.latest[at.PATH - at.CATEGORY], states[at.PATH, previous]
    moved = (path != 0) & ~moment.late & (path != was)
    _put(states[at.PATH_BEFORE], was, rounds.latest(moved))


def _put(row: Floats, values: Ints | Floats, latest: Ints) -> None:
    """Fill in the events' part of a profile column: `values` (n) are what each event would set, `latest` (n) the column of the event that did."""
    after = row[len(row) - len(values) :]
    after[:] = values
    after[:] = row[latest]


def _moment(states: Floats, events: EventColumns, rounds: Rounds) -> Moment:
    last = states[at.LAST]
    last[rounds.chains :] = events.time_ms
    if (events.time_ms < last[rounds.previous]).any():
        rounds.carry(np.maximum, last)
    before = last[rounds.previous]
    new = before == 0
    passed = np.where(new, 0.0, events.time_ms - before)
    return Moment(before, new, passed, passed < 0)


def _sessions(states: Floats, events: EventColumns, rounds: Rounds, moment: Moment, gap_ms: int) -> Flags:
    """Which events start a session: after a gap, or with a session id of their own."""
    apart, named = moment.new | (moment.passed_ms > gap_ms), events.session != 0
    _put(states[at.SESSION], events.session, rounds.latest(~moment.late & (apart | named)))
    return np.asarray(~moment.late & (apart | (named & (events.session != states[at.SESSION, rounds.previous]))))


def _remember(states: Floats, events: EventColumns, rounds: Rounds, rules: Rules, moment: Moment, of_kind: Flags, set_by: dict[str, Flags]) -> None:
    """Columns that hold the largest of something, and those that hold the latest: that is a maximum, too, of the columns of the events that set it.

    `set_by` says which events (n, or a row a profile column) set a group of profile columns; more groups join it here.
    """
    first, time, on_time = rounds.chains, events.time_ms, ~moment.late
    places = states[at.TOTAL, rounds.chain] + rounds.nth  # the next place in the ring of event ids
    set_by |= {
        "name": on_time,
        "first": moment.new,
        "last price": on_time & set_by["price"],
        "seen": on_time & (events.latest != 0),
        "ring": (places % EVENT_RING == np.arange(EVENT_RING)[:, None]) & (events.event != 0),
    }
    watched = np.zeros((OUTCOMES, len(time)))
    for row, name in zip(watched, rules.watched, strict=False):
        row[:] = time * (events.name == name)
    earliest = np.where(moment.late, -time, -np.inf)  # a late event may be the earliest: the smallest time is the largest negative one
    flags = np.vstack(list(set_by.values()))
    values = np.vstack([of_kind * time, watched, time // DAY_MS, earliest])
    table = np.empty((len(flags) + len(values), rounds.columns))
    setters, largest = table[: len(flags)], table[len(flags) :]
    setters[:] = np.arange(rounds.columns)
    setters[:, first:] *= flags
    largest[:-1, :first], largest[-1, :first] = states[_LARGEST, :first], -np.inf
    largest[:, first:] = values
    rounds.carry(np.maximum, table)
    states[_LARGEST, first:] = largest[:-1, first:]
    sizes = [len(np.atleast_2d(flag)) for flag in set_by.values()]
    latest = np.split(setters[:, first:].astype(np.int64), np.cumsum(sizes)[:-1])
    _put_latest(states, events, rounds, moment, dict(zip(set_by, latest, strict=True)))
    np.minimum(states[at.FIRST, first:], -largest[-1, first:], out=states[at.FIRST, first:])


def _put_latest(states: Floats, events: EventColumns, rounds: Rounds, moment: Moment, latest: dict[str, Ints]) -> None:
    """Columns that hold the latest of something; `latest` says of each group which columns of `states` are those of the events that set it."""
    start, name = latest["session"][0], latest["name"][0]
    _put(states[at.SESSION_START], events.time_ms, start)
    _put(states[at.SESSION_BEFORE], np.where(moment.new, 0.0, moment.before - states[at.SESSION_START, rounds.previous]), start)
    _put(states[at.GAP], moment.passed_ms, start)
    _put(states[at.NAME], events.name, name)
    _put(states[at.NAME_BEFORE], states[at.NAME, rounds.previous], name)
    _put(states[at.FIRST], events.time_ms, latest["first"][0])
    _put(states[at.LAST_PRICE], events.price, latest["last price"][0])
    for row, values, index in zip(states[_SEEN], events.latest, latest["seen"], strict=True):
        _put(row, values, index)
    for row, index in zip(states[_RING], latest["ring"], strict=True):
        _put(row, events.event, index)
    for columns, group in ((TRADE_COLUMNS, "trade"), (PRICE_COLUMNS, "price")):  # their values are there already
        for column in columns:
            states[column, rounds.chains :] = states[column, latest[group][0]]


def _add_up(states: Floats, events: EventColumns, rounds: Rounds, kind: Ints, moment: Moment, starts: Flags) -> None:
    """Sums: counters, which fade to the event and count it; what was done in the session; how often and on how many days the user came.

    Of each sum so much is kept and so much is added. A row an event and a column a sum: so the events of a round are one unbroken block.
    """
    first, previous, count = rounds.chains, rounds.previous, len(kind)
    rows, counters = np.arange(count), N_KINDS * N_HALF_LIVES
    in_session = events.time_ms >= states[at.SESSION_START, first:]
    item = events.latest[at.ITEM - at.CATEGORY]
    kept = np.ones((count, len(_SUMS)))
    kept[:, :counters] = np.exp2(-np.maximum(moment.passed_ms, 0)[:, None] / HALF_LIVES_MS)[:, _HALF_OF]
    kept[:, counters : counters + len(_SESSION_SUMS)] = ~starts[:, None]
    added = np.zeros_like(kept)
    # a late event counts what it is still worth today
    added[rows[:, None], kind[:, None] * N_HALF_LIVES + _HALVES] = np.exp2(np.minimum(moment.passed_ms, 0)[:, None] / HALF_LIVES_MS)
    added[rows, counters + kind] = in_session
    added[:, counters + N_KINDS] = cart_value(events, kind, in_session)
    added[:, counters + N_KINDS + 1] = (kind == VIEW_ITEM) & ~moment.late & (item != 0) & (item == states[at.ITEM, previous])
    added[:, counters + N_KINDS + 2] = starts
    added[:, counters + N_KINDS + 3] = states[at.DAY, first:] > states[at.DAY, previous]
    sums = np.empty((rounds.columns, len(_SUMS)))
    sums[:first] = states[_SUMS, :first].T
    for before, now, own in rounds.blocks:
        here = sums[now]
        np.multiply(sums[before], kept[own], out=here)
        here += added[own]
    states[_SUMS, first:] = sums[first:].T


def _collect(states: Floats, events: EventColumns, rounds: Rounds, late: Flags, starts: Flags) -> None:
    """Sets of the categories seen, and of the paths seen in the session."""
    first = rounds.chains
    bits = events.bits
    if late.any():
        bits = bits.copy()
        bits[1, late & (events.time_ms < states[at.SESSION_START, first:])] = 0  # a path of an earlier session
    kept = np.full_like(bits, -1)
    kept[1, starts] = 0
    sets = np.empty((2, rounds.columns), dtype=np.int64)
    sets[:, :first] = states[_SETS, :first]
    for before, now, own in rounds.blocks:
        here = sets[:, now]
        np.bitwise_and(sets[:, before], kept[:, own], out=here)
        here |= bits[:, own]
    states[_SETS, first:] = sets[:, first:]
