"""RFC 3339 times to epoch milliseconds, a whole column at once.

Accepted: YYYY-MM-DD, one of "T", "t" or a space, HH:MM:SS, a fraction of one to nine digits if any, and "Z", "z" or ±HH:MM.
Years 1970 to 9999; the offset is honoured and never optional. A fraction is cut to the millisecond, not rounded, so that no event moves
ahead of its time. Second 60, a leap second, may stand in any minute (offsets and smeared clocks move it) and reads as the first second
of the next one, as POSIX time has it. The first day of 1970 takes no offset ahead of UTC, the last of 9999 none behind it and no second
60: they could leave the range, and a pattern in the schema can say no more than the day.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
FIRST_YEAR = 1970
SECONDS_END = 19  # "YYYY-MM-DDTHH:MM:SS" is so long
OFFSET_LENGTH = 6  # "+HH:MM"
FRACTION_DIGITS = 9
LENGTHS = range(SECONDS_END + 1, SECONDS_END + 1 + FRACTION_DIGITS + OFFSET_LENGTH + 1)

DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
DIGITS = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]
MARKS = {4: b"-", 7: b"-", 10: b"Tt ", 13: b":", 16: b":"}
ZULU = np.frombuffer(b"Zz", np.uint8)

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def parse_rfc3339(texts: Sequence[str]) -> tuple[Integers, Booleans]:
    """Read n texts: epoch milliseconds int64[n], and bool[n] that tells which could be read; the others' milliseconds are 0."""
    time_ms, valid = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    for length in np.unique(lengths).tolist():
        if length not in LENGTHS:
            continue
        rows = np.flatnonzero(lengths == length)
        # One byte a character: what is not ASCII becomes "?", which is never right.
        joined = "".join([texts[row] for row in rows.tolist()]).encode("ascii", "replace")
        characters = np.frombuffer(joined, np.uint8).reshape(len(rows), length)
        in_utc: Booleans = np.isin(characters[:, -1], ZULU)
        for chosen, tail in ((in_utc, 1), (~in_utc, OFFSET_LENGTH)):
            if chosen.any():
                time_ms[rows[chosen]], valid[rows[chosen]] = _read(characters[chosen], tail)
    return time_ms, valid


def _read(characters: Bytes, tail: int) -> tuple[Integers, Booleans]:
    """Read texts of one length, characters[n, length], that end in a zone of `tail` characters."""
    digits = characters - np.uint8(ord("0"))  # wraps round: anything but a digit is above 9
    valid: Booleans = digits[:, DIGITS].max(axis=1) <= 9
    for place, marks in MARKS.items():
        valid &= np.isin(characters[:, place], np.frombuffer(marks, np.uint8))
    year, month, day = _number(digits, 0, 4), _number(digits, 5, 7), _number(digits, 8, 10)
    hour, minute, second = _number(digits, 11, 13), _number(digits, 14, 16), _number(digits, 17, 19)
    fraction_ms, fraction_valid = _fraction_ms(characters, digits, characters.shape[1] - tail)
    offset_ms, offset_valid = _offset_ms(characters, digits) if tail == OFFSET_LENGTH else _none_of(digits, True)
    valid &= fraction_valid & offset_valid & (year >= FIRST_YEAR) & (month >= 1) & (month <= 12)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = DAYS_IN_MONTH[np.where(valid, month, 0)] + (leap & (month == 2))
    valid &= (day >= 1) & (day <= days) & (hour <= 23) & (minute <= 59) & (second <= 60)
    valid &= ~((year == FIRST_YEAR) & (month == 1) & (day == 1) & (offset_ms > 0))
    valid &= ~((year == 9999) & (month == 12) & (day == 31) & ((offset_ms < 0) | (second == 60)))
    time_ms = _days_since_1970(year, month, day) * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * 1000 + fraction_ms - offset_ms
    return np.where(valid, time_ms, 0), valid


def _number(digits: Bytes, start: int, end: int) -> Integers:
    """The decimal number in columns start … end - 1 of each row."""
    number = np.zeros(len(digits), np.int64)
    for place in range(start, end):
        number = number * 10 + digits[:, place]
    return number


def _fraction_ms(characters: Bytes, digits: Bytes, end: int) -> tuple[Integers, Booleans]:
    """The fraction of a second between the seconds and column `end`, cut to milliseconds."""
    start = SECONDS_END + 1
    if not 1 <= end - start <= FRACTION_DIGITS:
        return _none_of(digits, end == SECONDS_END)
    valid: Booleans = (characters[:, SECONDS_END] == ord(".")) & (digits[:, start:end] <= 9).all(axis=1)
    shown = min(3, end - start)
    return _number(digits, start, start + shown) * 10 ** (3 - shown), valid


def _none_of(digits: Bytes, valid: bool) -> tuple[Integers, Booleans]:
    """A part that no row has, which is valid or not."""
    return np.zeros(len(digits), np.int64), np.full(len(digits), valid)


def _offset_ms(characters: Bytes, digits: Bytes) -> tuple[Integers, Booleans]:
    """The offset ±HH:MM at the end of each row."""
    hour, minute = _number(digits[:, -5:-3], 0, 2), _number(digits[:, -2:], 0, 2)
    sign = characters[:, -6]
    valid: Booleans = (digits[:, [-5, -4, -2, -1]] <= 9).all(axis=1) & (characters[:, -3] == ord(":")) & ((sign == ord("+")) | (sign == ord("-")))
    valid &= (hour <= 23) & (minute <= 59)
    return np.where(sign == ord("-"), -1, 1) * (hour * HOUR_MS + minute * MINUTE_MS), valid


def _days_since_1970(year: Integers, month: Integers, day: Integers) -> Integers:
    """Days from 1 January 1970 in the proleptic Gregorian calendar, with years counted from March so that leap days come last."""
    year = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719_468
