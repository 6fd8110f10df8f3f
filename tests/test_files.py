"""Files of events: every packing gives the same lines, in bounded memory, and what cannot be read is said in words."""

from __future__ import annotations

import gzip
import io
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from worker.core.events.fields import RECORD_BYTES
from worker.files import LONGEST_LINE, FileRefused, open_events

LINES = [orjson.dumps({"event": "purchase", "user_id": f"u{i}", "timestamp": 1_600_000_000_000 + i}) for i in range(5_000)]
PLAIN = b"\n".join(LINES) + b"\n"


def read(path: Path | str) -> list[bytes]:
    with open_events(path) as file:
        return list(file.lines())


def written(folder: Path, content: bytes) -> Path:
    path = folder / "events"
    path.write_bytes(content)
    return path


def table(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "events")
    return folder / "events"


def records(path: Path) -> list[Any]:
    return [orjson.loads(line) for line in read(path)]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.rstrip(b"\n"),
        PLAIN.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.replace(b"\n", b"\n\n"),
        gzip.compress(PLAIN),
        gzip.compress(PLAIN[:1_000]) + gzip.compress(PLAIN[1_000:]),
        zstandard.compress(PLAIN),
        zstandard.compress(PLAIN[:1_000]) + zstandard.compress(PLAIN[1_000:]),
    ],
    ids=["plain", "no last line end", "crlf", "bom", "empty lines", "gzip", "two gzips", "zstd", "two frames of zstd"],
)
def test_every_packing_gives_the_same_lines(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    with open_events(path) as file:
        assert list(file.lines()) == LINES
        assert file.read_bytes == file.total_bytes == len(content)


def test_standard_input_is_read_whatever_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    out, into = os.pipe()
    os.write(into, gzip.compress(b"\n".join(LINES[:100])))
    os.close(into)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(os.fdopen(out, "rb")))
    with open_events("-") as file:
        assert list(file.lines()) == LINES[:100]
        assert file.total_bytes is None


def test_lines_that_are_no_events_come_as_they_are(tmp_path: Path) -> None:
    content = [b"not json", b"\xff\xfe", b"   ", b"\x00"]
    assert read(written(tmp_path, b"\n".join(content))) == content


def test_an_endless_line_is_cut_and_still_too_large_and_hides_nothing_behind_it(tmp_path: Path) -> None:
    lines = read(written(tmp_path, LINES[0] + b"\n" + b"x" * (5 * LONGEST_LINE) + b"\n" + LINES[1] + b"\n" + b"y" * LONGEST_LINE))
    assert [len(line) for line in lines] == [len(LINES[0]), LONGEST_LINE, len(LINES[1]), LONGEST_LINE]
    assert lines[2] == LINES[1]
    assert LONGEST_LINE > RECORD_BYTES


@pytest.mark.parametrize("packed", [gzip.compress(PLAIN), zstandard.compress(PLAIN)], ids=["gzip", "zstd"])
def test_a_packed_file_that_is_cut_off_says_so_after_what_could_be_read(tmp_path: Path, packed: bytes) -> None:
    got: list[bytes] = []
    with open_events(written(tmp_path, packed[:-40])) as file, pytest.raises(FileRefused, match="cut off"):
        got.extend(file.lines())
    assert got == LINES[: len(got)]


@pytest.mark.parametrize("packed", [gzip.compress(PLAIN), zstandard.compress(PLAIN)], ids=["gzip", "zstd"])
def test_a_damaged_packed_file_says_so(tmp_path: Path, packed: bytes) -> None:
    middle = len(packed) // 2
    with pytest.raises(FileRefused, match=r"damaged|cut off"):
        read(written(tmp_path, packed[:middle] + bytes(200) + packed[middle + 200 :]))


def test_what_is_missing_or_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="no such file"):
        open_events(tmp_path / "nothing")
    with pytest.raises(FileRefused, match="folder"):
        open_events(tmp_path)


@pytest.mark.parametrize(("package", "content"), [("pyarrow", b"PAR1"), ("zstandard", zstandard.compress(PLAIN))])
def test_a_package_that_is_not_installed_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, content: bytes) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FileRefused, match=rf"{package}(.|\n)*pip install 'clickscore\["):
        read(written(tmp_path, content))


# ---- Parquet


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_a_time_of_any_unit_becomes_epoch_milliseconds(tmp_path: Path, unit: str, zone: str | None) -> None:
    at = datetime(2021, 1, 2, 10, 15, 12, tzinfo=UTC)
    times = pa.array([at if zone else at.replace(tzinfo=None)], pa.timestamp(unit, tz=zone))
    path = table(tmp_path, event=["purchase"], user_id=["u"], timestamp=times)
    assert records(path) == [{"event": "purchase", "user_id": "u", "timestamp": 1_609_582_512_000}]


def test_fractions_of_a_millisecond_are_cut_off(tmp_path: Path) -> None:
    path = table(tmp_path, event=["purchase"], user_id=["u"], timestamp=pa.array([1_609_582_512_345_999], pa.timestamp("us")))
    assert records(path)[0]["timestamp"] == 1_609_582_512_345


def test_what_is_absent_is_left_out_and_numbers_as_identifiers_become_text(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        event=pa.array(["purchase", "scroll"]).dictionary_encode(),
        user_id=[17, 18],
        session_id=[3.0, None],
        timestamp=[1_000, 2_000],
        price=[float("nan"), 2.5],
        revenue=[None, 1.0],
        colour=["red", "blue"],
    )
    assert records(path) == [
        {"event": "purchase", "user_id": "17", "session_id": "3", "timestamp": 1_000},
        {"event": "scroll", "user_id": "18", "timestamp": 2_000, "price": 2.5, "revenue": 1.0},
    ]


def test_an_infinite_price_does_not_pass_for_an_absent_one(tmp_path: Path) -> None:
    path = table(tmp_path, event=["purchase"], user_id=["u"], timestamp=[1_000], price=[float("inf")])
    assert records(path)[0]["price"] == "inf"


def test_parquet_without_the_columns_of_an_event_names_them(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="'event' or 'timestamp'; there are: user_id, ts_us"):
        read(table(tmp_path, user_id=["u"], ts_us=[1]))


def test_damaged_parquet_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="Parquet"):
        read(written(tmp_path, b"PAR1" + bytes(100)))
