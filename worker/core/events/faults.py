"""Why a record is refused: one stable code a reason, and what it means in one line.

The codes are public (dead letters, metrics and docs carry them): they may be added to, never renamed. Where a record has several faults
the first one named in `MEANINGS` is not promised, but the same record always gets the same code, whatever stands beside it in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

MEANINGS: dict[str, str] = {
    "null_value": "The record has no value (a tombstone).",
    "null_key": "The record has no key; events are keyed by user id.",
    "too_large": "The value is longer than 1 MiB.",
    "empty": "The value holds no bytes, or only white space.",
    "byte_order_mark": "The value starts with a byte order mark.",
    "invalid_utf8": "The bytes are not UTF-8.",
    "invalid_json": "The text is not JSON.",
    "trailing_data": "Something follows the end of the object.",
    "not_finite": "NaN, Infinity, or a number beyond what 64 bits of floating point hold.",
    "lone_surrogate": "A string escapes half of a surrogate pair, which is no character.",
    "not_an_object": "The JSON is an array, a text, a number, true, false or null instead of an object.",
    "nested_value": "A field holds an object or an array; events are flat.",
    "repeated_key": "A field is named twice.",
    "missing_field": "A required field is absent or null.",
    "wrong_type": "A field holds another JSON type than its own.",
    "empty_field": "A required text is empty.",
    "too_long": "A text is longer than its limit.",
    "out_of_range": "A number is negative or above its limit.",
    "bad_timestamp": "The timestamp is neither RFC 3339 with an offset nor whole epoch milliseconds, or is outside the years 1970 to 9999.",
    "from_the_future": "The event's time lies further ahead than clocks may differ.",
}
REASONS: tuple[str, ...] = tuple(MEANINGS)

Faults = dict[int, tuple[str, str]]  # row -> (reason, detail); the first fault found in a row stands


@dataclass(frozen=True, slots=True)
class Rejected:
    """One refused record: its index among the values given, a code of `REASONS`, and words that say what was found where."""

    position: int
    reason: str
    detail: str
