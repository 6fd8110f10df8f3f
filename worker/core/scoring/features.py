"""Features: profile states at an instant -> the active bins, one integer a slot (slots says which slots there are).

Everything is numpy over the whole batch. A state is read as it stands at the instant: counters decayed to it, ages counted to it,
the session over if the gap has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.profiles import layout as at
from worker.core.profiles.layout import HALF_LIVES_MS, KINDS, N_HALF_LIVES, N_KINDS
from worker.core.scoring.slots import (
    BINS_PER_CAUSE,
    COUNT_EDGES,
    GRADED,
    HASHED,
    NO_SESSION,
    SESSION_EDGES,
    SLOT_HALF_LIVES,
    SLOT_OF,
    SLOTS,
    VALUES,
    Slot,
)
from worker.core.settings import DAY_MS, HOUR_MS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bins = NDArray[np.int32]
Flags = NDArray[np.bool_]
Holidays = Callable[[Ints, Ints], Ints]  # (country hash, day since 1970) -> 0 unknown, 1 ordinary day, 2 eve of a holiday, 3 holiday

ADD_TO_CART, CHECKOUT, PAYMENT = (KINDS.index(k) for k in ("add_to_cart", "begin_checkout", "payment_info"))
MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(29))  # splitmix64's constants
HASHED_COLUMNS = {"category": at.CATEGORY, "path": at.PATH, "path_before": at.PATH_BEFORE, "country": at.COUNTRY, "device": at.DEVICE, "medium": at.MEDIUM}

_COUNTED = [k * N_HALF_LIVES + h for k in range(N_KINDS) for h in SLOT_HALF_LIVES]  # of the counters, those that have slots
_COUNTERS = slice(at.COUNTERS, at.COUNTERS + N_KINDS * N_HALF_LIVES)
_LAST_OF = slice(at.LAST_OF, at.LAST_OF + N_KINDS)
_IN_SESSION = slice(at.IN_SESSION, at.IN_SESSION + N_KINDS)
_HALF_OF = np.tile(np.arange(N_HALF_LIVES), N_KINDS)
_HASHED = {name for name, _ in HASHED}
SLOT_NUMBER = {slot.name: number for number, slot in enumerate(SLOTS)}
_BASES = np.array([[slot.base] for slot in SLOTS], dtype=np.int32)
_WEIGHTLESS = slice(1, 1 + len(GRADED) + len(VALUES))  # slots whose place 0 is the reference bin, which has no weight


_EDGES = {name: edges for name, _, edges in GRADED}
# The slots of single numbers by falling number of edges, where they stand in GRADED, and the first edges of all of them, the second ones, and so on.
_NUMBERS = sorted((name for name, _, _ in GRADED[len(_COUNTED) + 2 * N_KINDS :]), key=lambda name: -len(_EDGES[name]))
_NUMBER_ROWS = [SLOT_NUMBER[name] - 1 for name in _NUMBERS]
_NUMBER_EDGES = [np.array([[_EDGES[name][nth]] for name in _NUMBERS if len(_EDGES[name]) > nth], dtype=np.float64) for nth in range(len(_EDGES[_NUMBERS[0]]))]


def _cut(edges: Sequence[float], values: Floats) -> NDArray[np.int8]:
    """Bin of each value: how many edges are at or below it. One comparison an edge, of all values at once, is far faster than a search a value."""
    bins = np.zeros(values.shape, dtype=np.int8)
    for edge in edges:
        bins += (values >= edge).view(np.int8)
    return bins


def _cut_each(edges: Sequence[Floats], values: Floats) -> NDArray[np.int8]:
    """The same where each row of `values` has edges of its own, the first rows most of them: the nth of each that has one, one below the other."""
    bins = np.zeros(values.shape, dtype=np.int8)
    for nth in edges:
        bins[: len(nth)] += (values[: len(nth)] >= nth).view(np.int8)
    return bins


def _set_size(members: Floats) -> NDArray[np.uint8]:
    return np.bitwise_count(members.astype(np.int64))


def _grade(out: Bins, columns: Floats, time: Floats, session_gap_ms: int) -> None:
    """The places of GRADED's slots, in their order: `out` int32[slots, n]."""
    age = time - columns[at.LAST]
    active = age <= session_gap_ms
    counters = columns[_COUNTERS] * np.exp2(-age / HALF_LIVES_MS[:, None])[_HALF_OF]
    totals = counters.reshape(N_KINDS, N_HALF_LIVES, -1).sum(axis=0)
    counted, session, recency = len(_COUNTED), len(_COUNTED) + N_KINDS, len(_COUNTED) + 2 * N_KINDS
    out[:counted] = _cut(COUNT_EDGES, counters[_COUNTED])
    np.multiply(_cut(SESSION_EDGES, columns[_IN_SESSION]), active, out=out[counted:session])
    last_of = columns[_LAST_OF]
    out[session:recency] = _cut(_EDGES[f"recency.{KINDS[0]}"], np.where(last_of > 0, time - last_of, -1.0))
    sessions = columns[at.SESSIONS]
    again = sessions > 1
    numbers: dict[str, Floats | NDArray[np.uint8]] = {
        "events.1h": totals[1],
        "events.7d": totals[3],
        "events.28d": totals[4],
        "events": columns[at.TOTAL],
        "recency": age,
        "session.length": np.where(active, columns[at.LAST] - columns[at.SESSION_START], -1.0),
        "session.before": np.where(again, columns[at.SESSION_BEFORE], -1.0),
        "session.gap": np.where(again, columns[at.GAP], -1.0),
        "session.paths": _set_size(columns[at.PATHS]),
        "session.cart_value": np.where(active, columns[at.CART_VALUE], 0.0),
        "session.item_again": np.where(active, columns[at.REPEATS], 0.0),
        "sessions": sessions,
        "days": columns[at.DAYS],
        "tenure": time - columns[at.FIRST],
        "events_per_session": columns[at.TOTAL] / np.maximum(sessions, 1.0),
        "price": np.where(columns[at.PRICES] > 0, columns[at.PRICE], -1.0),
        "discount": columns[at.DISCOUNT],
        "purchases": columns[at.PURCHASES],
        "spend": columns[at.SPEND],
        "categories": _set_size(columns[at.CATEGORIES]),
    }
    table = np.empty((len(_NUMBERS), len(time)))
    for row, name in zip(table, _NUMBERS, strict=True):
        row[:] = numbers[name]
    out[_NUMBER_ROWS] = _cut_each(_NUMBER_EDGES, table)


