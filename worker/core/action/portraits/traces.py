"""The fields of events that only segments and triggers read: `consent` and `timezone`. They are no part of what an event is checked for: a value that is
not understood says nothing, and an event never becomes a dead letter for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.action.guards.local_time import zone_named
from worker.core.action.portraits.interests import DENIED, GRANTED, UNSUBSCRIBED, Traces
from worker.core.events.decoding import Batch
from worker.core.events.hashing import stable_hash

Ints = NDArray[np.int64]

FURTHER = ("consent", "timezone")
_PLAIN = {str, bool, NoneType}
_SAID = {"granted": GRANTED, "denied": DENIED, "unsubscribed": UNSUBSCRIBED}


def traces_of(batch: Batch, order: Ints) -> tuple[Traces, dict[int, str]]:
    """What interests are made of, for the events of a batch at the positions `order`, and the names behind the hashes of time zones.

    `consent` is granted, denied or unsubscribed, or true or false; `timezone` a name of the IANA database.
    """
    labels: dict[int, str] = {}
    said, zone = (batch.further.get(field, ()) for field in FURTHER)
    consent = _column(said, _consent_code, order)
    return Traces(
        batch.time_ms[order].astype(np.float64), batch.category[order], consent, _column(zone, lambda value: _zone_code(value, labels), order)
    ), labels


def _column(values: Sequence[Any], code: Callable[[Any], int], order: Ints) -> Ints:
    """The codes of values at the positions `order`, zeros where the batch has none; few of them are different."""
    if not values:
        return np.zeros(len(order), dtype=np.int64)
    kinds = set(map(type, values))
    if not kinds <= _PLAIN:
        values = [value if type(value) in _PLAIN else None for value in values]
    codes = {value: code(value) for value in set(values)}  # True and False equal no text
    return np.fromiter(map(codes.__getitem__, values), dtype=np.int64, count=len(values))[order]


def _consent_code(value: Any) -> int:
    if isinstance(value, bool):
        return GRANTED if value else DENIED
    return _SAID.get(value, 0) if isinstance(value, str) else 0


def _zone_code(value: Any, labels: dict[int, str]) -> int:
    if not isinstance(value, str) or zone_named(value) is None:
        return 0
    code = stable_hash(value)
    labels[code] = value
    return code
