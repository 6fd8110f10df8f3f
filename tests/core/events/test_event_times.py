"""RFC 3339: the column reader takes what the schema's pattern takes, and reads it to the millisecond."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.event_records import expected_ms, rfc3339
from worker.core.events.timestamps import parse_rfc3339

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "event.schema.json").read_text(encoding="utf-8"))
PATTERN = re.compile(SCHEMA["properties"]["timestamp"]["anyOf"][1]["pattern"])


def accepted(texts: list[str]) -> list[bool]:
    return [PATTERN.search(text) is not None for text in texts]


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2021-01-02T10:15:12.345Z", 1_609_582_512_345),
        ("2021-01-02t11:15:12.345+01:00", 1_609_582_512_345),
        ("2021-01-02 04:45:12.345-05:30", 1_609_582_512_345),
        ("2021-01-02T10:15:12.3459999z", 1_609_582_512_345),
        ("2021-01-02T10:15:12.3-00:00", 1_609_582_512_300),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2016-12-31T18:59:60.25-05:00", 1_483_228_800_250),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_799_999),
    ],
)
def test_a_time_is_read_to_the_millisecond(text: str, time_ms: int) -> None:
    milliseconds, valid = parse_rfc3339([text])
    assert (milliseconds.tolist(), valid.tolist()) == ([time_ms], [True])


def test_every_day_and_every_day_that_is_none() -> None:
    days = [(year, month, day) for year in (*range(1969, 2105), 2400, 9998, 9999) for month in range(14) for day in range(33)]
    texts = [f"{year:04}-{month:02}-{day:02}T00:00:00Z" for year, month, day in days]
    time_ms, valid = parse_rfc3339(texts)
    assert valid.tolist() == accepted(texts)
    read = [date.fromordinal(date(1970, 1, 1).toordinal() + ms // 86_400_000) for ms, good in zip(time_ms.tolist(), valid.tolist(), strict=True) if good]
    assert [(day.year, day.month, day.day) for day in read] == [day for day, good in zip(days, valid.tolist(), strict=True) if good]
    assert len(read) == sum(365 + ((year % 4 == 0 and year % 100 != 0) or year % 400 == 0) for year in (*range(1970, 2105), 2400, 9998, 9999))


@settings(max_examples=200)
@given(st.lists(rfc3339(), max_size=20))
def test_a_column_of_any_forms_is_read_as_each_alone(texts: list[str]) -> None:
    time_ms, valid = parse_rfc3339(texts)
    assert accepted(texts) == valid.tolist() == [True] * len(texts)
    assert time_ms.tolist() == [expected_ms(text) for text in texts]


@st.composite
def misspelt(draw: st.DrawFn) -> str:
    """A time with one character replaced, left out or put in; most often by one that belongs in times."""
    text = draw(rfc3339())
    place = draw(st.integers(0, len(text)))
    put = draw(st.sampled_from([*"0123456789-+:.TtZz ,\n", ""]) | st.characters(exclude_categories=["Cs"]))
    return text[:place] + put + text[place + draw(st.integers(0, 1)) :]


@settings(max_examples=150)
@given(st.lists(misspelt() | st.text(st.characters(exclude_categories=["Cs"]), max_size=36), min_size=1, max_size=20))
def test_the_reader_takes_what_the_pattern_takes(texts: list[str]) -> None:
    time_ms, valid = parse_rfc3339(texts)
    assert valid.tolist() == accepted(texts)
    assert [ms for ms, good in zip(time_ms.tolist(), valid.tolist(), strict=True) if not good] == [0] * valid.tolist().count(False)
