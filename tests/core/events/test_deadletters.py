"""A dead letter is the record as it came, and says where from and why."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from worker.core.events.deadletters import KEY, KEYLESS, MESSAGE_LENGTH, PREFIX, REASON, DeadLetter, as_it_came, dead_letter, is_named, named, own_headers
from worker.core.events.decoding import decode
from worker.core.events.faults import MEANINGS, REASONS


def test_headers_name_the_place_and_the_reason() -> None:
    letter = dead_letter(b'{"a":', b"u1", "clickstream.events", 3, 981245, "invalid_json", "line 1 column 6")
    assert letter == DeadLetter(
        b"u1",
        b'{"a":',
        [
            ("__dlq.errors.topic", b"clickstream.events"),
            ("__dlq.errors.partition", b"3"),
            ("__dlq.errors.offset", b"981245"),
            ("__dlq.errors.message", b"line 1 column 6"),
            ("clickscore.reason", b"invalid_json"),
        ],
    )


own_names = st.text().filter(lambda name: name not in (REASON, KEY, KEYLESS) and not name.startswith(PREFIX))


@given(st.none() | st.binary(), st.none() | st.binary(), st.lists(st.tuples(own_names, st.binary())), st.text())
def test_key_value_and_own_headers_stay_byte_for_byte(value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]], detail: str) -> None:
    assume(value is not None or key is not None)
    letter = dead_letter(value, key, "t", 0, 0, "empty", detail, headers)
    assert (letter.key, letter.value, letter.headers[: len(headers)]) == (key, value, headers)
    assert len(letter.headers) == len(headers) + 5
    assert len(letter.headers[-2][1].decode()) <= MESSAGE_LENGTH


@given(st.none() | st.binary(), st.none() | st.binary(), st.lists(st.tuples(own_names, st.binary())))
def test_under_a_key_of_its_own_a_letter_is_no_tombstone_and_tells_what_it_is_about(
    value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    assume(value is not None or key is not None)
    letter = dead_letter(value, key, "t", 4, 7, "null_value" if value is None else "empty", "words", headers)
    filed = named(letter)
    assert (filed.key, named(letter, "shop").key) == (b"t/4/7", b"t/4/7/shop")
    assert (is_named(filed.headers), is_named(letter.headers)) == (True, False)
    assert filed.value is not None
    assert as_it_came(*filed) == as_it_came(*letter) == (key, value)
    assert own_headers(filed.headers) == headers
    again = named(dead_letter(*as_it_came(*filed)[::-1], "t", 4, 9, "empty", "words", filed.headers))
    assert [name for name, _ in again.headers if name in (KEY, KEYLESS)] == [KEY if key is not None else KEYLESS]


def test_a_second_death_replaces_the_first_ones_headers() -> None:
    first = dead_letter(b"x", None, "clickstream.events", 1, 7, "null_key", "no key", [("traceparent", b"00")])
    second = dead_letter(*first[1::-1], "clickscore.deadletter", 1, 0, "invalid_json", "again", first.headers)
    names = [name for name, _ in second.headers]
    assert len(names) == len(set(names)) == 6
    assert dict(second.headers)["__dlq.errors.topic"] == b"clickscore.deadletter"
    assert dict(second.headers)["traceparent"] == b"00"


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{", b'{"event":"' + b"\xed\xa0\x80" + b'"}'])
def test_a_refused_value_travels_unchanged(value: bytes | None) -> None:
    _, (rejected,) = decode([value])
    letter = dead_letter(value, b"u1", "clickstream.events", 0, 5, rejected.reason, rejected.detail)
    assert letter.value is value
    assert dict(letter.headers)["clickscore.reason"].decode() in REASONS


def test_reasons_are_codes_with_a_line_of_meaning() -> None:
    assert tuple(MEANINGS) == REASONS
    assert all(code.replace("_", "").isalnum() and code.islower() for code in REASONS)
    assert all(meaning.endswith(".") and "\n" not in meaning for meaning in MEANINGS.values())


def test_a_record_with_neither_key_nor_value_can_still_be_written() -> None:
    assert dead_letter(None, None, "t", 0, 1, "null_value", "no value").value == b""
    assert dead_letter(None, b"k", "t", 0, 1, "null_value", "no value").value is None
