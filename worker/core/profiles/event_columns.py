"""The columns of events that profiles are made of, taken from a decoded batch."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from worker.core.events.decoding import Batch
from worker.core.events.names import EVENT_NAMES
from worker.core.profiles import layout as at
from worker.core.profiles.layout import KIND_OF_EVENT, KINDS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

KIND_BY_NAME: Ints = np.array([KINDS.index(KIND_OF_EVENT.get(name, "other")) for name in EVENT_NAMES], dtype=np.int64)
OTHER, VIEW_ITEM, ADD_TO_CART, PURCHASE = (KINDS.index(k) for k in ("other", "view_item", "add_to_cart", "purchase"))
REFUND = EVENT_NAMES.index("refund")
SET_BITS = 52  # a set of hashes is one float64: as many bits as its whole numbers are exact to
LATEST = at.ITEM - at.CATEGORY + 1


@dataclass(slots=True)
class EventColumns:
    """n events; times in epoch ms, hashes 0 and numbers NaN where absent."""

    time_ms: Floats
    watermark_ms: Ints  # of the partition when the event is applied
    name: Ints
    kind: Ints  # KIND_BY_NAME of the name
    offset: Ints
    event: Ints
    session: Ints
    order: Ints
    latest: Floats  # LATEST x n: hashes of category, path, country, device, medium and item
    bits: Ints  # 2 x n: the category's and the path's bit in a 52-bit set
    price: Floats
    quantity: Floats
    revenue: Floats
    discount: Floats

    def take(self, index: Ints) -> EventColumns:
        """The events at `index`, as new columns."""
        return EventColumns(*(getattr(self, name)[..., index] for name in _FIELDS))


_FIELDS = tuple(field.name for field in fields(EventColumns))


@dataclass(frozen=True, slots=True)
class Rules:
    """What an event does depends on these: spans of time, and the event names whose latest time targets watch."""

    session_gap_ms: int
    time_to_live_ms: int
    watched: tuple[int, ...] = ()


def set_bit(code: Ints) -> Ints:
    """A hash's bit in a set of SET_BITS, 0 for an absent value."""
    return np.where(code != 0, np.left_shift(1, code % SET_BITS), 0)


def event_columns(batch: Batch, order: Ints, watermark_ms: Ints, offset: Ints) -> EventColumns:
    """The events of a batch at the positions `order`, each with the watermark when it is applied and its offset."""
    name = batch.name[order].astype(np.int64)
    category, path = batch.category[order], batch.path[order]
    return EventColumns(
        time_ms=batch.time_ms[order].astype(np.float64),
        watermark_ms=watermark_ms,
        name=name,
        kind=KIND_BY_NAME[name],
        offset=offset,
        event=batch.event_hash[order],
        session=batch.session_hash[order],
        order=batch.order_hash[order],
        latest=np.array([category, path, batch.country[order], batch.device[order], batch.medium[order], batch.item_hash[order]], dtype=np.float64),
        bits=np.stack([set_bit(category), set_bit(path)]),
        price=batch.price[order],
        quantity=batch.quantity[order],
        revenue=batch.revenue[order],
        discount=batch.discount[order],
    )
