"""What one event does to one profile, for many users at once.

`advance` takes the state rows of n different users and one event each, and changes the rows in place. It is called once a round:
the first event of every user of a batch, then the second, and so on. Every operation is elementwise over the rows,
so a row comes out the same however the input is cut into batches.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from worker.core import profile_layout as at
from worker.core.event_names import EVENT_NAMES
from worker.core.profile_layout import EVENT_RING, HALF_LIVES_MS, KIND_OF_EVENT, KINDS, N_HALF_LIVES, N_KINDS, ORDER_RING
from worker.core.settings import DAY_MS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

KIND_BY_NAME: Ints = np.array([KINDS.index(KIND_OF_EVENT.get(name, "other")) for name in EVENT_NAMES], dtype=np.int64)
OTHER, VIEW_ITEM, ADD_TO_CART, PURCHASE = (KINDS.index(k) for k in ("other", "view_item", "add_to_cart", "purchase"))
REFUND = EVENT_NAMES.index("refund")
SET_BITS = 52  # a set of hashes is one float64: as many bits as its whole numbers are exact to

_HALF_OF_COLUMN = np.tile(np.arange(N_HALF_LIVES), N_KINDS)
_HALVES = np.arange(N_HALF_LIVES)
_ORDERS = slice(at.ORDERS, at.ORDERS + ORDER_RING)
_ORDER_TIMES = slice(at.ORDER_TIMES, at.ORDER_TIMES + ORDER_RING)


@dataclass(slots=True)
class EventColumns:
    """The columns of n events that profiles are made of; times in epoch ms, hashes 0 and numbers NaN where absent."""

    time_ms: Floats
    watermark_ms: Ints  # of the partition when the event is applied
    name: Ints
    kind: Ints  # KIND_BY_NAME of the name
    offset: Ints
    event: Ints
    session: Ints
    order: Ints
    latest: Floats  # n x LATEST: hashes of category, path, country, device, medium and item
    bits: Ints  # n x 2: the category's and the path's bit in a 52-bit set
    price: Floats
    quantity: Floats
    revenue: Floats
    discount: Floats

    def take(self, index: Ints | Flags) -> EventColumns:
        """The events at `index`, as new columns."""
        return EventColumns(*(getattr(self, name)[index] for name in _FIELDS))

    def cut(self, start: int, stop: int) -> EventColumns:
        """The events from start to stop, as views."""
        return EventColumns(*(getattr(self, name)[start:stop] for name in _FIELDS))


_FIELDS = tuple(field.name for field in fields(EventColumns))
LATEST = at.ITEM - at.CATEGORY + 1


def set_bit(code: Ints) -> Ints:
    """A hash's bit in a set of SET_BITS, 0 for an absent value."""
    return np.where(code != 0, np.left_shift(1, code % SET_BITS), 0)


def decayed(counters: Floats, age_ms: Floats) -> Floats:
    """Counters (n x kinds * half-lives) as they stand `age_ms` (n) later."""
    factors = np.exp2(-age_ms[:, None] / HALF_LIVES_MS)
    return np.asarray(counters * factors[:, _HALF_OF_COLUMN])


@dataclass(frozen=True, slots=True)
class Rules:
    """What an event does depends on these: spans of time, and the event names whose latest time targets watch."""

    session_gap_ms: int
    time_to_live_ms: int
    watched: tuple[int, ...] = ()


def advance(state: Floats, events: EventColumns, rules: Rules) -> Flags:
    """Apply one event to each of n rows in place; returns which events were duplicates and changed nothing."""
    expired = state[:, at.LAST] + rules.time_to_live_ms < events.watermark_ms
    if expired.any():  # silent beyond the time to live: this is a new user, with an empty row as one never seen
        state[expired] = 0.0
    ring = state[:, at.EVENTS : at.EVENTS + EVENT_RING]
    duplicate = np.asarray((ring == events.event[:, None]).any(axis=1) & (events.event != 0))
    if duplicate.any():
        fresh = ~duplicate
        rows = state[fresh]
        _apply(rows, events.take(fresh), rules)
        state[fresh] = rows
    else:
        _apply(state, events, rules)
    return duplicate


