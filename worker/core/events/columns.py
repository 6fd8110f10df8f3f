"""Step two of decoding: flat records to checked columns.

Every check runs over a whole column, with no Python work a value where nothing is wrong; only when a check fails are its rows looked at
one by one, to say which and why. A row's verdict depends on that row alone. What is accepted is what `schemas/event.schema.json` accepts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, compress
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.events.bytes import JSON_TYPES, Record
from worker.core.events.faults import Faults
from worker.core.events.fields import FIELDS, LAST_TIME_MS, NUMBER_LIMITS, REQUIRED, TEXT_LIMITS, UNKNOWN_NAME_LENGTH, UNKNOWN_NAMES, UNKNOWN_OVERFLOW
from worker.core.events.timestamps import parse_rfc3339

Shapes = set[tuple[str, ...]]

NESTED = frozenset((dict, list))
TEXT_TYPES = frozenset((str, type(None)))
NUMBER_TYPES = frozenset((int, float, type(None)))
MOSTLY_UNIQUE = frozenset(("event_id",))  # not worth a set: hashing each text once for it costs more than looking at repeats twice
JOINED = 256  # records whose bytes are joined at a time: enough to be quick, few enough to stay in the cache
FEW_UNKNOWN = 8  # fields that are looked at one by one, which is quicker than all values of a record
SHOWN = 40  # characters of a record's own text that a detail repeats


@dataclass(slots=True)
class Column:
    """The values of one field and the row of each, in order. None among the values is absent; a row that is not listed has no such field."""

    rows: Sequence[int]
    values: list[Any]
    distinct: Collection[Any] = ()  # the different values, of a column of texts

    def without(self, keep: Sequence[bool], kept_before: Sequence[int]) -> Column:
        """Keep the rows that `keep` says, of all n; `kept_before` counts those kept before each."""
        if len(self.rows) == len(keep):
            values = list(compress(self.values, keep))
            rows: Sequence[int] = range(len(values))
        else:
            values = [value for row, value in zip(self.rows, self.values, strict=True) if keep[row]]
            rows = [kept_before[row] for row in self.rows if keep[row]]
        return Column(rows, values, values if self.distinct is self.values else set(values))

    def spread(self, values: NDArray[Any], absent: NDArray[Any]) -> NDArray[Any]:
        """Put `values`, one for each of the column's, where its rows are in `absent`, which has all rows."""
        if len(values) == len(absent):
            return values
        absent[self.rows] = values
        return absent


@dataclass(slots=True)
class Fields:
    """The columns of n records. An optional field that no record has is not among them; required ones have every row."""

    time_ms: NDArray[np.int64]
    texts: dict[str, Column]
    numbers: dict[str, NDArray[np.float64]]  # NaN where absent

    def without(self, faults: Faults) -> Fields:
        """Drop the rows that have faults."""
        keep = [row not in faults for row in range(len(self.time_ms))]
        kept_before = list(accumulate(keep, initial=0))
        texts = {field: column.without(keep, kept_before) for field, column in self.texts.items()}
        return Fields(self.time_ms[keep], texts, {field: numbers[keep] for field, numbers in self.numbers.items()})


def shapes_of(records: Sequence[Record]) -> Shapes:
    """The different lists of keys that records have; a shop sends few."""
    return set(map(tuple, records))


def unknown_fields(records: Sequence[Record], shapes: Shapes, further: Sequence[str]) -> dict[str, int]:
    """Count records by the fields that they carry and nobody knows; names are cut short, and past a number of names the rest counts as one.

    Whoever asks for `further` fields knows them.
    """
    known = FIELDS.union(further)
    names = {name: None for keys in shapes for name in keys if name not in known}
    if len(names) <= FEW_UNKNOWN:
        carried = [(name, sum(name in record for record in records)) for name in names]
    else:
        carried = [(name, number) for keys, number in Counter(map(tuple, records)).items() for name in keys if name not in known]
    counts: dict[str, int] = {}
    for name, number in carried:
        counted = name[:UNKNOWN_NAME_LENGTH]
        if counted not in counts and len(counts) >= UNKNOWN_NAMES:
            counted = UNKNOWN_OVERFLOW
        counts[counted] = counts.get(counted, 0) + number
    return counts


