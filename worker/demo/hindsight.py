"""The truth as it stands at the end of the day of an event, worked out like the truth itself.

A scorer learns from, and is judged on, one event a user and day, drawn evenly from that day. Such a draw looks ahead: a visit that ends
in a purchase has many events, so each of them is drawn more seldom. Probabilities learned from the draw are right for drawn events and too
low for all. To hold them to their own standard, an event is weighted by 1 / (events of its user that day) and set against what is
known of its outcome once that day, and so the weight, is known: sum(weight * (p - hindsight)) is then zero on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from worker.demo.behaviour import DAY_MS, NODE_INDEX, SLOT_MS, Behaviour, Floats, behaviour, week_position_ms
from worker.demo.flow import Week, everything, part_of, purchases, silence, week
from worker.demo.truth import quiet_weeks
from worker.demo.walk import NEVER_MS, Ints

_DAY_SLOTS = DAY_MS // SLOT_MS
_PARTS = 6  # of the half hour after midnight


@dataclass(frozen=True, slots=True)
class Remainders:
    """What a state at midnight promises, for each weekday that begins then (Monday first), float64[7, steps, kinds, states].

    `purchase` [7, 49, …]: that a purchase stands 6 days and so many half hours later. `quiet` [7, 49, …]: no event until then.
    `intent` [7, 7, …]: that a purchase stands so many times 5 minutes later. `churn` [7, 7, …]: no event in the 7 days that begin then.
    Purchases are over the wide states of `flow.purchases`, `copy` int64[states] leads to those that remember one.
    """

    purchase: Floats
    quiet: Floats
    intent: Floats
    churn: Floats
    copy: Ints


@cache
def remainders() -> Remainders:
    """The tables of the demo's customers, worked out once in a process."""
    return work_out_remainders(behaviour())


def work_out_remainders(chain: Behaviour) -> Remainders:
    """The tables of any chain."""
    buying, whole, quiet = purchases(chain), everything(chain), quiet_weeks(chain)
    intent, churn = [], []
    for slot in range(0, 7 * _DAY_SLOTS, _DAY_SLOTS):
        carry, move = part_of(buying.flow, slot, 1 / _PARTS), part_of(whole, slot, 1 / _PARTS)
        stands, moved = [np.broadcast_to(buying.bought[:, None], (*carry.shape[:2], 1))], np.broadcast_to(np.eye(len(chain.names)), move.shape)
        late = [quiet[slot][..., None]]
        for part in range(1, _PARTS + 1):
            stands.append(carry @ stands[-1])
            moved = moved @ move
            late.append(moved @ (quiet[slot] * (1 - part / _PARTS) + quiet[slot + 1] * part / _PARTS)[..., None])
        intent.append(np.stack(stands)[..., 0])
        churn.append(np.stack(late)[..., 0])
    ones = np.ones(len(chain.names))
    return Remainders(
        _week_less_a_day(week(buying.flow), buying.bought), _week_less_a_day(week(silence(chain)), ones), np.stack(intent), np.stack(churn), buying.copy
    )


def _week_less_a_day(steps: Week, end: Floats) -> Floats:
    """float64[7, 49, kinds, states]: from each midnight over 6 days and 0 to 48 half hours, applied to `end`."""
    days, ends = [], []
    for day in range(7):
        product = np.broadcast_to(np.eye(steps.steps.shape[-1]), steps.steps.shape[1:])
        reached = [product @ end]
        for slot in range(day * _DAY_SLOTS, (day + 1) * _DAY_SLOTS):
            product = product @ steps.at(slot)
            reached.append(product @ end)
        days.append(product)
        ends.append(np.stack(reached))
    result = []
    for day in range(7):
        six = days[day]
        for later in range(1, 6):
            six = six @ days[(day + later) % 7]
        result.append((six @ ends[(day + 6) % 7][..., None])[..., 0])
    return np.stack(result)


def look_back(who: Ints, node: Ints, time_ms: Ints, kind: Ints, state: Ints, midnight_ms: int, known: Remainders | None = None) -> Floats:
    """float64[n, 3] in the order of TARGETS: what all of a day's events, and `state` at its end, leave to be expected of each event's outcomes.

    `who`, `node`, `time_ms` int64[n] are all events of the day that ends at `midnight_ms`; `kind` and `state` int64[customers].
    """
    order = np.lexsort((time_ms, who))
    result = np.empty((len(who), 3))
    if len(who):
        result[order] = _in_order(who[order], node[order], time_ms[order], kind, state, midnight_ms, known or remainders())
    return result


def _in_order(who: Ints, node: Ints, at_ms: Ints, kind: Ints, state: Ints, midnight_ms: int, known: Remainders) -> Floats:
    """The same for rows sorted by customer and time."""
    rows, kinds, states = np.arange(len(who)), kind[who], state[who]
    begins = np.searchsorted(who, who, side="left")
    ends = np.searchsorted(who, who, side="right")
    bought = node == NODE_INDEX["purchase"]
    refunds = np.flatnonzero(node == NODE_INDEX["refund"])
    undone = np.maximum.accumulate(np.where(bought, rows, -1))[refunds]
    today = undone >= begins[refunds]
    refunded_ms = np.full(len(who), NEVER_MS)
    refunded_ms[undone[today]] = at_ms[refunds[today]]
    standing = np.cumsum(bought & (refunded_ms == NEVER_MS))
    still_to_come = standing[ends - 1] - standing

    weekday = int(week_position_ms(np.array([midnight_ms]))[0] // DAY_MS)
    remembered = known.copy[states]
    refundable = (remembered >= 0) & (still_to_come > 0)
    half_hours = _DAY_SLOTS - (midnight_ms - at_ms) / SLOT_MS
    purchase = _read(known.purchase[weekday], half_hours, kinds, np.where(refundable, remembered, states))
    purchase[still_to_come > refundable] = 1.0

    deadline_ms = at_ms + SLOT_MS
    parts = np.maximum(deadline_ms - midnight_ms, 0) / SLOT_MS * _PARTS
    upcoming = np.append(np.minimum.accumulate(np.where(bought, rows, len(who))[::-1])[::-1], len(who))[1:]
    coming = np.minimum(upcoming, len(who) - 1)
    soon = (upcoming < ends) & (at_ms[coming] <= deadline_ms) & (refunded_ms[coming] > deadline_ms)
    intent = _read(known.intent[weekday], parts, kinds, np.where(soon & (remembered >= 0), remembered, states))
    intent[soon & (remembered < 0)] = 1.0

    churn = np.where(
        parts > 0, _read(known.churn[weekday], parts, kinds, states), _read(known.quiet[weekday], np.minimum(half_hours + 1, _DAY_SLOTS), kinds, states)
    )
    churn[at_ms[ends - 1] > deadline_ms] = 0.0
    return np.column_stack([purchase, intent, churn])


def _read(table: Floats, step: Floats, kind: Ints, state: Ints) -> Floats:
    """Between the steps of a table [steps, kinds, states], in a straight line."""
    low = np.minimum(step.astype(np.int64), len(table) - 2)
    share = step - low
    return np.asarray(table[low, kind, state] * (1 - share) + table[low + 1, kind, state] * share, dtype=np.float64)
