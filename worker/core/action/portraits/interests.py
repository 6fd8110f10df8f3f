"""What portraits need beside profiles, one row of float64 a user: favourite categories, usual hours, consent and time zone.

The rows live beside those of profiles and only where segments or triggers are configured; they follow the same rounds (profiles/rounds.py), so that the
state after every event is there, and comes out the same however the input is cut. A row takes 38 numbers, 304 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.core.profiles.rounds import Rounds
from worker.core.settings import DAY_MS, HOUR_MS

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAVOURITES = 5  # categories whose share is followed; a new one takes the place of the lightest
HOURS_OF_DAY = 24
HALF_LIFE_MS = 28 * DAY_MS

INTERESTS_VERSION = 1
CATEGORY = 0  # hashes
WEIGHT = CATEGORY + FAVOURITES  # events with the category, faded to AS_OF
AS_OF = WEIGHT + FAVOURITES  # time of the latest event with a category
CONSENT = AS_OF + 1  # what was said last and in which form (guards/consent.py), 0 = nothing yet
CONSENT_MS = CONSENT + 1  # when that was
ZONE = CONSENT_MS + 1  # hash of the time zone's name, 0 = none given
HOURS = ZONE + 1  # events in each hour of the day, UTC
WIDTH = HOURS + HOURS_OF_DAY
_FOLLOWED = WEIGHT + FAVOURITES  # categories and their weights come first
_FIRST = 2.0**48  # later than any event: what is added to the time of what counts before everything that came later
FEW = 24  # events of a round that numpy is not worth its while for


@dataclass(slots=True)
class Traces:
    """The columns of n events that interests are made of; hashes are 0 where absent."""

    time_ms: Floats
    category: Ints
    consent: Ints  # numbers of guards/consent.py
    zone: Ints

    def take(self, index: Ints) -> Traces:
        """The events at `index`."""
        return Traces(self.time_ms[index], self.category[index], self.consent[index], self.zone[index])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be known after every event, because a condition reads it; the rest is worked out for the end of the turn alone."""

    favourites: bool = True
    hours: bool = True