def _apply(state: Floats, events: EventColumns, rules: Rules) -> None:
    rows = np.arange(len(state))
    time = events.time_ms
    last = state[:, at.LAST].copy()
    new = last == 0
    dt = np.where(new, 0.0, time - last)
    late = dt < 0
    any_late = bool(late.any())

    _remember_event(state, rows, events.event)
    _start_sessions(state, time, dt, last, new, late, events.session, rules.session_gap_ms)
    kind = _trade(state, time, events.kind, events)
    _count(state, rows, dt, any_late, kind, time)
    _see(state, kind, late, any_late, events)

    for number, name in enumerate(rules.watched):
        seen = events.name == name
        state[seen, at.OUTCOME + number] = np.maximum(state[seen, at.OUTCOME + number], time[seen])
    day = time // DAY_MS
    state[:, at.DAYS] += day > state[:, at.DAY]
    np.maximum(state[:, at.DAY], day, out=state[:, at.DAY])
    np.maximum(last, time, out=state[:, at.LAST])
    if new.any() or any_late:
        state[:, at.FIRST] = np.where(new, time, np.minimum(state[:, at.FIRST], time))
    state[:, at.TOTAL] += 1
    state[:, at.OFFSET] = events.offset


def _remember_event(state: Floats, rows: Ints, event: Ints) -> None:
    column = at.EVENTS + (state[:, at.TOTAL] % EVENT_RING).astype(np.int64)
    state[rows, column] = np.where(event != 0, event, state[rows, column])


def _start_sessions(state: Floats, time: Floats, dt: Floats, last: Floats, new: Flags, late: Flags, session: Ints, gap_ms: int) -> None:
    starts = np.flatnonzero(~late & (new | (dt > gap_ms) | ((session != 0) & (session != state[:, at.SESSION]))))
    if not len(starts):
        return
    rows = state[starts]
    rows[:, at.SESSION_BEFORE] = np.where(new[starts], 0, last[starts] - rows[:, at.SESSION_START])
    rows[:, at.GAP] = dt[starts]
    rows[:, at.SESSION_START] = time[starts]
    rows[:, at.SESSION] = session[starts]
    rows[:, at.SESSIONS] += 1
    rows[:, at.IN_SESSION : at.IN_SESSION + N_KINDS] = 0
    rows[:, [at.CART_VALUE, at.REPEATS, at.PATHS]] = 0
    state[starts] = rows


def _trade(state: Floats, time: Floats, kind: Ints, events: EventColumns) -> Ints:
    """Purchases, refunds and prices. Returns the kinds with repeated lines of one order turned into "other": an order buys once."""
    buys = np.flatnonzero(kind == PURCHASE)
    if len(buys):
        kind = kind.copy()
        order = np.where(events.order[buys] != 0, events.order[buys], 1)
        repeated = (state[buys][:, _ORDERS] == order[:, None]).any(axis=1) & (order != 1)
        kind[buys[repeated]] = OTHER
        once, order = buys[~repeated], order[~repeated]
        oldest = state[once][:, _ORDER_TIMES].argmin(axis=1)
        state[once, at.ORDERS + oldest] = order
        state[once, at.ORDER_TIMES + oldest] = time[once]
        state[once, at.PURCHASES] += 1
        state[buys, at.SPEND] += _value(events, buys)
    refunds = np.flatnonzero(events.name == REFUND)
    if len(refunds):
        _refund(state, refunds, events)
    priced = np.flatnonzero(~np.isnan(events.price))
    if len(priced):
        rows, price = state[priced], events.price[priced]
        rows[:, at.PRICES] += 1
        share = 1 / np.minimum(rows[:, at.PRICES], 20)
        rows[:, at.PRICE] += (price - rows[:, at.PRICE]) * share
        off = np.clip(np.nan_to_num(events.discount[priced]) / np.maximum(price, 0.01), 0, 1)
        rows[:, at.DISCOUNT] += (off - rows[:, at.DISCOUNT]) * share
        rows[:, at.LAST_PRICE] = np.where(time[priced] < rows[:, at.LAST], rows[:, at.LAST_PRICE], price)
        carted = (kind[priced] == ADD_TO_CART) & (time[priced] >= rows[:, at.SESSION_START])
        rows[:, at.CART_VALUE] += np.where(carted, price * np.nan_to_num(events.quantity[priced], nan=1.0), 0)
        state[priced] = rows
    return kind


