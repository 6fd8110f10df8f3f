"""The decoder against anything: it never raises, and every value ends in the batch or among the rejected, once, for a known reason.

The work it spends is bounded too. Bytes that would make a search run away are here at full length: they would not come back.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.core.events.decoding import REASONS, decode
from worker.core.events.fields import RECORD_BYTES

SEEDS = [
    b'{"event":"page_view","user_id":"u1","timestamp":1609582512345}',
    b'{"event":"purchase","user_id":"u2","timestamp":"2021-01-02T11:15:12.345+01:00","event_id":"e1","price":19.9,"quantity":2,"revenue":37.3}',
    b' {"user_id":"\\u00e9\\ud83c\\udfa9\\"", "timestamp":0,\n"event":"search" , "search_term":"a\\\\", "campaign":null,"path":"/\xc3\xa9","consent":true}',
    b'{"event":"x","user_id":"u1","timestamp":1e3,"a":[1,{"b":[]}],"a":-0.0}',
    b"[]",
    b"\xef\xbb\xbf{}",
]
TOKENS = [
    b'"',
    b"\\",
    b'\\"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"NaN",
    b"-",
    b"1e999",
    b"\xff",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\x00",
    b" ",
    b'"user_id":',
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A record with some bytes replaced, left out or put in."""
    value = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(value)))
        end = draw(st.integers(start, min(len(value), start + 6)))
        value = value[:start] + draw(st.sampled_from(TOKENS) | st.binary(max_size=3)) + value[end:]
    return value


@st.composite
def spliced(draw: st.DrawFn) -> list[bytes]:
    """A run of records cut elsewhere than between them."""
    joined = draw(st.sampled_from([b"", b",", b"\n", b"},{"])).join(draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=4)))
    cuts = sorted(draw(st.lists(st.integers(0, len(joined)), max_size=4)))
    return [joined[start:end] for start, end in zip([0, *cuts], [*cuts, len(joined)], strict=True)]


def check_account(values: list[bytes | None]) -> None:
    batch, rejected = decode(values)
    assert sorted(batch.position.tolist() + [fault.position for fault in rejected]) == list(range(len(values)))
    assert [fault.position for fault in rejected] == sorted(fault.position for fault in rejected)
    assert {fault.reason for fault in rejected} <= set(REASONS)
    assert all(0 < len(fault.detail) <= 500 for fault in rejected)


@settings(max_examples=400)
@given(st.lists(st.none() | st.binary(max_size=40) | mutated() | st.sampled_from(SEEDS), max_size=8))
@example([None])
def test_no_bytes_stop_the_decoder_and_none_vanish(values: list[bytes | None]) -> None:
    check_account(values)


@settings(max_examples=200)
@given(spliced(), st.lists(st.sampled_from(SEEDS), max_size=3))
def test_records_cut_anywhere_neither_vanish_nor_spoil_whole_ones(pieces: list[bytes], whole: list[bytes]) -> None:
    check_account([*whole, *pieces, *whole])
    alone, _ = decode(list(whole))
    among, _ = decode([*whole, *pieces])
    assert among.user_id[: len(alone)] == alone.user_id


HOSTILE: dict[str, bytes] = {
    "escaped quotes": b'{"a":"' + b'\\"' * 524_000,
    "escapes without end": b'{"a":"' + b"\\" * 1_048_001,
    "quotes": b'{"a":' + b'"' * 1_048_001,
    "texts": b"{" + b'"",' * 349_000,
    "text that ends in an escape": b'{"a' * 262_000 + b"\\",
    "opening brackets": b"[" * 1_048_000,
    "opening braces": b'{"":' * 262_000,
    "closing braces": b"{" + b"}" * 1_048_000,
    "empty objects": b"{}" * 524_000,
    "not numbers": b'{"a":' + b"nan_" * 262_000,
    "long number": b'{"a":' + b"9" * 1_048_000,
    "long fraction": b'{"a":1.' + b"9" * 1_048_000 + b"x",
    "long exponent": b'{"a":1e' + b"9" * 1_048_000,
    "many numbers": b'{"a":' + b"1e100," * 174_000,
    "number before letters": b'{"a":' + b"0" * 1_048_000 + b"e",
    "half surrogates": b'{"a":"' + b"\\ud83d" * 174_000,
    "pairs of surrogates": b'{"a":"' + b"\\ud83d\\ude00" * 87_000,
    "white space": b" " * 1_048_576,
    "white space, then not": b"\n" * 1_048_000 + b"x",
    "broken characters": b"\xf0\x9f\x8e" * 349_000,
    "thousands of keys": b"{" + b",".join(b'"%d":1' % number for number in range(80_000)) + b"}",
    "one key again and again": b"{" + b",".join([b'"a":1'] * 170_000) + b"}",
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_mebibyte_made_to_be_slow_is_refused_like_any_other(value: bytes) -> None:
    assert 500_000 < len(value) <= RECORD_BYTES
    batch, rejected = decode([SEEDS[0], value])
    assert batch.position.tolist() == [0]
    assert [fault.position for fault in rejected] == [1]
    assert rejected[0].reason in REASONS


def calls_of(action: Callable[[], object]) -> int:
    """Count the calls that an action makes, of Python functions and of C functions from Python."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(before)
    return calls


CROWDS: dict[str, Callable[[int], bytes]] = {
    "good": lambda number: b'{"event":"page_view","user_id":"u%d","timestamp":%d}' % (number, number),
    "not JSON": lambda number: b'{"event":%d' % number,
    "other unknown fields each": lambda number: json.dumps({f"{number}.{field}": field for field in range(50)}).encode(),
    "repeated keys": lambda number: b'{"event":"x","user_id":"u1","timestamp":1,"event":"%d"}' % number,
    "nested": lambda number: b'{"event":"x","user_id":"u1","timestamp":1,"%d":[1]}' % number,
    "wrong types": lambda number: b'{"event":%d,"user_id":[],"timestamp":{},"price":"1","path":true}' % number,
    "times": lambda number: b'{"event":"x","user_id":"u1","timestamp":"2021-01-01T00:00:00.%sZ"}' % (b"0" * (number % 12)),
    "escapes": lambda number: b'{"event":"x","user_id":"\\\\\\"%d","timestamp":1,"path":"\\\\"}' % number,
}


@pytest.mark.parametrize("record", CROWDS.values(), ids=CROWDS)
def test_the_work_grows_no_faster_than_the_number_of_records(record: Callable[[int], bytes]) -> None:
    few, many = [record(number) for number in range(500)], [record(number) for number in range(4000)]
    first, second = calls_of(lambda: decode(few)), calls_of(lambda: decode(many))
    assert second <= 8 * first
    assert second <= 400 * len(many)
    check_account(list(many))
