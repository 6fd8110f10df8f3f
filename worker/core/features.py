"""Features: profile states at an instant -> the active bins, one integer a slot (feature_slots says which slots there are).

Everything is numpy over the whole batch. A state is read as it stands at the instant: counters decayed to it, ages counted to it,
the session over if the gap has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from worker.core import profile_layout as at
from worker.core.feature_slots import (
    BINS_PER_CAUSE,
    COUNT_EDGES,
    GRADED,
    HASHED,
    NO_SESSION,
    SESSION_EDGES,
    SLOT_HALF_LIVES,
    SLOT_OF,
    SLOTS,
)
from worker.core.profile_layout import HALF_LIVES_MS, KINDS, N_HALF_LIVES, N_KINDS
from worker.core.settings import DAY_MS, HOUR_MS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bins = NDArray[np.int32]
Flags = NDArray[np.bool_]
Holidays = Callable[[Ints, Ints], Ints]  # (country hash, day since 1970) -> 0 unknown, 1 ordinary day, 2 eve of a holiday, 3 holiday

ADD_TO_CART, CHECKOUT, PAYMENT = (KINDS.index(k) for k in ("add_to_cart", "begin_checkout", "payment_info"))
MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(29))  # splitmix64's constants
HASHED_COLUMNS = {"category": at.CATEGORY, "path": at.PATH, "path_before": at.PATH_BEFORE, "country": at.COUNTRY, "device": at.DEVICE, "medium": at.MEDIUM}

_EDGES = {name: np.array(edges) for name, _, edges in GRADED}
_COUNT_COLUMNS = [k * N_HALF_LIVES + h for k in range(N_KINDS) for h in SLOT_HALF_LIVES]
_COUNT_NAMES = [name for name, _, _ in GRADED[: len(_COUNT_COLUMNS)]]
_COUNTERS = slice(at.COUNTERS, at.COUNTERS + N_KINDS * N_HALF_LIVES)
_LAST_OF = slice(at.LAST_OF, at.LAST_OF + N_KINDS)
_IN_SESSION = slice(at.IN_SESSION, at.IN_SESSION + N_KINDS)
_HALF_OF = np.tile(np.arange(N_HALF_LIVES), N_KINDS)
_HASHED = {name for name, _ in HASHED}
SLOT_NUMBER = {slot.name: number for number, slot in enumerate(SLOTS)}


def _cut(edges: Floats, values: Floats) -> Ints:
    """Bin of each value: how many edges are at or below it."""
    return np.searchsorted(edges, values, side="right")


def _set_size(members: Floats) -> Floats:
    return np.bitwise_count(members.astype(np.int64)).astype(np.float64)


def levels(columns: Floats, time_ms: Ints, session_gap_ms: int, season: bool = False, holidays: Holidays | None = None) -> dict[str, Ints]:
    """The bin of every graded slot and plain value, by name (each int64[n]), before tables and causes are considered.

    `columns` float64[WIDTH, n] are the states with their columns as rows: each is read as one unbroken block.
    """
    time = np.maximum(time_ms, columns[at.LAST]).astype(np.float64)  # a late event is scored at the latest one's time
    age = time - columns[at.LAST]
    active = age <= session_gap_ms
    decay = np.exp2(-age / HALF_LIVES_MS[:, None])
    counters = columns[_COUNTERS] * decay[_HALF_OF]
    totals = counters.reshape(N_KINDS, N_HALF_LIVES, -1).sum(axis=0)
    out: dict[str, Ints] = {}

    def block(names: list[str], bins: Ints) -> None:
        out.update(zip(names, bins, strict=True))

    block(_COUNT_NAMES, _cut(np.array(COUNT_EDGES), counters[_COUNT_COLUMNS]))
    block([f"session.{k}" for k in KINDS], np.where(active, _cut(np.array(SESSION_EDGES, dtype=np.float64), columns[_IN_SESSION]), 0))
    last_of = columns[_LAST_OF]
    block([f"recency.{k}" for k in KINDS], _cut(_EDGES["recency.other"], np.where(last_of > 0, time - last_of, -1.0)))

    sessions, length = columns[at.SESSIONS], columns[at.LAST] - columns[at.SESSION_START]
    again = sessions > 1
    numbers: dict[str, Floats] = {
        "events.1h": totals[1],
        "events.7d": totals[3],
        "events.28d": totals[4],
        "events": columns[at.TOTAL],
        "recency": age,
        "session.length": np.where(active, length, -1.0),
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
    for name, values in numbers.items():
        out[name] = _cut(_EDGES[name], values)

    day = (time // DAY_MS).astype(np.int64)
    out["hour"] = ((time % DAY_MS) // HOUR_MS).astype(np.int64) + 1
    out["weekday"] = (day + 3) % 7 + 1  # 1 is Monday: 1970-01-01 was a Thursday
    month = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    out["season"] = month % 12 // 3 + 1 if season else np.zeros_like(day)  # 1 is December to February
    out["holiday"] = holidays(columns[at.COUNTRY].astype(np.int64), day) if holidays is not None else np.zeros_like(day)
    out["event"] = columns[at.NAME].astype(np.int64) + 1
    out["event_before"] = columns[at.NAME_BEFORE].astype(np.int64) + 1
    in_cart = out[f"session.{KINDS[ADD_TO_CART]}"]
    out["cart"] = np.where(active, np.minimum(in_cart, 3), NO_SESSION)
    out["checkout"] = np.minimum(out[f"session.{KINDS[CHECKOUT]}"] + out[f"session.{KINDS[PAYMENT]}"], 3)
    return out


def bins_of(columns: Floats, time_ms: Ints, silent: Flags, session_gap_ms: int, season: bool = False, holidays: Holidays | None = None) -> Bins:
    """The active bin of every slot: int32[n, slots], each an index into a weight table of TABLE_SIZE; 0 is "nothing".

    `columns` float64[WIDTH, n] are profiles, a state a column; `time_ms` int64[n] the instants they are looked at, `silent` bool[n] whether silence
    (and not an event) is the cause: silence has a table of its own.
    """
    bins = np.zeros((len(SLOTS), len(time_ms)), dtype=np.int64)
    graded = levels(columns, time_ms, session_gap_ms, season, holidays)
    hashes = {name: columns[column].astype(np.uint64) for name, column in HASHED_COLUMNS.items()}
    for row, slot in zip(bins, SLOTS, strict=True):
        if slot.kind == "cross":
            row[:] = _cross(slot.parts, slot.size, graded, hashes)
        elif slot.kind == "hashed":
            row[:] = hashed_bins(slot.name, hashes[slot.name])
        elif slot.name != "cause":
            row[:] = graded[slot.name]
        if slot.reference:
            np.add(row, slot.base, out=row, where=row != 0)
        else:
            row += slot.base
    np.add(bins, BINS_PER_CAUSE, out=bins, where=(bins != 0) & silent)
    return np.ascontiguousarray(bins.T, dtype=np.int32)


def _mix(value: NDArray[np.uint64], into: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    mixed = (into ^ (value + MIX[0])) * MIX[1]
    return np.asarray(mixed ^ (mixed >> MIX[2]))


def hashed_bins(slot_name: str, codes: Floats | NDArray[np.uint64]) -> Ints:
    """The place within a hashed slot of each hash."""
    return (_mix(codes.astype(np.uint64), np.uint64(0)) % np.uint64(SLOT_OF[slot_name].size)).astype(np.int64)


def _fold(parts: tuple[str, ...], graded: Mapping[str, Ints], hashes: Mapping[str, NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Several values as one 64-bit number."""
    mixed: NDArray[np.uint64] | np.uint64 = np.uint64(0)
    for part in parts:
        mixed = _mix(hashes[part] if part in _HASHED else graded[part].astype(np.uint64), mixed)
    return np.asarray(mixed)