def _value(events: EventColumns, index: Ints) -> Floats:
    stated = events.revenue[index]
    return np.nan_to_num(np.where(np.isnan(stated), events.price[index] * np.nan_to_num(events.quantity[index], nan=1.0), stated))


def _refund(state: Floats, refunds: Ints, events: EventColumns) -> None:
    """Take the refunded order back: the one named, or the latest where no order is named."""
    rows, order = state[refunds], events.order[refunds]
    times = rows[:, _ORDER_TIMES]
    named = np.where(order[:, None] != 0, rows[:, _ORDERS] == order[:, None], times == times.max(axis=1, keepdims=True)) & (times > 0)
    hit = np.flatnonzero(named.any(axis=1))
    slot = named[hit].argmax(axis=1)
    rows[hit, at.ORDERS + slot] = 0
    rows[hit, at.ORDER_TIMES + slot] = 0
    rows[hit, at.PURCHASES] = np.maximum(rows[hit, at.PURCHASES] - 1, 0)
    rows[:, at.SPEND] = np.maximum(rows[:, at.SPEND] - _value(events, refunds), 0)
    state[refunds] = rows


def _count(state: Floats, rows: Ints, dt: Floats, any_late: bool, kind: Ints, time: Floats) -> None:
    """Decay the counters to this event and count it; a late event counts what it is still worth today."""
    counters = slice(at.COUNTERS, at.COUNTERS + N_KINDS * N_HALF_LIVES)
    if (dt > 0).any():
        state[:, counters] = decayed(state[:, counters], np.maximum(dt, 0))
    columns = at.COUNTERS + kind[:, None] * N_HALF_LIVES + _HALVES
    state[rows[:, None], columns] += np.exp2(np.minimum(dt, 0)[:, None] / HALF_LIVES_MS) if any_late else 1.0
    state[rows, at.IN_SESSION + kind] += time >= state[:, at.SESSION_START]
    state[rows, at.LAST_OF + kind] = np.maximum(state[rows, at.LAST_OF + kind], time)


def _see(state: Floats, kind: Ints, late: Flags, any_late: bool, events: EventColumns) -> None:
    """The latest of each name, category and place; a late event does not replace what came after it."""
    latest = events.latest
    known = latest != 0
    bits = events.bits
    views = np.flatnonzero((kind == VIEW_ITEM) & ~late)
    if len(views):
        item = latest[views, at.ITEM - at.CATEGORY]
        state[views, at.REPEATS] += (item != 0) & (item == state[views, at.ITEM])
    if any_late:
        known &= ~late[:, None]
        state[:, at.NAME_BEFORE] = np.where(late, state[:, at.NAME_BEFORE], state[:, at.NAME])
        state[:, at.NAME] = np.where(late, state[:, at.NAME], events.name)
        bits = bits.copy()
        bits[events.time_ms < state[:, at.SESSION_START], 1] = 0  # a path of an earlier session
    else:
        state[:, at.NAME_BEFORE] = state[:, at.NAME]
        state[:, at.NAME] = events.name
    path = at.PATH - at.CATEGORY
    moved = known[:, path] & (latest[:, path] != state[:, at.PATH])
    np.copyto(state[:, at.PATH_BEFORE], state[:, at.PATH], where=moved)
    np.copyto(state[:, at.CATEGORY : at.CATEGORY + LATEST], latest, where=known)
    sets = state[:, at.CATEGORIES : at.CATEGORIES + 2].astype(np.int64)
    sets |= bits
    state[:, at.CATEGORIES : at.CATEGORIES + 2] = sets
