"""What trade does to profiles: orders, refunds and prices. Few events are trade, so these are taken round by round on their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.core.profiles import layout as at
from worker.core.profiles.event_columns import ADD_TO_CART, OTHER, PURCHASE, REFUND, EventColumns
from worker.core.profiles.layout import ORDER_RING
from worker.core.profiles.rounds import Rounds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

TRADE_COLUMNS = [*range(at.ORDERS, at.ORDERS + ORDER_RING), *range(at.ORDER_TIMES, at.ORDER_TIMES + ORDER_RING), at.PURCHASES, at.SPEND]
PRICE_COLUMNS = [at.PRICES, at.PRICE, at.DISCOUNT]
PRICES_WEIGHED = 20  # a running mean of prices forgets as if it were one of so many
_ORDERS, _TIMES, _PURCHASES, _SPEND = slice(0, ORDER_RING), slice(ORDER_RING, 2 * ORDER_RING), 2 * ORDER_RING, 2 * ORDER_RING + 1


def trade(states: Floats, events: EventColumns, rounds: Rounds) -> tuple[Ints, Flags]:
    """Purchases and refunds: fills in TRADE_COLUMNS of the events that are one, which the second result flags.

    The first result is the events' kinds with repeated lines of one order turned into "other": an order buys once.
    """
    kind = events.kind
    flagged = np.asarray((kind == PURCHASE) | (events.name == REFUND))
    deals = np.flatnonzero(flagged)
    if len(deals):
        kind = kind.copy()
        now = states[TRADE_COLUMNS, : rounds.chains].T.copy()
        for index in rounds.apart(deals):
            chain = rounds.chain[index]
            rows = now[chain]
            buys = kind[index] == PURCHASE
            repeated = _buy(rows, np.flatnonzero(buys), index[buys], events)
            kind[index[repeated]] = OTHER
            _refund(rows, np.flatnonzero(~buys), index[~buys], events)
            now[chain] = rows
            for column, values in zip(TRADE_COLUMNS, rows.T, strict=True):
                states[column, rounds.chains + index] = values
    return kind, flagged


def _buy(rows: Floats, buys: Ints, index: Ints, events: EventColumns) -> Ints:
    """Place the orders of the events at `index` in the rows `buys`; returns the rows that repeat a line of an order that stands."""
    order = np.where(events.order[index] != 0, events.order[index], 1)
    repeated = (rows[buys, _ORDERS] == order[:, None]).any(axis=1) & (order != 1)
    once, placed = buys[~repeated], index[~repeated]
    oldest = rows[once, _TIMES].argmin(axis=1)
    rows[once, oldest] = order[~repeated]
    rows[once, ORDER_RING + oldest] = events.time_ms[placed]
    rows[once, _PURCHASES] += 1
    rows[buys, _SPEND] += _value(events, index)
    lines: Ints = buys[repeated]
    return lines


def _refund(rows: Floats, refunds: Ints, index: Ints, events: EventColumns) -> None:
    """Take the refunded orders back: the one named, or the latest where no order is named."""
    order, times = events.order[index], rows[refunds, _TIMES]
    latest = times == times.max(axis=1, keepdims=True)
    named = np.where(order[:, None] != 0, rows[refunds, _ORDERS] == order[:, None], latest) & (times > 0)
    hit = np.flatnonzero(named.any(axis=1))
    place, row = named[hit].argmax(axis=1), refunds[hit]
    rows[row, place] = 0
    rows[row, ORDER_RING + place] = 0
    rows[row, _PURCHASES] = np.maximum(rows[row, _PURCHASES] - 1, 0)
    rows[refunds, _SPEND] = np.maximum(rows[refunds, _SPEND] - _value(events, index), 0)


def _value(events: EventColumns, index: Ints) -> Floats:
    stated = events.revenue[index]
    return np.nan_to_num(np.where(np.isnan(stated), events.price[index] * np.nan_to_num(events.quantity[index], nan=1.0), stated))


def cart_value(events: EventColumns, kind: Ints, in_session: Flags) -> Floats:
    """What each event (n) puts into the cart of its user's session: price x quantity."""
    carted = (kind == ADD_TO_CART) & in_session & ~np.isnan(events.price)
    return np.where(carted, events.price * np.nan_to_num(events.quantity, nan=1.0), 0.0)


def prices(states: Floats, events: EventColumns, rounds: Rounds) -> Flags:
    """Fill in PRICE_COLUMNS of the events that show a price, which the result flags: how many were seen, and running means of prices and discounts."""
    priced = ~np.isnan(events.price)
    shown = np.flatnonzero(priced)
    if len(shown):
        now = states[PRICE_COLUMNS, : rounds.chains].T.copy()
        for index in rounds.apart(shown):
            price, rows = events.price[index], now[rounds.chain[index]]
            off = np.clip(np.nan_to_num(events.discount[index]) / np.maximum(price, 0.01), 0, 1)
            rows[:, 0] += 1
            share = 1 / np.minimum(rows[:, 0], PRICES_WEIGHED)
            rows[:, 1] += (price - rows[:, 1]) * share
            rows[:, 2] += (off - rows[:, 2]) * share
            now[rounds.chain[index]] = rows
            for column, values in zip(PRICE_COLUMNS, rows.T, strict=True):
                states[column, rounds.chains + index] = values
    return priced