def _tell(places: dict[str, Bins], columns: Floats, time: Floats, session_gap_ms: int, season: bool, holidays: Holidays | None) -> None:
    """The places of VALUES' slots; GRADED's are there already."""
    day = (time // DAY_MS).astype(np.int64)
    places["hour"][:] = (time % DAY_MS) // HOUR_MS + 1
    places["weekday"][:] = (day + 3) % 7 + 1  # 1 is Monday: 1970-01-01 was a Thursday
    places["season"][:] = 0
    if season:
        month = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
        places["season"][:] = month % 12 // 3 + 1  # 1 is December to February
    places["holiday"][:] = holidays(columns[at.COUNTRY].astype(np.int64), day) if holidays is not None else 0
    places["event"][:] = columns[at.NAME] + 1
    places["event_before"][:] = columns[at.NAME_BEFORE] + 1
    active = time - columns[at.LAST] <= session_gap_ms
    places["cart"][:] = np.where(active, np.minimum(places[f"session.{KINDS[ADD_TO_CART]}"], 3), NO_SESSION)
    places["checkout"][:] = np.minimum(places[f"session.{KINDS[CHECKOUT]}"] + places[f"session.{KINDS[PAYMENT]}"], 3)


def bins_of(columns: Floats, time_ms: Ints, silent: Flags, session_gap_ms: int, season: bool = False, holidays: Holidays | None = None) -> Bins:
    """The active bin of every slot: int32[n, slots], each an index into a weight table of TABLE_SIZE; 0 is "nothing".

    `columns` float64[WIDTH, n] are profiles, a state a column; `time_ms` int64[n] the instants they are looked at, `silent` bool[n] whether silence
    (and not an event) is the cause: silence has a table of its own.
    """
    bins = np.zeros((len(SLOTS), len(time_ms)), dtype=np.int32)  # at first the places within the slots
    places = dict(zip(SLOT_NUMBER, bins, strict=True))
    time = np.maximum(time_ms, columns[at.LAST]).astype(np.float64)  # a late event is scored at the latest one's time
    _grade(bins[1 : 1 + len(GRADED)], columns, time, session_gap_ms)
    _tell(places, columns, time, session_gap_ms, season, holidays)
    _combine(bins)
    _fold_texts(bins, columns)
    known = bins[_WEIGHTLESS] != 0
    bins += _BASES
    bins[_WEIGHTLESS] *= known
    if silent.any():
        bins += (bins != 0) * (silent * np.int32(BINS_PER_CAUSE))
    return np.ascontiguousarray(bins.T)


def _mix(value: NDArray[np.uint64], into: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    mixed = (into ^ (value + MIX[0])) * MIX[1]
    return np.asarray(mixed ^ (mixed >> MIX[2]))


def _fit(mixed: NDArray[np.uint64], size: np.uint64 | NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A place in a hashed slot, whose size is a power of two: the remainder is the lowest bits."""
    return mixed & (size - np.uint64(1))


def hashed_bins(slot_name: str, codes: Floats | NDArray[np.uint64]) -> Ints:
    """The place within a hashed slot of each hash."""
    return _fit(_mix(codes.astype(np.uint64), np.uint64(0)), np.uint64(SLOT_OF[slot_name].size)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Crosses:
    """Crosses by falling number of parts, so that the nth parts are those of the first rows."""

    slots: list[int]
    parts: list[list[int]]  # of the first parts, the second ones and so on: where they are found
    sizes: list[NDArray[np.int32]]  # and how many places each of them has, a column

    @classmethod
    def of(cls, slots: Sequence[Slot], place: Mapping[str, int]) -> _Crosses:
        slots = sorted(slots, key=lambda slot: -len(slot.parts))
        nth = [[slot.parts[n] for slot in slots if len(slot.parts) > n] for n in range(len(slots[0].parts))]
        sizes = [np.array([[SLOT_OF[part].size] for part in parts], dtype=np.int32) for parts in nth]
        return cls([SLOT_NUMBER[slot.name] for slot in slots], [[place[part] for part in parts] for parts in nth], sizes)


def _combine(bins: Bins) -> None:
    """The places of the crosses that have one for every combination, from those of their parts: `bins` int32[slots, n]."""
    place = bins[_DENSE.parts[0]]
    for parts, sizes in zip(_DENSE.parts[1:], _DENSE.sizes[1:], strict=True):
        first = place[: len(parts)]
        first *= sizes
        first += bins[parts]
    bins[_DENSE.slots] = place


def _fold_texts(bins: Bins, columns: Floats) -> None:
    """The places of hashed slots, and of the crosses with hashed ones: `bins` int32[slots, n]."""
    texts = columns[list(HASHED_COLUMNS.values())].astype(np.uint64)
    bins[_TEXT_SLOTS] = _fit(_mix(texts, np.uint64(0)), _TEXT_SIZES)
    values = np.concatenate([texts, bins[_FOLDED_PLACES].astype(np.uint64)])
    folded = _mix(values[_FOLDED.parts[0]], np.uint64(0))
    for parts in _FOLDED.parts[1:]:
        folded[: len(parts)] = _mix(values[parts], folded[: len(parts)])
    bins[_FOLDED.slots] = _fit(folded, _FOLDED_SIZES)


def _fold(parts: Sequence[str], values: Mapping[str, Ints]) -> NDArray[np.uint64]:
    """Several values as one 64-bit number."""
    mixed: NDArray[np.uint64] | np.uint64 = np.uint64(0)
    for part in parts:
        mixed = _mix(values[part].astype(np.uint64), mixed)
    return np.asarray(mixed)


def local_bins(column: NDArray[np.integer[Any]], slot_number: int) -> Ints:
    """A slot's active bins (a column of n) as places within the slot, 0 where it is the reference: int64[n]."""
    index = column.astype(np.int64)
    return np.where(index == 0, 0, np.where(index >= BINS_PER_CAUSE, index - BINS_PER_CAUSE, index) - SLOTS[slot_number].base)


def identities(slot_number: int, bins: Bins, codes: Mapping[str, Ints], rows: Ints) -> Ints:
    """What the slot's value is in m `rows`, as a number that differs where names differ: the bin, or for hashed slots the 63-bit hash behind it.

    `bins` int32[n, slots]; `codes` are the texts' hashes (int64[n]) by the name of their slot.
    """
    slot = SLOTS[slot_number]
    own: Bins = bins[rows, slot_number]
    if is_plain(slot_number):
        return own.astype(np.int64)
    parts = slot.parts or (slot.name,)
    values = {part: codes[part][rows] if part in _HASHED else local_bins(bins[rows, SLOT_NUMBER[part]], SLOT_NUMBER[part]) for part in parts}
    mixed = _mix(own.astype(np.uint64), _fold(parts, values))
    return (mixed >> np.uint64(2)).astype(np.int64) | (1 << 62)


@cache
def is_plain(slot_number: int) -> bool:
    """Whether the bin alone tells the slot's value."""
    slot = SLOTS[slot_number]
    return slot.kind != "hashed" and not (slot.kind == "cross" and not is_dense(slot.parts, slot.size))


@cache
def is_dense(parts: tuple[str, ...], size: int) -> bool:
    """Whether a cross has a bin for every combination of its parts."""
    if _HASHED & set(parts):
        return False
    combinations = 1
    for part in parts:
        combinations *= SLOT_OF[part].size
    return combinations == size


_CROSSED = [slot for slot in SLOTS if slot.kind == "cross"]
_DENSE = _Crosses.of([slot for slot in _CROSSED if is_dense(slot.parts, slot.size)], SLOT_NUMBER)
# Folded are, one below the other, the hashes of the texts and the places of some slots.
_TO_FOLD = [slot for slot in _CROSSED if not is_dense(slot.parts, slot.size)]
_TEXT_SLOTS = [SLOT_NUMBER[name] for name in HASHED_COLUMNS]
_TEXT_SIZES = np.array([[SLOT_OF[name].size] for name in HASHED_COLUMNS], dtype=np.uint64)
_FOLDED_NAMES = list(dict.fromkeys(part for slot in _TO_FOLD for part in slot.parts if part not in _HASHED))
_FOLDED_PLACES = [SLOT_NUMBER[name] for name in _FOLDED_NAMES]
_FOLDED = _Crosses.of(_TO_FOLD, {name: place for place, name in enumerate([*HASHED_COLUMNS, *_FOLDED_NAMES])})
_FOLDED_SIZES = np.array([[SLOTS[slot].size] for slot in _FOLDED.slots], dtype=np.uint64)
