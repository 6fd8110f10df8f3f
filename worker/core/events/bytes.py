"""Step one of decoding: bytes to flat Python records, or the reason why not.

Parsing is orjson's, which holds to RFC 8259. Only what it refuses is looked at again here, to name the fault: a handful of searches
without backtracking or recursion, so the longest and the deepest record cost time in proportion to their length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import compress
from math import isinf
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from worker.core.events.faults import Faults, Rejected
from worker.core.events.fields import RECORD_BYTES

Record = dict[str, Any]

JSON_TYPES: dict[type, str] = {
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
    list: "an array",
    dict: "an object",
}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WHITE_SPACE = " \t\n\r"  # JSON's own; str.strip() alone would take more

# Possessive throughout: a text is consumed up to its closing quote, or to the end when it has none, and never tried again.
_TEXT = r'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?'
_TEXTS = re.compile(_TEXT, re.DOTALL)
_UP_TO_SECOND_BRACKET = re.compile(rf'{{(?:[^"{{}}\[\]]++|{_TEXT})*+', re.DOTALL)
_NOT_FINITE = re.compile(r"(?<!\w)(?:nan|inf|infinity)(?!\w)", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"[0-9]{309,}+(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+|[0-9]++(?:\.[0-9]++)?+[eE]\+?[0-9]{3,}+")
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE_SURROGATE = re.compile(rf"{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW}")


class Parsed(NamedTuple):
    """The records that are JSON objects, the bytes of each, where each stood among the values, and those refused."""

    records: Sequence[Record]
    payloads: Sequence[bytes]
    positions: Sequence[int]
    rejected: list[Rejected]

    def without(self, faults: Faults) -> Parsed:
        """Move the rows that have faults to the rejected ones; the rest keep their order."""
        rejected = [*self.rejected, *(Rejected(self.positions[row], reason, detail) for row, (reason, detail) in faults.items())]
        keep = [row not in faults for row in range(len(self.records))]
        kept = list(compress(self.records, keep)), list(compress(self.payloads, keep)), list(compress(self.positions, keep))
        return Parsed(*kept, sorted(rejected, key=attrgetter("position")))


def parse(values: Sequence[bytes | None]) -> Parsed:
    """Parse each value on its own: parsing them joined was no faster, and so no record can touch how its neighbour is read."""
    fit: Sequence[bytes | None] = values
    if None in values or max(map(len, values), default=0) > RECORD_BYTES:  # type: ignore[arg-type]  # there is no None where max looks
        fit = [b"" if value is None or len(value) > RECORD_BYTES else value for value in values]  # so that the parser refuses it
    parsed = map(orjson.loads, fit)  # type: ignore[arg-type]
    records: list[Any] = []
    faults: dict[int, tuple[str, str]] = {}
    while len(records) < len(values):
        try:
            for record in parsed:
                records.append(record)  # noqa: PERF402  # extend() does not promise to keep what came before an error
        except orjson.JSONDecodeError as error:
            faults[len(records)] = _refuse(values[len(records)], str(error))
            records.append(None)
    if not faults and {dict}.issuperset(map(type, records)):
        return Parsed(records, values, range(len(values)), [])  # type: ignore[arg-type]  # None is refused
    for position, record in enumerate(records):
        if type(record) is not dict and position not in faults:
            faults[position] = "not_an_object", f"the value is {JSON_TYPES[type(record)]}"
    positions = [position for position in range(len(values)) if position not in faults]
    payloads = [value for position in positions if (value := values[position]) is not None]
    return Parsed([records[position] for position in positions], payloads, positions, [Rejected(position, *faults[position]) for position in sorted(faults)])


def _refuse(value: bytes | None, said: str) -> tuple[str, str]:
    if value is None:
        return "null_value", "no value"
    if len(value) > RECORD_BYTES:
        return "too_large", f"{len(value)} bytes, at most {RECORD_BYTES}"
    return diagnose(value, said)


def diagnose(value: bytes, said: str) -> tuple[str, str]:
    """Name the fault of bytes that the parser refused, saying `said`: a code of `REASONS` and a detail."""
    if value.startswith(BYTE_ORDER_MARK):
        return "byte_order_mark", "the value starts with EF BB BF"
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return "invalid_utf8", f"byte {error.start}: {error.reason}"
    text = text.strip(WHITE_SPACE)
    if not text:
        return "empty", f"{len(value)} bytes"
    if text[0] == "[":
        return "not_an_object", "the value is an array"
    if opening := _UP_TO_SECOND_BRACKET.match(text):
        end = opening.end()
        if text[end : end + 1] in ("{", "["):
            return "nested_value", f"a second bracket opens at character {end}"
        if end + 1 < len(text) and _parses(text[: end + 1]):
            return "trailing_data", f"{len(text) - end - 1} characters follow the object"
    return _diagnose_literals(text, said)


def _diagnose_literals(text: str, said: str) -> tuple[str, str]:
    """Tell numbers and characters that JSON cannot carry from plain bad syntax."""
    bare = _TEXTS.sub('""', text)
    if match := _NOT_FINITE.search(bare):
        return "not_finite", f"{match[0]} is not a JSON number"
    if any(isinf(float(match[0])) for match in _LONG_NUMBER.finditer(bare)):
        return "not_finite", "a number is beyond 64 bits of floating point"
    if match := _LONE_SURROGATE.search(text.replace("\\\\", "//")):  # an escaped backslash starts no escape of its own
        return "lone_surrogate", f"{match[0]} stands alone"
    return "invalid_json", said


def _parses(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
