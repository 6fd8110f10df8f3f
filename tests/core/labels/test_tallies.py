"""Tallies as records: what is written reads back, and anything else is refused by field."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.labels.examples import Example, ExampleError
from worker.core.labels.tallies import LOOKS_MS, Tally, looks_of
from worker.core.settings import HOUR_MS

COUNTS = st.integers(0, 10**12)


def record(**changes: Any) -> dict[str, Any]:
    tally = Tally("churn", 3, 447_106 * HOUR_MS, (1_200_000, 0), (1, 0), (5, 2, 9))
    return {**orjson.loads(tally.encode()), **changes}


@given(st.integers(0, 7).flatmap(lambda looks: st.tuples(*(st.lists(COUNTS, min_size=n, max_size=n) for n in (looks, looks, looks + 1)))))
def test_a_tally_reads_back(columns: tuple[list[int], list[int], list[int]]) -> None:
    expected, seen, happened = map(tuple, columns)
    tally = Tally("churn", 3, 447_106 * HOUR_MS, expected, seen, happened)
    assert Example.decode(tally.encode()) == tally


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": 2}, "schema of a tally is 2, this program reads 1"),
        ({"target": ""}, "target is not a text"),
        ({"partition": -1}, "partition has -1, not a whole number"),
        ({"hour_ms": 5}, "hour_ms is 5, not the beginning of an hour"),
        ({"hour_ms": True}, "hour_ms has True, not a whole number"),
        ({"seen": 5}, "seen is not a list"),
        ({"seen": [1, 0.5]}, "seen has 0.5, not a whole number"),
        ({"expected": [1, 2**60]}, "expected has 1152921504606846976"),
        ({"happened": [1, 2]}, "not of as many looks"),
        ({"expected": [1]}, "not of as many looks"),
        ({"more": 1}, "'more' is missing or unknown"),
    ],
)
def test_what_is_no_tally_is_refused_by_field(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ExampleError, match=said):
        Example.decode(orjson.dumps(record(**changes)))


def test_a_tally_without_a_field_is_refused() -> None:
    kept = record()
    del kept["seen"]
    with pytest.raises(ExampleError, match="'seen' is missing"):
        Example.decode(orjson.dumps(kept))


def test_tallies_are_told_apart_by_partition_and_hour() -> None:
    tallies = [Tally("churn", partition, hour * HOUR_MS, (), (), (0,)) for partition in (0, 1, 11) for hour in (1, 11, 111)]
    assert len({tally.decision_id for tally in tallies}) == len(tallies)
    assert {tally.user for tally in tallies} == {"partition 0", "partition 1", "partition 11"}


def test_a_window_is_looked_at_while_it_is_open() -> None:
    assert looks_of(LOOKS_MS[-1] + 1) == LOOKS_MS
    assert looks_of(LOOKS_MS[2]) == LOOKS_MS[:2]
    assert looks_of(LOOKS_MS[0]) == ()
