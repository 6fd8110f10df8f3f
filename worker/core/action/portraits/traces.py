"""The fields of events that only segments and triggers read: what is said of consent, and `timezone`. They are no part of what an event is checked for:
a value that is not understood says nothing, and an event never becomes a dead letter for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.action.guards.consent import Forms, column_of
from worker.core.action.guards.local_time import zone_named
from worker.core.action.portraits.interests import Traces
from worker.core.events.decoding import Batch
from worker.core.events.hashing import stable_hash

Ints = NDArray[np.int64]


def fields_read(forms: Forms) -> tuple[str, ...]:
    """The fields that are to be decoded beside those of every event."""
    return (*forms.fields, "timezone")


def traces_of(batch: Batch, order: Ints, forms: Forms) -> tuple[Traces, dict[int, str]]:
    """What interests are made of, for the events of a batch at the positions `order`, and the names behind the hashes of time zones.

    `forms` says how consent is read; `timezone` is a name of the IANA database.
    """
    labels: dict[int, str] = {}
    consent, zone = forms.codes(batch.further, order), np.zeros(len(order), dtype=np.int64)
    if zones := batch.further.get("timezone"):
        zone = column_of(zones, lambda value: _zone_code(value, labels))[order]
    return Traces(batch.time_ms[order].astype(np.float64), batch.category[order], consent, zone), labels


def _zone_code(value: Any, labels: dict[int, str]) -> int:
    if not isinstance(value, str) or zone_named(value) is None:
        return 0
    code = stable_hash(value)
    labels[code] = value
    return code
