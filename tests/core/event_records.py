"""Records for the tests of events: valid ones, ones with a subtle fault, and a reading of one event that shares no code with the decoder."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from hypothesis import strategies as st

from worker.core.events.decoding import Batch
from worker.core.events.names import EVENT_NAMES

Record = dict[str, Any]

REQUIRED = {"event": "page_view", "user_id": "u1", "timestamp": 1_609_582_512_345}
LABELS = ("item_category", "path", "country", "device", "medium")
TEXTS = ("event_id", "session_id", "item_id", "order_id", *LABELS, "currency", "search_term")
NUMBERS = ("price", "quantity", "revenue", "discount")

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"', "\\", '\\"', '{"a":1}', "\\u0041", "a\x00b", "🎩", "é", "/a:b", '":', ","]
)
id_text = text.filter(bool)
moments = st.integers(31_536_000, 253_370_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))  # years 1971 to 9998


@st.composite
def rfc3339(draw: st.DrawFn) -> str:
    """A time as text, in any of the forms allowed."""
    moment = draw(moments)
    fraction = draw(st.text("0123456789", max_size=9))
    zone = draw(st.sampled_from(["Z", "z", "+00:00", "-00:00", "+05:30", "-23:59", "+14:00"]))
    separator = draw(st.sampled_from("Tt "))
    return f"{moment:%Y-%m-%d}{separator}{moment:%H:%M:}{draw(st.sampled_from([*'0123456789', '60'])):0>2}{'.' if fraction else ''}{fraction}{zone}"


times = st.integers(0, 253_402_300_799_999) | rfc3339() | st.sampled_from([0, 1609582512345.0, 253_402_300_799_999])
amounts = st.floats(0, 1e6) | st.integers(0, 10**6) | st.sampled_from([-0.0, 0, 1e6])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
unknown_names = (text | st.sampled_from(["campaign", "Event", "user id", "TIMESTAMP", "items"])).filter(lambda name: name not in {*REQUIRED, *TEXTS, *NUMBERS})


@st.composite
def valid_records(draw: st.DrawFn) -> Record:
    """Any event that the schema accepts."""
    optional = st.fixed_dictionaries(
        {},
        optional={**dict.fromkeys(TEXTS, st.none() | text), **dict.fromkeys(NUMBERS, st.none() | amounts)}
        | {"path": st.sampled_from(["/", "/hats", None]) | text},
    )
    required = st.fixed_dictionaries({"event": id_text | st.sampled_from(EVENT_NAMES), "user_id": id_text, "timestamp": times})
    return draw(required) | draw(optional) | draw(st.dictionaries(unknown_names, scalars, max_size=3))


DOUBTFUL_TIMES: list[Any] = [
    *(-1, 253_402_300_800_000, 0.5, -0.0, 1e300, "0", "", "2021-01-01", "2021-01-01T00:00:00", "2021-01-01T00:00Z", "2021-01-01T00:00:00Zz"),
    *("2021-02-29T00:00:00Z", "2020-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2400-02-29T00:00:00Z", "2021-04-31T00:00:00Z", "2021-00-10T00:00:00Z"),
    *("1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00-00:01", "1970-01-02T00:00:00+23:59"),
    *("9999-12-31T23:59:60Z", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59-00:00", "9999-12-31T23:59:59+00:01", "9999-12-30T23:59:60-23:59"),
    *("2021-01-01T00:00:00Z\n", " 2021-01-01T00:00:00Z", "2021-01-01_00:00:00Z", "2021-01-01\n00:00:00Z", "2021/01/01T00:00:00Z", "2021-1-1T00:00:00Z"),
    *("2021-01-01T00:00:00,1Z", "2021-01-01T00:00:00.Z", "2021-01-01T00:00:00.123456789Z", "2021-01-01T00:00:00.0123456789Z", "2021-01-01T00:00:00.1"),
    *("2021-01-01T00:00:00+0100", "2021-01-01T00:00:00+1:00", "2021-01-01T00:00:00+24:00", "2021-01-01T00:00:00+23:60", "2021-01-01T00:00:00−01:00"),
    *("2021-01-01T24:00:00Z", "2021-01-01T23:60:00Z", "2021-01-01T23:59:60Z", "2021-01-01T23:59:61Z", "٢٠٢١-01-01T00:00:00Z", "2021-01-01T00:00:00🎩"),
]
DOUBTFUL: list[Any] = [
    *(None, True, False, "", "0", [], {}, [[]], {"a": "b"}, [1, "x"], -1, 0, -0.0, -5e-324, 1, 1.0, 0.5, 1e6, 1000001, 1e9, 1000000001, 1e10),
    *(2**53 + 1, 2**63, 2**64, -(2**64), 10**30, 10**400, -(10**400), 1.7976931348623157e308, -1.7976931348623157e308),
    *("a" * 256, "a" * 257, "🎩" * 256, "🎩" * 257, "é" * 1024, "é" * 1025, "/" * 2048, "/" * 2049),
    *DOUBTFUL_TIMES,
]


@st.composite
def doubtful_records(draw: st.DrawFn) -> Record:
    """A valid event with up to two fields left out or replaced: valid or not, the schema decides."""
    record = draw(valid_records())
    for _ in range(draw(st.integers(0, 2))):
        field = draw(st.sampled_from([*REQUIRED, *TEXTS, *NUMBERS, "campaign", "timestamp"]))
        if draw(st.integers(0, 4)) == 0:
            record.pop(field, None)
        else:
            record[field] = draw(st.sampled_from(DOUBTFUL_TIMES if field == "timestamp" else DOUBTFUL))
    return record


@st.composite
def encodings(draw: st.DrawFn, records: st.SearchStrategy[Record]) -> bytes:
    """A record as bytes, compact or spaced out, with characters escaped or not."""
    spaced = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
    return (
        draw(st.sampled_from([b"", b" ", b"\n\t"])) + json.dumps(draw(records), ensure_ascii=draw(st.booleans()), separators=spaced, allow_nan=False).encode()
    )


def rows(batch: Batch) -> list[Record]:
    """The batch as one dict an event; absent numbers as None, so that rows compare."""
    columns = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch) if field.name not in ("labels", "unknown_fields", "further")}
    listed = {name: column if isinstance(column, list) else column.tolist() for name, column in columns.items()}
    assert {len(column) for column in listed.values()} == {len(batch)}
    return [{name: None if column[row] != column[row] else column[row] for name, column in listed.items()} for row in range(len(batch))]


def expected_row(record: Record, position: int) -> Record:
    """What a valid event decodes to, worked out field by field."""
    name = EVENT_NAMES.index(record["event"]) if record["event"] in EVENT_NAMES else 0
    numbers = {field: None if record.get(field) is None else float(record[field]) for field in NUMBERS}
    hashes = {HASHED_AS.get(field, field): expected_hash(record.get(field)) for field in TEXTS}
    return {
        "position": position,
        "user_id": record["user_id"],
        "event_id": record.get("event_id") or None,
        "time_ms": expected_ms(record["timestamp"]),
        "name": name,
        **numbers,
        **hashes,
    }


HASHED_AS = {"event_id": "event_hash", "session_id": "session_hash", "order_id": "order_hash", "item_id": "item_hash", "item_category": "category"}


def expected_hash(value: str | None) -> int:
    return int.from_bytes(blake2b(value.encode(), digest_size=8).digest(), "little") // 4096 if value else 0


def expected_ms(value: float | str) -> int:
    """Read a valid timestamp with the standard library: its seconds apart, for it knows no second 60 and rounds what it cuts here."""
    if not isinstance(value, str):
        return int(value)
    zone = "+00:00" if value[-1] in "zZ" else value[-6:]
    minute = datetime.fromisoformat(f"{value[:10]}T{value[11:16]}:00{zone}")
    seconds, _, fraction = value[17 : -1 if value[-1] in "zZ" else -6].partition(".")
    since = minute - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(milliseconds=1) + int(seconds) * 1000 + math.floor(int(fraction.ljust(9, "0")) / 1_000_000)