def columns_of(records: Sequence[Record], payloads: Sequence[bytes], shapes: Shapes) -> tuple[Fields, Faults]:
    """Take the known fields of records, given with the bytes and shapes of the same, as columns, and find the rows to be refused.

    The order of the checks decides which of several faults a row is refused for, so it must not depend on other rows.
    """
    keys, common = set(chain.from_iterable(shapes)), set(next(iter(shapes), ())).intersection(*shapes)
    everywhere = FIELDS & common
    others = [row for row, record in enumerate(records) if len(record) > len(common)]  # the only ones that can have a field that is not everywhere
    faults: Faults = {}

    def column(field: str) -> Column:
        if field in everywhere:
            return Column(range(len(records)), list(map(itemgetter(field), records)))
        if field in REQUIRED:
            return Column(range(len(records)), [record.get(field) for record in records])
        rows = [row for row in others if field in records[row]]
        return Column(rows, [records[row][field] for row in rows])

    texts = {field: column(field) for field in TEXT_LIMITS if field in keys or field in REQUIRED}
    for field, taken in texts.items():
        check_text(taken, field, faults)
    times = column("timestamp").values
    time_types = list(map(type, times))
    time_ms = check_times(times, time_types, faults)
    numbers = {field: check_number(column(field), field, len(records), faults) for field in NUMBER_LIMITS if field in keys}
    unknown = keys - FIELDS
    if faults or len(unknown) > FEW_UNKNOWN or (others_hold := _texts_of(records, unknown)) is None:
        held = check_nesting(records, faults)
    else:
        of_columns = sum(len(taken.values) - (taken.values.count(None) if None in taken.distinct else 0) for taken in texts.values())
        held = time_types.count(str) + of_columns + others_hold
    check_repeats(records, payloads, held, faults)
    return Fields(time_ms, texts, numbers), faults


def check_text(column: Column, field: str, faults: Faults) -> None:
    """Flag rows whose text is missing, of another type, empty where it is required, or too long; find the column's different texts."""
    limit, required = TEXT_LIMITS[field], field in REQUIRED
    try:
        column.distinct = column.values if field in MOSTLY_UNIQUE else set(column.values)
    except TypeError:  # an object or an array
        column.distinct = column.values
    distinct = column.distinct
    if TEXT_TYPES.issuperset(map(type, distinct)) and max(map(len, filter(None, distinct)), default=0) <= limit and (not required or all(distinct)):
        return
    for row, text in zip(column.rows, column.values, strict=True):
        if text is None:
            if required:
                faults.setdefault(row, ("missing_field", field))
        elif type(text) is not str:
            faults.setdefault(row, _wrong_type(field, text, "a text"))
        elif required and not text:
            faults.setdefault(row, ("empty_field", field))
        elif len(text) > limit:
            faults.setdefault(row, ("too_long", f"{field}: {len(text)} characters, at most {limit}"))


def check_number(column: Column, field: str, size: int, faults: Faults) -> NDArray[np.float64]:
    """Flag rows whose number is of another type or out of range; give all `size` rows as float64, NaN where absent."""
    values = column.values
    if not NUMBER_TYPES.issuperset(map(type, values)):
        for row, value in zip(column.rows, values, strict=True):
            if type(value) not in NUMBER_TYPES:
                faults.setdefault(row, _wrong_type(field, value, "a number"))
        values = [value if type(value) in NUMBER_TYPES else None for value in values]
    numbers = np.array(values, np.float64) + 0.0  # None becomes NaN, -0.0 becomes 0.0
    for index in np.flatnonzero((numbers < 0) | (numbers > NUMBER_LIMITS[field])).tolist():
        faults.setdefault(column.rows[index], ("out_of_range", f"{field}: {numbers[index]:.17g} is outside 0 to {NUMBER_LIMITS[field]:.0f}"))
    return column.spread(numbers, np.full(size, np.nan))


