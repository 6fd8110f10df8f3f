"""What can go wrong with a file: full, locked, damaged, not ours. Each says so clearly, and work goes on after it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.log.forms import PATIENCE_S, File, poll_records, poll_until, settle, tail_records, values, written
from worker.log.contract import Message, Topic, TopicPartition
from worker.log.embedded import EmbeddedLog
from worker.log.embedded.store import Store
from worker.log.errors import LayoutTooNew, LogCorrupt, LogError, LogFull, LogLocked, LogMissing, LogUnusable, NotALog

HOLD_LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
input()
"""


@contextmanager
def write_lock_held_elsewhere(path: Path) -> Iterator[None]:
    """Another process holds the write lock of the file."""
    with subprocess.Popen([sys.executable, "-c", HOLD_LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            holder.communicate("end\n", timeout=PATIENCE_S)


def test_a_locked_file_is_named_and_the_same_turn_goes_on(file: File) -> None:
    log = EmbeddedLog(file.path, lock_timeout_s=0.05)
    log.append("in", [Message(b"%d" % i, partition=0) for i in range(5)])
    turns = log.turns("g", ["in"], "m")
    poll_records(turns, 5)
    turns.send("out", [Message(b"once", b"key")])
    with write_lock_held_elsewhere(file.path):
        for _ in range(2):
            with pytest.raises(LogLocked, match="another process has held the write lock") as caught:
                turns.commit({TopicPartition("in", 0): 5})
            assert str(file.path) in str(caught.value)
            assert "nothing was written" in str(caught.value)
        with pytest.raises(LogLocked):
            log.append("in", [Message(b"refused")])
        assert len(list(log.read("in", 0))) == 5  # reading does not need the lock
    turns.commit({TopicPartition("in", 0): 5})
    assert written(log, "out") == [b"once"]
    assert log.committed("g", "in")[0] == log.end_offsets("in")[0] == 5
    log.close()


def test_a_locked_file_can_be_given_up_and_reopened(file: File) -> None:
    log = EmbeddedLog(file.path, lock_timeout_s=0.05)
    log.append("in", [Message(b"%d" % i, partition=0) for i in range(5)])
    turns = log.turns("g", ["in"], "m")
    poll_records(turns, 5)
    turns.send("out", [Message(b"given up", b"key")])
    with write_lock_held_elsewhere(file.path):
        with pytest.raises(LogLocked):
            turns.commit({TopicPartition("in", 0): 5})
        turns.close()  # cannot leave the group now, and need not
        log.close()
    log = EmbeddedLog(file.path)
    turns = log.turns("g", ["in"], "m")
    assert len(poll_records(turns, 5)) == 5
    turns.send("out", [Message(b"once", b"key")])
    turns.commit({TopicPartition("in", 0): 5})
    assert written(log, "out") == [b"once"]
    log.close()


def test_a_full_log_says_so_and_the_same_turn_goes_on(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "log", size_limit_bytes=1_000_000)
    log.create([Topic("in", 1, retention_ms=0), Topic("out", 1)])
    sent = 0
    with pytest.raises(LogFull, match="no room is left") as caught:  # noqa: PT012 (which append it is, is not known before)
        while sent < 1_000:
            log.append("in", [Message(b"x" * 1_000) for _ in range(30)])
            sent += 30
    assert str(tmp_path / "log") in str(caught.value)
    assert log.end_offsets("in")[0] == sent < 1_000
    turns = log.turns("g", ["in"], "m")
    records = poll_records(turns, sent)
    turns.send("out", [Message(record.value) for record in records])
    position = {TopicPartition("in", 0): sent}
    for _ in range(2):
        with pytest.raises(LogFull):
            turns.commit(position)
        assert (written(log, "out"), log.committed("g", "in")) == ([], {0: 0})
    log.cleanup("in", drop_unread=True)
    turns.commit(position)
    assert log.committed("g", "in") == {0: sent}
    assert written(log, "out") == [b"x" * 1_000] * sent
    log.close()


def test_a_full_log_goes_on_when_reopened_with_more_room(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "log", size_limit_bytes=600_000)
    log.create([Topic("in", 1), Topic("out", 1)])
    log.append("in", [Message(b"x" * 1_000) for _ in range(300)])
    turns = log.turns("g", ["in"], "m")
    turns.send("out", [Message(record.value) for record in poll_records(turns, 300)])
    with pytest.raises(LogFull):
        turns.commit({TopicPartition("in", 0): 300})
    log.close()
    log = EmbeddedLog(tmp_path / "log")
    turns = log.turns("g", ["in"], "m")
    turns.send("out", [Message(record.value) for record in poll_records(turns, 300)])
    turns.commit({TopicPartition("in", 0): 300})
    assert values(log, "out") == [[b"x" * 1_000] * 300]
    log.close()


def newer(path: Path) -> None:
    EmbeddedLog(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()


def another_database(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE orders (id INTEGER)")
    db.close()


def without_a_table(path: Path) -> None:
    EmbeddedLog(path).close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE positions")
    db.close()


def filled(path: Path) -> None:
    log = EmbeddedLog(path)
    log.create([Topic("in", 1)])
    log.append("in", [Message(b"x" * 1_000) for _ in range(300)])
    log.close()


def truncated(path: Path) -> None:
    filled(path)
    with path.open("r+b") as damaged:
        damaged.truncate(100_000)


def overwritten_start(path: Path) -> None:
    filled(path)
    with path.open("r+b") as damaged:
        damaged.seek(100)
        damaged.write(b"\xff" * 4_000)


REFUSED: dict[str, tuple[Callable[[Path], object], type[LogError], str]] = {
    "newer layout": (newer, LayoutTooNew, "layout 99, this program knows layouts up to 1"),
    "another database": (another_database, NotALog, "an SQLite file, but not a log"),
    "text": (lambda path: path.write_text('{"event_name": "page_view"}\n' * 100), NotALog, "this is not a log"),
    "short text": (lambda path: path.write_text("hello"), NotALog, "this is not a log"),
    "a folder": (lambda path: path.mkdir(), LogMissing, "this is a folder"),
    "truncated": (truncated, LogCorrupt, "damaged"),
    "overwritten": (overwritten_start, LogCorrupt, "damaged"),
    "a table missing": (without_a_table, LogCorrupt, "tables are missing: positions"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_a_good_log_is_refused_and_left_as_it_is(tmp_path: Path, case: str) -> None:
    make, error, words = REFUSED[case]
    path = tmp_path / "file"
    make(path)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(error, match=words) as caught:
        EmbeddedLog(path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, LogUnusable)
    assert caught.value.problems[0].todo
    assert path.is_dir() or path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_damage_found_while_reading_is_called_damage(file: File) -> None:
    log = EmbeddedLog(file.path)
    log.append("in", [Message(b"x" * 1_000, partition=0) for _ in range(300)])
    turns = log.turns("g", ["in"], "m")
    settle(turns)
    log.close()
    file.close()
    with file.path.open("r+b") as damaged:
        damaged.seek(150_000)
        damaged.write(b"\xff" * 50_000)
    log = EmbeddedLog(file.path)
    with pytest.raises(LogCorrupt, match="damaged"):
        list(log.read("in", 0))
    turns = log.turns("g", ["in"], "m")
    with pytest.raises(LogCorrupt, match="damaged"):
        poll_until(turns, lambda records: len(records) == 300)
    log.close()


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogMissing, match="no such file"):
        EmbeddedLog(tmp_path / "nothing", create=False)
    with pytest.raises(LogMissing, match="does not exist"):
        EmbeddedLog(tmp_path / "no" / "log")
    assert list(tmp_path.iterdir()) == []


def test_an_odd_name_is_still_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a b?mode=memory#50%.log"
    log = EmbeddedLog(path)
    log.create([Topic("in")])
    log.close()
    assert path.exists()
    log = EmbeddedLog(path, create=False)
    assert list(log.topics()) == ["in"]
    log.close()


def test_a_closed_log_says_so(file: File) -> None:
    log = EmbeddedLog(file.path)
    turns = log.turns("g", ["in"], "m")
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append("in", [])
    turns.close()


@pytest.mark.parametrize("synchronous", ["normal", "full"])
def test_a_log_is_all_in_one_file_once_it_is_closed(tmp_path: Path, synchronous: str) -> None:
    log = EmbeddedLog(tmp_path / "log", synchronous="full" if synchronous == "full" else "normal")
    log.create([Topic("in", 1)])
    log.append("in", [Message(b"kept")])
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    log = EmbeddedLog(tmp_path / "log")
    assert values(log, "in") == [[b"kept"]]
    log.close()


def test_a_new_file_that_another_process_is_just_creating_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(tmp_path / "log", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogLocked):
        EmbeddedLog(tmp_path / "log", lock_timeout_s=0)
    monkeypatch.setattr("time.sleep", lambda seconds: other.rollback())  # while we wait, the other gets done
    log = EmbeddedLog(tmp_path / "log")
    assert log.topics() == {}
    log.close()
    other.close()


def test_a_new_file_that_becomes_a_log_while_it_is_looked_at_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, pragma = tmp_path / "log", Store._pragma
    sqlite3.connect(path).close()

    def and_then_another_comes(store: Store, name: str) -> int:
        found = pragma(store, name)
        monkeypatch.setattr(Store, "_pragma", pragma)
        with suppress(LogError):  # it may have to wait until we have looked
            EmbeddedLog(path, lock_timeout_s=0).close()
        return found

    monkeypatch.setattr(Store, "_pragma", and_then_another_comes)
    log = EmbeddedLog(path)
    assert log.topics() == {}
    log.close()


START_TOGETHER = """
import sys
from worker.log.contract import Message, Topic
from worker.log.embedded import EmbeddedLog
from worker.log.embedded.store import Store
print("ready", flush=True)
input()
log = EmbeddedLog(sys.argv[1], lock_timeout_s=30)
log.create([Topic("in", 4), Topic("out", 2)])
tail = log.tail("in", "earliest")
for i in range(20):
    log.append("in", [Message(b"%s-%d" % (sys.argv[2].encode(), i), b"user")])
seen = []
while len(seen) < 80:
    seen += tail.poll(100, 30)
print(" ".join(record.value.decode() for record in seen))
log.close()
"""


def test_processes_may_start_on_a_new_file_together_and_all_see_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log"
    command = [sys.executable, "-c", START_TOGETHER, str(path)]
    with ExitStack() as ends:
        children = [ends.enter_context(subprocess.Popen([*command, str(i)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)) for i in range(4)]
        for child in children:
            ends.callback(child.kill)
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        seen = [child.communicate(timeout=PATIENCE_S)[0].split() for child in children]
    assert [child.returncode for child in children] == [0] * 4
    log = EmbeddedLog(path)
    order = [record.value.decode() for record in tail_records(log.tail("in", "earliest"), 80) if record.value]
    log.close()
    assert seen == [order] * 4
    assert sorted(order) == sorted(f"{child}-{i}" for child in range(4) for i in range(20))