def advance(states: Floats, events: Traces, rounds: Rounds, wanted: Wanted = Wanted()) -> None:
    """Fill in the rows of `states` [columns of rounds, WIDTH] that stand for the state after each event; `events` are in the order of columns.

    What is not wanted of favourites and hours is filled in only where a chain ends.
    """
    first = rounds.chains
    ends = np.empty(first, dtype=np.int64)  # of each chain, by the column of its state before the turn, the column of its last
    ends[rounds.before] = rounds.last
    seen = events.category != 0
    states[:, AS_OF] = _latest(states[:first, AS_OF], events.time_ms, seen, rounds)
    passed_ms = events.time_ms - states[rounds.previous, AS_OF]
    rows = _categorise(states, events, seen, passed_ms, rounds, each=wanted.favourites)
    if not wanted.favourites:
        states[ends, :_FOLLOWED] = rows

    said, weight = events.consent != 0, events.time_ms + _FIRST * (events.consent > 0)
    weights = _latest(states[:first, CONSENT_MS] + _FIRST * (states[:first, CONSENT] > 0), weight, said, rounds)
    states[:, CONSENT_MS] = np.where(weights < _FIRST, weights, weights - _FIRST)
    _keep(states, CONSENT, events.consent, said & (weight >= weights[rounds.previous]), rounds)
    _keep(states, ZONE, events.zone, events.zone != 0, rounds)
    hour = (events.time_ms // HOUR_MS).astype(np.int64) % HOURS_OF_DAY
    if wanted.hours:
        _count_hours(states, hour, rounds)
    else:
        counts = np.bincount(rounds.chain * HOURS_OF_DAY + hour, minlength=first * HOURS_OF_DAY)
        states[ends, HOURS:] = states[:first, HOURS:] + counts.reshape(first, HOURS_OF_DAY)


def _latest(before: Floats, time_ms: Floats, flagged: Flags, rounds: Rounds) -> Floats:
    """The latest of the flagged events' times, or the time before the turn, at every column."""
    times = np.concatenate([before, np.where(flagged, time_ms, 0.0)])
    if not flagged.any():
        times[rounds.chains :] = before[rounds.chain]
    elif (times[rounds.chains :] < times[rounds.previous]).any():  # else each is the latest already
        rounds.carry(np.maximum, times)
    return times


def _keep(states: Floats, column: int, values: Ints, flagged: Flags, rounds: Rounds) -> None:
    """A column that holds the value of the latest flagged event."""
    first = rounds.chains
    if flagged.all():
        states[first:, column] = values
        return
    states[first:, column] = np.where(flagged, values, states[rounds.chain, column])
    if flagged.any():
        states[first:, column] = states[rounds.latest(flagged), column]


def _count_hours(states: Floats, hour: Ints, rounds: Rounds) -> None:
    """Whole numbers, whose sums are exact in any order."""
    order = np.argsort(rounds.chain, kind="stable")
    chain = rounds.chain[order]
    counts = np.zeros((len(order) + 1, HOURS_OF_DAY))
    counts[np.arange(len(order)) + 1, hour[order]] = 1
    np.cumsum(counts, axis=0, out=counts)
    begins = np.searchsorted(chain, chain)
    states[rounds.chains + order, HOURS:] = states[chain, HOURS:] + (counts[1:] - counts[begins])


def _categorise(states: Floats, events: Traces, seen: Flags, passed_ms: Floats, rounds: Rounds, *, each: bool) -> Floats:
    """Fade the weights to each event, and add it to its category's; a late event counts what it is still worth. Gives what every chain ends with.

    What follows from times alone is worked out for all events at once. The rest goes round by round, and where few users have so many events, event by event.
    """
    first = rounds.chains
    fade, worth = np.exp2(-np.maximum(passed_ms, 0) / HALF_LIFE_MS), np.exp2(np.minimum(passed_ms, 0) / HALF_LIFE_MS)
    rows = states[:first, :_FOLLOWED].copy()
    parts = rounds.apart(np.flatnonzero(seen)) if seen.any() else []
    alone = next((number for number, index in enumerate(parts) if len(index) < FEW), len(parts))
    for index in parts[:alone]:
        chain = rounds.chain[index]
        now = rows[chain]
        weights = now[:, WEIGHT:_FOLLOWED] * fade[index, None]
        known = now[:, :WEIGHT] == events.category[index, None]
        followed = known.any(axis=1)
        place = np.where(followed, known.argmax(axis=1), weights.argmin(axis=1))
        own = np.arange(len(index))
        weights[own, place] = np.where(followed, weights[own, place], 0.0) + worth[index]
        now[own, place] = events.category[index]
        now[:, WEIGHT:_FOLLOWED] = weights
        rows[chain] = now
        if each:
            states[first + index, :_FOLLOWED] = now
    if alone < len(parts):
        index = np.concatenate(parts[alone:])
        columns = (rounds.chain[index], events.category[index].astype(np.float64), fade[index], worth[index])
        after = _one_by_one(rows, *(column.tolist() for column in columns))
        if each:
            states[first + index, :_FOLLOWED] = after
    if each and not seen.all():
        states[first:, :_FOLLOWED] = states[rounds.latest(seen), :_FOLLOWED]
    return rows


def _one_by_one(rows: Floats, chains: list[int], categories: list[float], fades: list[float], worths: list[float]) -> list[list[float]]:
    """The same for single events in their order; the same operations, so that the numbers are the same. `rows` are left as they end."""
    out: list[list[float]] = []
    own = list(dict.fromkeys(chains))
    now = {chain: (row[:WEIGHT], row[WEIGHT:]) for chain, row in zip(own, rows[own].tolist(), strict=True)}
    for chain, category, fade, worth in zip(chains, categories, fades, worths, strict=True):
        held, before = now[chain]
        weights = [weight * fade for weight in before]
        if category in held:
            weights[held.index(category)] += worth
        else:
            place = weights.index(min(weights))
            weights[place] = worth
            held = [*held[:place], category, *held[place + 1 :]]
        now[chain] = held, weights
        out.append(held + weights)
    rows[own] = [held + weights for held, weights in now.values()]
    return out


def favourites(rows: Floats) -> list[list[tuple[int, float]]]:
    """Each row's categories (hashes) with their shares of the weight that is followed, the largest first."""
    out: list[list[tuple[int, float]]] = []
    for row in rows:
        weights = row[WEIGHT : WEIGHT + FAVOURITES]
        order = np.argsort(-weights, kind="stable")
        total = float(weights.sum())
        out.append([(int(row[CATEGORY + i]), float(weights[i]) / total) for i in order.tolist() if weights[i] > 0])
    return out
