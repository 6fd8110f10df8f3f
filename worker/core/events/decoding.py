"""Bytes to the columns of one Batch: the first step of a turn.

decode() reads top to bottom: parse (bytes), take and check each field as a column (columns, limits in fields), drop what
is refused (faults), then hash and number the texts. A value's fate and its columns depend on that value alone, never on its neighbours
or on how the input was cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.events.bytes import parse
from worker.core.events.columns import MOSTLY_UNIQUE, Column, Fields, columns_of, shapes_of, unknown_fields
from worker.core.events.faults import REASONS, Rejected
from worker.core.events.fields import NUMBER_LIMITS
from worker.core.events.hashing import hash_column, hash_table
from worker.core.events.names import EVENT_NAMES, NAME_NUMBERS

__all__ = ["EVENT_NAMES", "LABEL_LENGTH", "REASONS", "Batch", "Rejected", "decode"]

LABEL_LENGTH = 40
HASHED = ("event_id", "session_id", "order_id", "item_id", "item_category", "path", "country", "device", "medium", "currency", "search_term")
LABELLED = ("item_category", "path", "country", "device", "medium")
NO_NAMES: Mapping[str, str] = MappingProxyType({})

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Batch:
    """n decoded events as columns, in input order. Hashes are those of `hashing.stable_hash`, 0 where absent; absent numbers are NaN."""

    position: NDArray[np.int32]  # index among the values given to decode()
    user_id: list[str]
    event_id: list[str | None]
    time_ms: Integers  # epoch milliseconds, 0 … LAST_TIME_MS
    name: NDArray[np.int8]  # index into EVENT_NAMES
    event_hash: Integers
    session_hash: Integers
    order_hash: Integers
    item_hash: Integers
    price: Floats
    quantity: Floats
    revenue: Floats
    discount: Floats
    category: Integers
    path: Integers
    country: Integers
    device: Integers
    medium: Integers
    currency: Integers
    search_term: Integers
    labels: dict[int, str]  # hash -> text, cut to LABEL_LENGTH, of every category, path, country, device and medium here
    unknown_fields: dict[str, int]  # name -> events that carry it
    further: dict[str, list[Any]]  # the values, as they came, of each further field that was asked for, if any event has it; None where absent

    def __len__(self) -> int:
        return len(self.user_id)


def decode(values: Sequence[bytes | None], names: Mapping[str, str] = NO_NAMES, further: Sequence[str] = ()) -> tuple[Batch, list[Rejected]]:
    """Decode record values to a Batch and the list of those refused; each position is in exactly one of the two, both in input order.

    `names` translates a shop's own event names to GA4's; `further` are fields beside those of docs/events.md whose values are wanted too, of whatever type.
    Never raises for any bytes.
    """
    parsed = parse(values)
    shapes = shapes_of(parsed.records)
    fields, faults = columns_of(parsed.records, parsed.payloads, shapes)
    if faults:
        parsed, fields = parsed.without(faults), fields.without(faults)
        shapes = shapes_of(parsed.records)
    batch = batch_of(fields, parsed.positions, names, unknown_fields(parsed.records, shapes, further))
    carried = {field for keys in shapes for field in further if field in keys}
    batch.further = {field: [record.get(field) for record in parsed.records] for field in further if field in carried}
    return batch, parsed.rejected


def batch_of(fields: Fields, positions: Sequence[int], names: Mapping[str, str], unknown: dict[str, int]) -> Batch:
    """Hash and number the texts of checked columns."""
    size, texts, events = len(positions), fields.texts, fields.texts["event"]
    numbered = {event: NAME_NUMBERS.get(names.get(event, event), 0) for event in events.distinct}
    table = hash_table(set().union(*(texts[field].distinct for field in HASHED if field in texts and field not in MOSTLY_UNIQUE)))
    hashes = {field: hashed(texts[field], size, table) if field in texts else np.zeros(size, np.int64) for field in HASHED}
    numbers = {field: fields.numbers[field] if field in fields.numbers else np.full(size, np.nan) for field in NUMBER_LIMITS}
    spoken = {text for field in LABELLED if field in texts for text in texts[field].distinct if text}
    labels = sorted((table[text], text[:LABEL_LENGTH]) for text in spoken)
    return Batch(
        position=np.array(positions, np.int32),
        user_id=texts["user_id"].values,
        event_id=listed(texts["event_id"], size) if "event_id" in texts else [None] * size,
        time_ms=fields.time_ms,
        name=np.fromiter(map(numbered.__getitem__, events.values), np.int8, size),
        event_hash=hashes["event_id"],
        session_hash=hashes["session_id"],
        order_hash=hashes["order_id"],
        item_hash=hashes["item_id"],
        price=numbers["price"],
        quantity=numbers["quantity"],
        revenue=numbers["revenue"],
        discount=numbers["discount"],
        category=hashes["item_category"],
        path=hashes["path"],
        country=hashes["country"],
        device=hashes["device"],
        medium=hashes["medium"],
        currency=hashes["currency"],
        search_term=hashes["search_term"],
        labels=dict(labels),
        unknown_fields=unknown,
        further={},
    )


def hashed(column: Column, size: int, table: Mapping[str | None, int]) -> Integers:
    """Hash a column of texts to all `size` rows, 0 where absent; `table` has the hashes of those that repeat."""
    if column.distinct is column.values:  # mostly unique
        return column.spread(hash_column(column.values), np.zeros(size, np.int64))
    return column.spread(np.fromiter(map(table.__getitem__, column.values), np.int64, len(column.values)), np.zeros(size, np.int64))


def listed(column: Column, size: int) -> list[str | None]:
    """List a column of texts with all `size` rows, None where absent or empty."""
    if len(column.values) == size and all(column.values):
        return column.values
    rows: list[str | None] = [None] * size
    for row, text in zip(column.rows, column.values, strict=True):
        rows[row] = text or None
    return rows
