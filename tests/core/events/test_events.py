"""Laws of decoding: it accepts what the schema accepts, reads each event as written, and no event touches another."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.core.event_records import (
    DOUBTFUL,
    HASHED_AS,
    LABELS,
    NUMBERS,
    REQUIRED,
    TEXTS,
    Record,
    doubtful_records,
    encodings,
    expected_hash,
    expected_row,
    rows,
    valid_records,
)
from worker.core.events.decoding import EVENT_NAMES, LABEL_LENGTH, REASONS, decode
from worker.core.events.fields import FIELDS, UNKNOWN_NAME_LENGTH, UNKNOWN_NAMES, UNKNOWN_OVERFLOW
from worker.core.events.hashing import stable_hash
from worker.core.events.names import NAME_NUMBERS

VALIDATOR = Draft202012Validator(json.loads((Path(__file__).parents[3] / "schemas" / "event.schema.json").read_text(encoding="utf-8")))

HASH_COLUMNS = [HASHED_AS.get(field, field) for field in TEXTS]
FIRST_NAMES_HASH = 1793221841204603  # of the 78 names that the first version had


def encoded(**fields: Any) -> bytes:
    return json.dumps({**REQUIRED, **fields}).encode()


@pytest.mark.parametrize("field", [*sorted(FIELDS), "campaign"])
def test_schema_and_decoder_agree_on_every_doubtful_value_of_a_field(field: str) -> None:
    records = [{**REQUIRED, field: value} for value in DOUBTFUL]
    accepted = [record[field] for record in records if VALIDATOR.is_valid(record)]
    batch, rejected = decode([json.dumps(record).encode() for record in records])
    assert [records[position][field] for position in batch.position.tolist()] == accepted
    assert len(accepted) + len(rejected) == len(DOUBTFUL)
    assert min(len(accepted), len(rejected)) > 5


@settings(max_examples=150)
@given(st.lists(doubtful_records(), max_size=5))
def test_the_decoder_accepts_exactly_what_the_schema_accepts(records: list[Record]) -> None:
    batch, rejected = decode([json.dumps(record, allow_nan=False).encode() for record in records])
    accepted = [position for position, record in enumerate(records) if VALIDATOR.is_valid(record)]
    assert batch.position.tolist() == accepted
    assert [fault.position for fault in rejected] == [position for position in range(len(records)) if position not in accepted]
    assert {fault.reason for fault in rejected} <= set(REASONS)


@settings(max_examples=100)
@given(st.lists(valid_records().flatmap(lambda record: st.tuples(st.just(record), encodings(st.just(record)))), min_size=1, max_size=4))
def test_valid_events_decode_to_what_they_say(pairs: list[tuple[Record, bytes]]) -> None:
    batch, rejected = decode([value for _, value in pairs])
    assert rejected == []
    assert rows(batch) == [expected_row(record, position) for position, (record, _) in enumerate(pairs)]
    spoken = {record[field] for record, _ in pairs for field in LABELS if record.get(field)}
    assert batch.labels == {expected_hash(label): label[:LABEL_LENGTH] for label in spoken}
    assert batch.unknown_fields == Counter(name[:UNKNOWN_NAME_LENGTH] for record, _ in pairs for name in record if name not in FIELDS)


@settings(max_examples=100)
@given(st.lists(encodings(doubtful_records()) | st.sampled_from([None, b"", b"{", b"[]", b"\xff", b'{"a":1,"a":1}', b'{"a":NaN}']), max_size=5), st.data())
def test_however_the_input_is_cut_the_events_are_the_same(values: list[bytes | None], data: st.DataObject) -> None:
    whole, rejected = decode(values)
    cut = data.draw(st.integers(0, len(values)))
    for parts in ([values[:cut], values[cut:]], [[value] for value in values]):
        batches = [decode(part) for part in parts]
        starts = [sum(map(len, parts[:part])) for part in range(len(parts))]
        joined = [row | {"position": row["position"] + start} for (batch, _), start in zip(batches, starts, strict=True) for row in rows(batch)]
        assert joined == rows(whole)
        assert [(fault.position + start, fault.reason, fault.detail) for (_, faults), start in zip(batches, starts, strict=True) for fault in faults] == [
            (fault.position, fault.reason, fault.detail) for fault in rejected
        ]
        assert {number: label for batch, _ in batches for number, label in batch.labels.items()} == whole.labels
        assert sum((Counter(batch.unknown_fields) for batch, _ in batches), Counter()) == whole.unknown_fields


@settings(max_examples=100)
@given(valid_records(), st.data())
def test_a_repeated_key_is_always_found(record: Record, data: st.DataObject) -> None:
    text = json.dumps(record)
    key = data.draw(st.sampled_from(sorted(record)))
    again = data.draw(
        st.sampled_from([json.dumps(key), '"' + "".join(f"\\u{ord(unit):04x}" for unit in key) + '"']) if key.isascii() else st.just(json.dumps(key))
    )
    value = data.draw(st.sampled_from([json.dumps(record[key]), '"\\""', "null", "1"]))
    repeated = f"{text[:-1]},{again} :{value}}}".encode()
    neighbour = encoded(path='":"\\', campaign="a")
    _, rejected = decode([neighbour, repeated, neighbour])
    assert [fault.position for fault in rejected] == [1]
    assert rejected[0].reason in {"repeated_key", "missing_field", "wrong_type", "empty_field", "out_of_range", "bad_timestamp"}
    if value == json.dumps(record[key]):
        assert rejected[0].reason == "repeated_key"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null_value"),
        (b"", "empty"),
        (b" \r\n\t ", "empty"),
        (b"\xef\xbb\xbf" + encoded(), "byte_order_mark"),
        (encoded().replace(b"u1", b"u\xff"), "invalid_utf8"),
        (encoded().replace(b"u1", b"\xed\xa0\x80"), "invalid_utf8"),
        (encoded()[:-1], "invalid_json"),
        (encoded().replace(b'"', b"'"), "invalid_json"),
        (encoded()[:-1] + b",}", "invalid_json"),
        (encoded()[:-1] + b",}}", "invalid_json"),
        (b"\x00" + encoded(), "invalid_json"),
        (b"event", "invalid_json"),
        (encoded() + b"}", "trailing_data"),
        (encoded() + encoded(), "trailing_data"),
        (encoded() + b"\x00", "trailing_data"),
        (encoded()[:-1] + b',"price":NaN}', "not_finite"),
        (encoded()[:-1] + b',"price":-Infinity}', "not_finite"),
        (encoded()[:-1] + b',"price":1e400}', "not_finite"),
        (encoded()[:-1] + b',"campaign":-1' + b"0" * 400 + b"}", "not_finite"),
        (encoded().replace(b"u1", b"NaN").replace(b"page_view", b"\\ud800"), "lone_surrogate"),
        (encoded().replace(b"u1", b"\\\\\\udC00x"), "lone_surrogate"),
        (encoded().replace(b"u1", b"\\ud83d\\\\\\ude00"), "lone_surrogate"),
        (encoded().replace(b"u1", b"\\\\ud800")[:-1], "invalid_json"),
        (encoded().replace(b"u1", b"\\ud83d\\ude00")[:-1], "invalid_json"),
        (encoded().replace(b"u1", b"\\ud83d\\ud83d\\ude00"), "lone_surrogate"),
        (b"[" + encoded() + b"]", "not_an_object"),
        (b'"event"', "not_an_object"),
        (b"1", "not_an_object"),
        (b"null", "not_an_object"),
        (b"true", "not_an_object"),
        (b"[" * 100_000, "not_an_object"),
        (b"[" * 100_000 + b"]" * 100_000, "not_an_object"),
        (b'{"a":' * 100_000, "nested_value"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested_value"),
        (encoded()[:-1] + b',"a":' + b"[" * 2000 + b"]" * 2000 + b"}", "nested_value"),
        (encoded()[:-1] + b',"a":{"a":1,"a":2}}', "nested_value"),
        (encoded(event_id="x" * (1_048_576 - len(encoded(event_id="")) + 1)), "too_large"),
        (encoded(search="x" * 2_000_000), "too_large"),
        (encoded(event_id="x" * (1_048_576 - len(encoded(event_id="")))), "too_long"),
    ],
)
def test_bad_bytes_are_named_and_leave_their_neighbours_alone(value: bytes | None, reason: str) -> None:
    batch, rejected = decode([encoded(user_id="a"), value, encoded(user_id="b")])
    assert [(fault.position, fault.reason) for fault in rejected] == [(1, reason)]
    assert 0 < len(rejected[0].detail) <= 500
    assert (batch.user_id, batch.position.tolist()) == (["a", "b"], [0, 2])


@pytest.mark.parametrize("other", [{"path": None}, {"path": 3}, {"timestamp": True}, {"event_id": False, "item_id": 1}, {"path": ["a"]}])
@pytest.mark.parametrize("repeats", [1, 2])
def test_a_repeated_key_does_not_hide_behind_a_neighbour_that_makes_up_for_its_quotes(other: Record, repeats: int) -> None:
    repeated = encoded()[:-1] + b',"timestamp":1609582512345}'
    alone = [fault.reason for fault in decode([encoded(**other)])[1]]
    assert [fault.reason for fault in decode([encoded(**other), *[repeated] * repeats])[1]] == alone + ["repeated_key"] * repeats


def test_a_record_of_exactly_one_mebibyte_is_read() -> None:
    value = encoded(campaign="x" * (1_048_576 - len(encoded(campaign=""))))
    assert len(value) == 1_048_576
    assert decode([value])[1] == []


def test_pieces_of_json_that_would_fit_together_are_refused_one_by_one() -> None:
    whole = encoded()
    middle = whole.index(b",") + 1
    values = [whole[:middle], whole[middle:], b"{", b"}", whole + b",", b"," + whole, whole[:-1] + b',"a":"', b'"}', whole]
    batch, rejected = decode(values)
    assert batch.position.tolist() == [len(values) - 1]
    assert [fault.position for fault in rejected] == list(range(len(values) - 1))


def test_nothing_in_is_nothing_out() -> None:
    batch, rejected = decode([])
    assert (len(batch), rejected, rows(batch), batch.labels, batch.unknown_fields) == (0, [], [], {}, {})


def test_columns_have_the_promised_types_also_when_empty() -> None:
    for values in ([], [encoded()], [encoded(event_id="", price=None)], [None]):
        batch, _ = decode(values)
        kinds = {name: getattr(batch, name).dtype.name for name in ("position", "name", "time_ms", *HASH_COLUMNS, *NUMBERS)}
        assert kinds == {"position": "int32", "name": "int8", "time_ms": "int64", **dict.fromkeys(HASH_COLUMNS, "int64"), **dict.fromkeys(NUMBERS, "float64")}


def test_columns_can_be_written_to_without_touching_each_other() -> None:
    batch, _ = decode([encoded()])
    batch.path[0], batch.price[0] = 7, 7.0
    assert (batch.country[0], batch.currency[0]) == (0, 0)
    assert np.isnan(batch.revenue[0])


def test_unknown_names_are_other_and_the_name_map_translates_a_shops_own() -> None:
    events = ["spin_wheel", "purchase", "koop", "PURCHASE", "weg"]
    batch, _ = decode([encoded(event=event) for event in events], {"koop": "purchase", "weg": "nowhere", "purchase": "refund"})
    assert [EVENT_NAMES[number] for number in batch.name.tolist()] == ["other", "refund", "purchase", "other", "other"]


def test_event_names_keep_their_numbers_and_fit_their_column() -> None:
    assert (EVENT_NAMES[0], EVENT_NAMES[12], EVENT_NAMES[13], EVENT_NAMES[77]) == ("other", "purchase", "refund", "unlock_achievement")
    assert stable_hash(" ".join(EVENT_NAMES[:78])) == FIRST_NAMES_HASH
    assert [NAME_NUMBERS[name] for name in EVENT_NAMES] == list(range(len(EVENT_NAMES)))
    assert len(EVENT_NAMES) <= np.iinfo(np.int8).max


def test_unknown_fields_are_counted_by_name_in_a_bounded_table() -> None:
    values = [encoded(**{f"field {number} {'x' * 100}": 1 for number in range(start, start + 10)}) for start in range(0, 1000, 10)]
    batch, _ = decode(values)
    assert len(batch) == 100
    assert len(batch.unknown_fields) == UNKNOWN_NAMES + 1
    assert max(map(len, batch.unknown_fields)) == UNKNOWN_NAME_LENGTH
    assert sum(batch.unknown_fields.values()) == 1000
    assert batch.unknown_fields[UNKNOWN_OVERFLOW] == 1000 - UNKNOWN_NAMES


def test_labels_are_cut_and_zero_has_no_sign() -> None:
    batch, _ = decode([encoded(path="/" * 100, price=-0.0, timestamp=-0.0)])
    assert batch.labels == {expected_hash("/" * 100): "/" * LABEL_LENGTH}
    assert not np.signbit(batch.price).any()


def test_an_event_id_that_is_empty_or_null_is_none_at_all() -> None:
    for event_ids in ([""], [None], ["", "e1"], [None, "e1"], ["e1", "e2"]):
        batch, _ = decode([encoded(event_id=event_id) for event_id in event_ids])
        assert batch.event_id == [event_id or None for event_id in event_ids]
        assert batch.event_hash.tolist() == [stable_hash(event_id) if event_id else 0 for event_id in event_ids]


def test_refused_records_leave_no_labels_and_no_counts() -> None:
    batch, rejected = decode([encoded(path="/a", price=-1, campaign="x"), encoded(path="/b")])
    assert [fault.reason for fault in rejected] == ["out_of_range"]
    assert (list(batch.labels.values()), batch.unknown_fields) == (["/b"], {})
