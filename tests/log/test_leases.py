"""Members of the embedded log that stop living: struck off, fenced, and back again."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.log.forms import File, Memory, poll_records, settle, written
from worker.log.contract import Log, Message, TopicPartition, Turns
from worker.log.embedded import process
from worker.log.embedded.group import _share
from worker.log.errors import Fenced

ALL = frozenset(TopicPartition("in", i) for i in range(4))
LEASE_MS = 60_000


def take_all(turns: Turns) -> None:
    for _ in range(1_000):
        turns.poll(1, 0.02)
        if turns.assignment() == ALL:
            turns.abort()
            return
    raise AssertionError(f"only {turns.assignment()}")


def input_read_by(log: Log, member: str) -> tuple[Turns, dict[TopicPartition, int]]:
    turns = log.turns("g", ["in"], member)
    return turns, {TopicPartition(r.topic, r.partition): r.offset + 1 for r in poll_records(turns, 8)}


def test_a_silent_member_loses_everything_and_its_commit_is_refused(embedded: Memory | File) -> None:
    log = embedded.open()
    log.append("in", [Message(b"%d" % i, partition=i % 4) for i in range(8)])
    zombie, offsets = input_read_by(log, "zombie")
    zombie.send("out", [Message(b"zombie", b"key")])
    other = embedded.open().turns("g", ["in"], "other")
    embedded.clock.now_ms += LEASE_MS + 1
    take_all(other)
    with pytest.raises(Fenced, match="struck off"):
        zombie.commit(offsets)
    with pytest.raises(Fenced, match="abort it and poll"):
        zombie.poll(1, 0)
    zombie.abort()
    poll_records(other, 8)
    assert zombie.poll(1, 0).lost == ALL
    other.send("out", [Message(b"other", b"key")])
    other.commit(offsets)
    settle(zombie, other)  # the zombie is a member again and gets its share
    assert written(log, "out") == [b"other"]


def test_what_was_lost_and_came_back_is_reported_as_both(embedded: Memory | File) -> None:
    log = embedded.open()
    zombie = log.turns("g", ["in"], "zombie")
    take_all(zombie)
    other = embedded.open().turns("g", ["in"], "other")
    embedded.clock.now_ms += LEASE_MS + 1
    take_all(other)
    other.close()
    lost, gained = frozenset[TopicPartition](), frozenset[TopicPartition]()
    for _ in range(1_000):
        polled = zombie.poll(1, 0.02)
        lost, gained = lost | polled.lost, gained | polled.gained
        if gained == ALL:
            break
    assert lost == gained == zombie.assignment() == ALL


def test_a_turn_that_loses_a_partition_while_polling_cannot_be_committed(embedded: Memory | File) -> None:
    log = embedded.open()
    log.append("in", [Message(b"%d" % i, partition=i % 4) for i in range(8)])
    zombie, _ = input_read_by(log, "zombie")
    zombie.send("out", [Message(b"zombie", b"key")])
    other = embedded.open().turns("g", ["in"], "other")
    embedded.clock.now_ms += LEASE_MS + 1
    take_all(other)
    assert zombie.poll(1, 0).lost == ALL
    with pytest.raises(Fenced, match="lost in the middle"):
        zombie.commit({})
    zombie.abort()
    zombie.commit({})
    assert written(log, "out") == []


def test_a_lapsed_lease_that_nobody_noticed_is_renewed(embedded: Memory | File) -> None:
    log = embedded.open()
    log.append("in", [Message(b"%d" % i) for i in range(8)])
    slow, offsets = input_read_by(log, "slow")
    embedded.clock.now_ms += 2 * LEASE_MS
    slow.commit(offsets)
    other = embedded.open().turns("g", ["in"], "other")
    settle(slow, other)
    assert len(slow.assignment()) == len(other.assignment()) == 2


def test_commits_keep_the_lease_alive(embedded: Memory | File) -> None:
    log = embedded.open()
    busy, other = log.turns("g", ["in"], "busy"), embedded.open().turns("g", ["in"], "other")
    settle(busy, other)
    mine = busy.assignment()
    for _ in range(5):
        embedded.clock.now_ms += LEASE_MS // 2
        busy.commit({})
        other.poll(1, 0.3)
    busy.commit(dict.fromkeys(mine, 0))
    assert busy.assignment() == mine


def test_a_partition_is_given_up_between_turns_only(embedded: Memory | File) -> None:
    log = embedded.open()
    log.append("in", [Message(b"%d" % i, partition=i % 4) for i in range(8)])
    first, offsets = input_read_by(log, "first")
    second = embedded.open().turns("g", ["in"], "second")
    for _ in range(3):  # both look, and the turn goes on
        assert first.poll(1, 0).lost == frozenset()
        assert second.poll(1, 0).gained == frozenset()
    first.commit(dict.fromkeys(offsets, 1))  # of two records in each, so the turn still goes on
    assert first.poll(1, 0).lost == frozenset()
    first.send("out", [Message(b"whole", b"key")])
    first.commit(offsets)
    settle(first, second)
    assert len(first.assignment()) == len(second.assignment()) == 2
    assert written(log, "out") == [b"whole"]


def test_the_owner_in_the_file_has_the_last_word(file: File) -> None:
    """However it came about that the list of members and the owners disagree."""
    log = file.open()
    log.append("in", [Message(b"%d" % i, partition=i % 4) for i in range(8)])
    turns, offsets = input_read_by(log, "m")
    turns.send("out", [Message(b"wrong", b"key")])
    with sqlite3.connect(file.path) as db:
        db.execute("UPDATE positions SET owner = 999 WHERE partition_id = 2")
    db.close()
    with pytest.raises(Fenced, match="belongs to another member"):
        turns.commit(offsets)
    assert written(log, "out") == []
    assert set(log.committed("g", "in").values()) == {0}


def test_processes_are_told_apart() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        boot, namespace, number, start = process.own_name().split(" ")
        childs = f"{boot} {namespace} {child.pid} {process._start(child.pid)}"
        assert int(number) == os.getpid()
        assert not process.is_gone(process.own_name())
        assert not process.is_gone(childs)
        assert process.is_gone(f"{boot} {namespace} {child.pid} {start}x")  # the number is in use again
        assert not process.is_gone(f" {namespace} {child.pid} {start}")
        assert process.is_gone(f"another-boot {namespace} {child.pid} {start}")
        assert not process.is_gone(f"{boot} another-namespace {child.pid} {start}x")  # out of sight
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
        assert process.is_gone(childs)
    assert process.is_gone(childs)


def test_without_proc_the_number_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_start", lambda number: "")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        name = f"{process._boot()} {process._namespace()} {child.pid} "
        assert not process.is_gone(name)
        child.kill()
    assert process.is_gone(name)


@given(partitions=st.integers(1, 50), members=st.sets(st.text(min_size=1, max_size=3), min_size=1, max_size=9))
def test_shares_are_ranges_that_cover_everything_once(partitions: int, members: set[str]) -> None:
    ids = list(range(10, 10 + partitions))
    shares = [list(_share(ids, list(members), member)) for member in sorted(members)]
    assert [partition_id for share in shares for partition_id in share] == ids
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert _share(ids, sorted(members), "none of them") == ()
