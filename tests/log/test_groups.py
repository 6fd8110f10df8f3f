"""The contract, for several members of one group: one owner a partition, and no output of one that lost it."""

from __future__ import annotations

import pytest

from tests.log.forms import PATIENCE_S, Form, flat, poll_records, settle, values, written
from worker.log.contract import Log, Message, Record, TopicPartition, Turns
from worker.log.errors import Fenced, MemberReplaced

ALL = frozenset(TopicPartition("in", i) for i in range(4))


def can_commit(turns: Turns) -> bool:
    turns.send("out", [Message(b"mine", b"key")])
    try:
        turns.commit({})
    except Fenced:
        turns.abort()
        return False
    return True


def poll_in_turns(members: dict[str, Turns], held: dict[str, frozenset[TopicPartition]], sizes: list[int]) -> None:
    """Poll one member after the other until they hold partitions in these numbers; at no time can two commit for the same one."""
    for _ in range(1_000):
        for name, turns in members.items():
            polled = turns.poll(1, PATIENCE_S / 1_000)
            held[name] = held.get(name, frozenset()) - polled.lost | polled.gained
            assert held[name] == turns.assignment()
            for partition in held[name]:
                owners = [other for other in members if partition in held.get(other, ())]
                assert len(owners) == 1 or sum(can_commit(members[other]) for other in owners) <= 1
        if sorted(map(len, held.values())) == sizes:
            return
    raise AssertionError(f"not settled: {held}")


def test_members_share_and_report_what_changes(form: Form, log: Log) -> None:
    held: dict[str, frozenset[TopicPartition]] = {}
    members = {"b": log.turns("g", ["in"], "b")}
    poll_in_turns(members, held, [4])
    members["a"] = form.open().turns("g", ["in"], "a")
    poll_in_turns(members, held, [2, 2])
    members["c"] = form.open().turns("g", ["in"], "c")
    poll_in_turns(members, held, [1, 1, 2])
    for name, sizes in (("a", [2, 2]), ("c", [4])):
        members.pop(name).close()
        held.pop(name)
        poll_in_turns(members, held, sizes)
    assert held["b"] == ALL


def test_more_members_than_partitions_leave_some_without(form: Form, log: Log) -> None:
    members = {f"m{i}": form.open().turns("g", ["in"], f"m{i}") for i in range(6)}
    held: dict[str, frozenset[TopicPartition]] = {}
    poll_in_turns(members, held, [0, 0, 1, 1, 1, 1])
    assert frozenset().union(*held.values()) == ALL


def test_who_gains_a_partition_goes_on_from_its_last_commit(form: Form, log: Log) -> None:
    log.append("in", [Message(b"%d" % i, partition=p) for p in range(4) for i in range(6)])
    a = log.turns("g", ["in"], "a")
    records = poll_records(a, 24)
    a.commit({name: next(r.offset for r in records if r.partition == name.partition and r.value == b"3") for name in ALL})
    a.close()
    b = form.open().turns("g", ["in"], "b")
    assert sorted((r.partition, r.value) for r in poll_records(b, 12)) == [(p, b"%d" % i) for p in range(4) for i in (3, 4, 5)]


def test_a_partition_changes_hands_without_loss_or_repeat(form: Form, log: Log) -> None:
    log.append("in", [Message(b"%d" % i, b"user-%d" % (i % 50)) for i in range(400)])
    members = {"a": log.turns("g", ["in"], "a")}
    done: list[Record] = []
    for step in range(2_000):
        if step == 10:
            members["b"] = form.open().turns("g", ["in"], "b")
        if step == 30:
            members.pop("a").close()
        for turns in members.values():
            polled = turns.poll(7, PATIENCE_S / 1_000)
            records = flat(polled)
            turns.send("out", [Message(r.value, r.key) for r in records])
            try:
                turns.commit(polled.next_offsets)
                done += records
            except Fenced:
                turns.abort()
        if len(done) >= 400:
            break
    assert sorted(int(value or b"-1") for partition in values(log, "out") for value in partition) == list(range(400))


@pytest.mark.parametrize("same_handle", [True, False])
def test_a_restart_under_the_same_name_goes_on_at_once_and_fences_the_older(form: Form, log: Log, same_handle: bool) -> None:
    log.append("in", [Message(b"%d" % i) for i in range(8)])
    older = log.turns("g", ["in"], "m")
    offsets = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in poll_records(older, 8)}
    older.send("out", [Message(b"older", b"key")])
    newer = (log if same_handle else form.open()).turns("g", ["in"], "m")
    with pytest.raises(MemberReplaced, match="another process"):
        older.commit(offsets)
    assert newer.poll(1, PATIENCE_S).gained == ALL
    newer.abort()
    poll_records(newer, 8)
    newer.send("out", [Message(b"newer", b"key")])
    newer.commit(offsets)
    older.abort()
    for _ in range(2):
        with pytest.raises(MemberReplaced):
            older.poll(1, 0)
    older.close()
    assert newer.poll(1, 0).lost == frozenset()
    assert written(log, "out") == [b"newer"]


def test_a_fenced_output_alone_is_refused_too(form: Form, log: Log) -> None:
    older = log.turns("g", ["in"], "m")
    settle(older)
    older.send("out", [Message(b"older", b"key")])
    newer = form.open().turns("g", ["in"], "m")
    with pytest.raises(MemberReplaced):
        older.commit({})
    newer.poll(1, PATIENCE_S)
    assert written(log, "out") == []


def test_a_partition_of_another_cannot_be_committed(form: Form, log: Log) -> None:
    a, b = log.turns("g", ["in"], "a"), form.open().turns("g", ["in"], "b")
    settle(a, b)
    a.send("out", [Message(b"wrong", b"key")])
    with pytest.raises(Fenced, match="not assigned"):
        a.commit(dict.fromkeys(b.assignment(), 0))
    with pytest.raises(Fenced, match="abort it and poll"):
        a.commit({})
    a.abort()
    a.commit({})
    assert written(log, "out") == []


def test_a_member_that_left_can_do_nothing(log: Log) -> None:
    turns = log.turns("g", ["in"], "m")
    settle(turns)
    turns.close()
    turns.close()
    for call in (lambda: turns.poll(1, 0), lambda: turns.send("out", []), lambda: turns.commit({})):
        with pytest.raises(ValueError, match="left its group"):
            call()
