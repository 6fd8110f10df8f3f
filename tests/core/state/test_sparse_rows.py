"""Sparse rows: whatever numbers a profile holds come back bit by bit, and records of earlier forms and layouts are read."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.core.older_state import profile_of_schema_1
from tests.core.runs import profile_rows, restored, run
from tests.core.shops import shop
from worker.core.profiles import layout as at
from worker.core.state.changelog import Restored
from worker.core.state.sparse_rows import BITMAP, dense, is_sound, sparse

numbers = st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324, float("inf"), 2.0**53]) | st.floats(allow_nan=True)


@given(arrays(np.float64, st.tuples(st.integers(0, 4), st.just(at.WIDTH)), elements=numbers, fill=st.just(0.0)))
def test_rows_come_back_bit_by_bit(rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    packed = sparse(rows)
    assert dense(packed).tobytes() == rows.tobytes()
    assert all(map(is_sound, packed))
    assert [len(row) for row in packed] == [BITMAP + 8 * int(count) for count in (rows.view(np.int64) != 0).sum(axis=1)]


@given(st.binary(max_size=3 * BITMAP))
def test_bytes_that_are_no_row_are_told(row: bytes) -> None:
    if is_sound(row):
        assert sparse(dense([row])) == [row]
    else:
        assert len(row) != BITMAP + 8 * int.from_bytes(row[:BITMAP], "little").bit_count() or int.from_bytes(row[:BITMAP], "little") >= 1 << at.WIDTH


def test_a_profile_that_an_earlier_program_wrote_in_full_is_read() -> None:
    done = run(shop(21, 300))
    rows = profile_rows(done.pipeline)
    done.changelog |= {key: profile_of_schema_1(value) for key, value in done.changelog.items() if key.startswith(b"u:")}
    assert profile_rows(restored(done)) == rows


@pytest.mark.parametrize("schema", [1, 2])
def test_columns_that_a_layout_did_not_have_yet_are_zero(schema: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at, "LAYOUT_VERSION", at.LAYOUT_VERSION + 1)
    columns = at.WIDTH - 11
    row = np.arange(1.0, at.WIDTH + 1)
    row[columns:] = 0.0
    (written,) = sparse(row.reshape(1, -1))
    older: dict[int, dict[str, object]] = {
        1: {"row": base64.b64encode(row[:columns].tobytes()).decode()},
        2: {"columns": columns, "sparse": base64.b64encode(written[: -(-columns // 8)] + written[BITMAP:]).decode()},
    }
    changelog = Restored()
    changelog.apply(b"u:a", json.dumps({"schema": schema, "layout": at.LAYOUT_VERSION - 1, **older[schema]}).encode())
    assert changelog.profile_rows().tobytes() == row.tobytes()
