"""Keys removed from an embedded log for good: nothing of them is left in its file, and whatever else is there stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.log.contract import Message, Topic
from worker.log.embedded import EmbeddedLog

SECRET = b"nobody-must-read-this-" * 8


def filled(path: Path) -> EmbeddedLog:
    log = EmbeddedLog(path)
    log.create([Topic("t", 2)])
    log.append("t", [Message(SECRET + b"%d" % number, b"a", partition=number % 2) for number in range(6)])
    log.append("t", [Message(b"others", b"b", partition=0), Message(b"others", None, partition=0)])
    log.append("t", [Message(None, b"a", partition=0), Message(b"later", b"a", partition=0)])
    return log


def left(log: EmbeddedLog) -> list[tuple[int, bytes | None, bytes | None]]:
    return [(record.offset, record.key, record.value) for partition in range(2) for record in log.read("t", partition)]


def test_what_a_tombstone_covers_goes_with_it_and_offsets_stay(tmp_path: Path) -> None:
    log = filled(tmp_path / "log.db")
    assert log.purge("t", lambda key, _: key == b"a") == 4
    assert left(log) == [(3, b"b", b"others"), (4, None, b"others"), (6, b"a", b"later"), *((n, b"a", SECRET + b"%d" % (2 * n + 1)) for n in range(3))]
    assert log.end_offsets("t") == {0: 7, 1: 3}
    log.close()


@pytest.mark.parametrize("purged", [True, False])
def test_nothing_of_it_is_left_in_the_file(tmp_path: Path, purged: bool) -> None:
    path = tmp_path / "log.db"
    log = filled(path)
    if purged:
        assert log.purge("t", lambda key, _: key == b"a", covered=False) == 8
        assert left(log) == [(3, b"b", b"others"), (4, None, b"others")]
    log.close()
    assert not path.with_name("log.db-wal").exists()
    assert (SECRET in path.read_bytes()) is not purged
