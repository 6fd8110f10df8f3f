"""What portraits need beside profiles, one row of float64 a user: favourite categories, usual hours, consent and time zone.

The rows live beside those of profiles and only where segments or triggers are configured; they follow the same rounds (profiles/rounds.py), so that the
state after every event is there, and comes out the same however the input is cut. A row takes 38 numbers, 304 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.core.events.hashing import stable_hash
from worker.core.profiles.rounds import Rounds
from worker.core.settings import DAY_MS, HOUR_MS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAVOURITES = 5  # categories whose share is followed; a new one takes the place of the lightest
HOURS_OF_DAY = 24
HALF_LIFE_MS = 28 * DAY_MS

INTERESTS_VERSION = 1
CATEGORY = 0  # hashes
WEIGHT = CATEGORY + FAVOURITES  # events with the category, faded to AS_OF
AS_OF = WEIGHT + FAVOURITES  # time of the latest event with a category
CONSENT = AS_OF + 1  # hash of what was said last, 0 = nothing yet
CONSENT_MS = CONSENT + 1  # when that was
ZONE = CONSENT_MS + 1  # hash of the time zone's name, 0 = none given
HOURS = ZONE + 1  # events in each hour of the day, UTC
WIDTH = HOURS + HOURS_OF_DAY

GRANTED, DENIED, UNSUBSCRIBED = (stable_hash(word) for word in ("granted", "denied", "unsubscribed"))
_SAID = np.array([GRANTED, DENIED, UNSUBSCRIBED], dtype=np.int64)


@dataclass(slots=True)
class Traces:
    """The columns of n events that interests are made of; hashes are 0 where absent."""

    time_ms: Floats
    category: Ints
    consent: Ints
    zone: Ints

    def take(self, index: Ints) -> Traces:
        """The events at `index`."""
        return Traces(self.time_ms[index], self.category[index], self.consent[index], self.zone[index])


def advance(states: Floats, events: Traces, rounds: Rounds) -> None:
    """Fill in the rows of `states` [columns of rounds, WIDTH] that stand for the state after each event; `events` are in the order of columns."""
    first = rounds.chains
    tells = (events.category != 0, np.isin(events.consent, _SAID), events.zone != 0)
    steps = (_categorise, _consent, _settle)
    rows = states[:first].copy()
    telling = np.flatnonzero(tells[0] | tells[1] | tells[2])
    for index in rounds.apart(telling) if len(telling) else []:
        chain = rounds.chain[index]
        for flagged, step in zip(tells, steps, strict=True):
            which = flagged[index]
            if which.any():
                now = rows[chain[which]]
                step(now, events, index[which])
                rows[chain[which]] = now
        states[first + index, :HOURS] = rows[chain, :HOURS]
    states[first:, :HOURS] = states[rounds.latest(tells[0] | tells[1] | tells[2]), :HOURS]
    _count_hours(states, (events.time_ms // HOUR_MS).astype(np.int64) % HOURS_OF_DAY, rounds)


def _count_hours(states: Floats, hour: Ints, rounds: Rounds) -> None:
    """Whole numbers, whose sums are exact in any order."""
    order = np.argsort(rounds.chain, kind="stable")
    chain = rounds.chain[order]
    counts = np.zeros((len(order) + 1, HOURS_OF_DAY))
    counts[np.arange(len(order)) + 1, hour[order]] = 1
    np.cumsum(counts, axis=0, out=counts)
    begins = np.searchsorted(chain, chain)
    states[rounds.chains + order, HOURS:] = states[chain, HOURS:] + (counts[1:] - counts[begins])


def _categorise(rows: Floats, events: Traces, index: Ints) -> None:
    """Fade the weights to the event, and add it to its category's; a late event counts what it is still worth."""
    category, time_ms = events.category[index], events.time_ms[index]
    passed_ms = time_ms - rows[:, AS_OF]
    weights = rows[:, WEIGHT : WEIGHT + FAVOURITES] * np.exp2(-np.maximum(passed_ms, 0) / HALF_LIFE_MS)[:, None]
    known = rows[:, CATEGORY : CATEGORY + FAVOURITES] == category[:, None]
    place = np.where(known.any(axis=1), known.argmax(axis=1), weights.argmin(axis=1))
    each = np.arange(len(rows))
    weights[each, place] = np.where(known.any(axis=1), weights[each, place], 0.0) + np.exp2(np.minimum(passed_ms, 0) / HALF_LIFE_MS)
    rows[each, CATEGORY + place] = category
    rows[:, WEIGHT : WEIGHT + FAVOURITES] = weights
    rows[:, AS_OF] = np.maximum(rows[:, AS_OF], time_ms)


def _consent(rows: Floats, events: Traces, index: Ints) -> None:
    """What was said last counts, by the events' own times."""
    later = events.time_ms[index] >= rows[:, CONSENT_MS]
    rows[later, CONSENT] = events.consent[index][later]
    rows[later, CONSENT_MS] = events.time_ms[index][later]


def _settle(rows: Floats, events: Traces, index: Ints) -> None:
    rows[:, ZONE] = events.zone[index]


def favourites(rows: Floats) -> list[list[tuple[int, float]]]:
    """Each row's categories (hashes) with their shares of the weight that is followed, the largest first."""
    out: list[list[tuple[int, float]]] = []
    for row in rows:
        weights = row[WEIGHT : WEIGHT + FAVOURITES]
        order = np.argsort(-weights, kind="stable")
        total = float(weights.sum())
        out.append([(int(row[CATEGORY + i]), float(weights[i]) / total) for i in order.tolist() if weights[i] > 0])
    return out