def _cross(parts: tuple[str, ...], size: int, graded: dict[str, Ints], hashes: dict[str, NDArray[np.uint64]]) -> Ints | NDArray[np.uint64]:
    if is_dense(parts, size):
        value = graded[parts[0]]
        for part in parts[1:]:
            value = value * SLOT_OF[part].size + graded[part]
        return value
    return _fold(parts, graded, hashes) % np.uint64(size)


def local_bins(bins: Bins, slot_number: int) -> Ints:
    """A slot's column of active bins as places within the slot, 0 where it is the reference: int64[n]."""
    column = bins[:, slot_number].astype(np.int64)
    return np.where(column == 0, 0, np.where(column >= BINS_PER_CAUSE, column - BINS_PER_CAUSE, column) - SLOTS[slot_number].base)


def identities(slot_number: int, bins: Bins, codes: Mapping[str, Ints]) -> Ints:
    """What the slot's value is, as a number that differs where names differ: the bin itself, or for hashed slots the 63-bit hash behind it.

    `bins` int32[n, slots]; `codes` are the texts' hashes (int64[n]) by the name of their slot.
    """
    slot = SLOTS[slot_number]
    if is_plain(slot_number):
        return bins[:, slot_number].astype(np.int64)
    parts = slot.parts or (slot.name,)
    hashes = {part: codes[part].astype(np.uint64) for part in parts if part in _HASHED}
    graded = {part: local_bins(bins, SLOT_NUMBER[part]) for part in parts if part not in _HASHED}
    mixed = _mix(bins[:, slot_number].astype(np.uint64), _fold(parts, graded, hashes))
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