def check_times(values: Sequence[Any], types: Sequence[type], faults: Faults) -> NDArray[np.int64]:
    """Flag rows without a time, given the types of the values too; give epoch milliseconds, int64[n]."""
    if types.count(int) == len(values) and min(values, default=0) >= 0 and max(values, default=0) <= LAST_TIME_MS:
        return np.array(values, np.int64)
    time_ms, valid = parse_rfc3339(values) if types.count(str) == len(values) else _mixed_times(values)
    for row in np.flatnonzero(~valid).tolist():
        faults.setdefault(row, _time_fault(values[row]))
    return time_ms


def _mixed_times(values: Sequence[Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read times of several types, and those that are no times. A float that is whole is an integer, as JSON Schema has it."""
    time_ms, valid = np.zeros(len(values), np.int64), np.zeros(len(values), np.bool_)
    texts = [row for row, value in enumerate(values) if type(value) is str]
    time_ms[texts], valid[texts] = parse_rfc3339([values[row] for row in texts])
    whole = [row for row, value in enumerate(values) if type(value) in (int, float) and 0 <= value <= LAST_TIME_MS and value == int(value)]
    time_ms[whole], valid[whole] = [int(values[row]) for row in whole], True
    return time_ms, valid


def _time_fault(value: Any) -> tuple[str, str]:
    if value is None:
        return "missing_field", "timestamp"
    if type(value) is str:
        return "bad_timestamp", f"timestamp: {value[:SHOWN]!r} is not RFC 3339 with an offset, years 1970 to 9999"
    if type(value) in (int, float):
        return "bad_timestamp", f"timestamp: {value} is not whole milliseconds from 0 to {LAST_TIME_MS}"
    return _wrong_type("timestamp", value, "a text or a whole number")


def _wrong_type(field: str, value: Any, wanted: str) -> tuple[str, str]:
    return "nested_value" if type(value) in NESTED else "wrong_type", f"{field[:SHOWN]}: {JSON_TYPES[type(value)]}, not {wanted}"


def _texts_of(records: Sequence[Record], fields: Collection[str]) -> int | None:
    """How many values of these fields are texts; None where one is an object or an array."""
    count = 0
    for field in fields:
        types = [type(record.get(field)) for record in records]
        if dict in types or list in types:
            return None
        count += types.count(str)
    return count


def check_nesting(records: Sequence[Record], faults: Faults) -> int:
    """Flag records that hold an object or an array anywhere; give how many values of all records are texts."""
    types = list(map(type, chain.from_iterable(map(dict.values, records))))
    if dict in types or list in types:
        for row, record in enumerate(records):
            if not NESTED.isdisjoint(map(type, record.values())):
                key, value = next((key, value) for key, value in record.items() if type(value) in NESTED)
                faults.setdefault(row, _wrong_type(key, value, "a scalar"))
    return types.count(str)


def check_repeats(records: Sequence[Record], payloads: Sequence[bytes], texts: int, faults: Faults) -> None:
    """Flag records whose bytes name a key twice; `texts` is how many values of all records are texts.

    A parser keeps the last of repeated keys and says nothing. But JSON without nesting spends exactly two quotes, escaped ones aside, on each
    key and on each text, so a repeated key shows as more quotes than the record accounts for. It can never show as fewer: a sum over records
    is right only if every record is.
    """
    blocks = [slice(start, start + JOINED) for start in range(0, len(records), JOINED)]
    quotes = [_quotes(b"".join(payloads[block])) for block in blocks]
    if sum(quotes) == 2 * (sum(map(len, records)) + texts):
        return
    suspects = [block for block, counted in zip(blocks, quotes, strict=True) if counted != _accounted(records[block])]
    for row in chain.from_iterable(range(len(records))[block] for block in suspects):
        if row not in faults and _quotes(payloads[row]) != _accounted(records[row : row + 1]):
            faults[row] = ("repeated_key", f"more keys than the {len(records[row])} different ones")


def _accounted(records: Sequence[Record]) -> int:
    """Count the quotes that flat records need."""
    return 2 * (sum(map(len, records)) + list(map(type, chain.from_iterable(map(dict.values, records)))).count(str))


def _quotes(payload: bytes) -> int:
    """Count the quotes that open or close a text of valid JSON."""
    if b"\\" in payload:
        payload = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    return int(np.count_nonzero(np.frombuffer(payload, np.uint8) == ord('"')))
