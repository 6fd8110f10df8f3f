"""Step two of decoding: flat records to checked columns.

Every check runs over a whole column, with no Python work a value where nothing is wrong; only when a check fails are its rows looked at
one by one, to say which and why. A row's verdict depends on that row alone. What is accepted is what `schemas/event.schema.json` accepts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.event_bytes import JSON_TYPES, Record
from worker.core.event_faults import Faults
from worker.core.event_fields import FIELDS, LAST_TIME_MS, NUMBER_LIMITS, REQUIRED, TEXT_LIMITS, UNKNOWN_NAME_LENGTH, UNKNOWN_NAMES, UNKNOWN_OVERFLOW
from worker.core.timestamps import parse_rfc3339

Column = Sequence[Any]
Shapes = Counter[tuple[str, ...]]

NESTED = frozenset((dict, list))
TEXT_TYPES = frozenset((str, type(None)))
NUMBER_TYPES = frozenset((int, float, type(None)))
MOSTLY_UNIQUE = frozenset(("event_id",))  # not worth a set: hashing each text once for it costs more than looking at repeats twice
JOINED = 256  # records whose bytes are joined at a time: enough to be quick, few enough to stay in the cache
SHOWN = 40  # characters of a record's own text that a detail repeats


@dataclass(slots=True)
class Fields:
    """The columns of n records. A field that no record has is not among them; the required ones always are."""

    time_ms: NDArray[np.int64]
    texts: dict[str, list[Any]]  # str, or None where absent
    distinct: dict[str, Collection[Any]]  # the different values of each text column
    numbers: dict[str, NDArray[np.float64]]  # NaN where absent

    def without(self, faults: Faults) -> Fields:
        """Drop the rows that have faults."""
        keep = [row not in faults for row in range(len(self.time_ms))]
        texts = {field: list(compress(column, keep)) for field, column in self.texts.items()}
        distinct: dict[str, Collection[Any]] = {field: set(column) for field, column in texts.items()}
        return Fields(self.time_ms[keep], texts, distinct, {field: column[keep] for field, column in self.numbers.items()})


def shapes_of(records: Sequence[Record]) -> Shapes:
    """Count records by the keys that they have; a shop sends few different lists of them."""
    return Counter(map(tuple, records))


def columns_of(records: Sequence[Record], payloads: Sequence[bytes], shapes: Shapes) -> tuple[Fields, Faults]:
    """Take the known fields of records, given with the bytes and shapes of the same, as columns, and find the rows to be refused.

    The order of the checks decides which of several faults a row is refused for, so it must not depend on other rows.
    """
    keys, everywhere = set(chain.from_iterable(shapes)), FIELDS.intersection(*shapes)
    faults: Faults = {}

    def column(field: str) -> list[Any]:
        return list(map(itemgetter(field), records)) if field in everywhere else [record.get(field) for record in records]

    texts = {field: column(field) for field in TEXT_LIMITS if field in keys or field in REQUIRED}
    distinct = {field: check_text(values, field, faults) for field, values in texts.items()}
    times = column("timestamp")
    time_ms = check_times(times, faults)
    numbers = {field: check_number(column(field), field, faults) for field in NUMBER_LIMITS if field in keys}
    if faults or not keys <= FIELDS:
        held = check_nesting(records, faults)
    else:
        held = sum(len(values) - (values.count(None) if None in distinct[field] else 0) for field, values in texts.items()) + list(map(type, times)).count(str)
    check_repeats(records, payloads, held, faults)
    return Fields(time_ms, texts, distinct, numbers), faults


def unknown_fields(shapes: Shapes) -> dict[str, int]:
    """Count records by the unknown fields that they carry; names are cut short, and past a number of names the rest counts as one."""
    counts: dict[str, int] = {}
    for keys, number in shapes.items():
        for name in keys:
            if name not in FIELDS:
                counted = name[:UNKNOWN_NAME_LENGTH]
                if counted not in counts and len(counts) >= UNKNOWN_NAMES:
                    counted = UNKNOWN_OVERFLOW
                counts[counted] = counts.get(counted, 0) + number
    return counts


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


def check_text(column: Column, field: str, faults: Faults) -> Collection[Any]:
    """Flag rows whose text is missing, of another type, empty where it is required, or too long.

    Gives the different values of the column, or all of them for a field whose values seldom repeat.
    """
    limit, required = TEXT_LIMITS[field], field in REQUIRED
    distinct: Collection[Any]
    try:
        distinct = column if field in MOSTLY_UNIQUE else set(column)
    except TypeError:  # an object or an array
        distinct = {()}
    if TEXT_TYPES.issuperset(map(type, distinct)) and max(map(len, filter(None, distinct)), default=0) <= limit and (not required or all(distinct)):
        return distinct
    for row, text in enumerate(column):
        if text is None:
            if required:
                faults.setdefault(row, ("missing_field", field))
        elif type(text) is not str:
            faults.setdefault(row, _wrong_type(field, text, "a text"))
        elif required and not text:
            faults.setdefault(row, ("empty_field", field))
        elif len(text) > limit:
            faults.setdefault(row, ("too_long", f"{field}: {len(text)} characters, at most {limit}"))
    return distinct


def check_number(column: Column, field: str, faults: Faults) -> NDArray[np.float64]:
    """Flag rows whose number is of another type or out of range; give the column as float64[n], NaN where absent."""
    if not NUMBER_TYPES.issuperset(map(type, column)):
        for row, value in enumerate(column):
            if type(value) not in NUMBER_TYPES:
                faults.setdefault(row, _wrong_type(field, value, "a number"))
        column = [value if type(value) in NUMBER_TYPES else None for value in column]
    numbers = np.array(column, np.float64) + 0.0  # None becomes NaN, -0.0 becomes 0.0
    for row in np.flatnonzero((numbers < 0) | (numbers > NUMBER_LIMITS[field])).tolist():
        faults.setdefault(row, ("out_of_range", f"{field}: {numbers[row]:.17g} is outside 0 to {NUMBER_LIMITS[field]:.0f}"))
    return numbers


def check_times(column: Column, faults: Faults) -> NDArray[np.int64]:
    """Flag rows without a time; give the column as epoch milliseconds, int64[n]."""
    types = set(map(type, column))
    if types == {int} and min(column) >= 0 and max(column) <= LAST_TIME_MS:
        return np.array(column, np.int64)
    time_ms, valid = parse_rfc3339(column) if types == {str} else _mixed_times(column)
    for row in np.flatnonzero(~valid).tolist():
        faults.setdefault(row, _time_fault(column[row]))
    return time_ms


def _mixed_times(column: Column) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read times of several types, and those that are no times. A float that is whole is an integer, as JSON Schema has it."""
    time_ms, valid = np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)
    texts = [row for row, value in enumerate(column) if type(value) is str]
    time_ms[texts], valid[texts] = parse_rfc3339([column[row] for row in texts])
    whole = [row for row, value in enumerate(column) if type(value) in (int, float) and 0 <= value <= LAST_TIME_MS and value == int(value)]
    time_ms[whole], valid[whole] = [int(column[row]) for row in whole], True
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
