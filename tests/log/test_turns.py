"""The contract, for the turns of one member: all of a turn or nothing of it, and on from there."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from threading import Thread

import pytest

from tests.log.forms import PATIENCE_S, Form, flat, poll_records, poll_until, settle, values, wait_for_positions, written
from worker.log.contract import Log, Message, Record, Topic, TopicPartition
from worker.log.errors import Fenced, RecordRefused


def numbered(count: int, partition: int | None = None, first: int = 0) -> list[Message]:
    return [Message(b"%d" % i, partition=i % 4 if partition is None else partition) for i in range(first, first + count)]


def contents(records: Iterable[Record | Message]) -> list[bytes]:
    return sorted(record.value for record in records if record.value is not None)


def test_nobody_sees_a_turn_before_its_commit(form: Form, log: Log) -> None:
    log.append("in", numbered(3, partition=1))
    turns = log.turns("g", ["in"], "m")
    tail = form.open().tail("out", "earliest")
    records = poll_records(turns, 3)
    turns.send("out", [Message(b"done", b"key")])
    turns.send("state", [Message(b"s", b"key")])
    assert written(form.open(), "out") == []
    assert tail.poll(10, 0) == []
    turns.commit({TopicPartition("in", 1): records[-1].offset + 1})
    assert written(form.open(), "out") == [b"done"]
    assert written(form.open(), "state") == [b"s"]
    wait_for_positions(form.open(), "g", "in", {0: 0, 1: records[-1].offset + 1, 2: 0, 3: 0})


def test_an_aborted_turn_has_never_been(form: Form, log: Log) -> None:
    log.append("in", numbered(8))
    turns = log.turns("g", ["in"], "m")
    first = poll_records(turns, 8)
    turns.send("out", [Message(b"wrong", b"key")])
    turns.abort()
    again = poll_records(turns, 8)
    assert sorted(again) == sorted(first)
    turns.send("out", [Message(b"right", b"key")])
    turns.commit({})
    assert written(log, "out") == [b"right"]


def test_a_turn_may_take_several_polls_and_commit_a_part(form: Form, log: Log) -> None:
    log.append("in", numbered(4, partition=0))
    turns = log.turns("g", ["in"], "m")
    first = poll_records(turns, 4)
    log.append("in", numbered(4, partition=0, first=4))
    second = poll_records(turns, 4)
    assert [record.value for record in first + second] == [b"%d" % i for i in range(8)]
    turns.commit({TopicPartition("in", 0): first[2].offset})
    turns.abort()
    assert [record.value for record in poll_records(turns, 6)] == [b"%d" % i for i in range(2, 8)]


def test_polling_goes_on_after_a_partial_commit(log: Log) -> None:
    log.append("in", numbered(4, partition=0))
    turns = log.turns("g", ["in"], "m")
    first = poll_records(turns, 4)
    turns.commit({TopicPartition("in", 0): first[1].offset})
    log.append("in", numbered(1, partition=0, first=4))
    assert [record.value for record in poll_records(turns, 1)] == [b"4"]


def test_a_member_begins_where_the_last_commit_ended(form: Form, log: Log) -> None:
    log.append("in", numbered(6, partition=3))
    turns = log.turns("g", ["in"], "m")
    records = poll_records(turns, 6)
    turns.commit({TopicPartition("in", 3): records[4].offset})
    turns.send("out", [Message(b"never", b"key")])
    turns.close()
    turns = form.open().turns("g", ["in"], "m")
    assert [record.value for record in poll_records(turns, 2)] == [b"4", b"5"]
    assert written(log, "out") == []


def test_next_offsets_commit_all_that_was_polled(log: Log) -> None:
    log.append("in", numbered(9))
    turns = log.turns("g", ["in"], "m")
    seen = 0
    while seen < 9:
        polled = turns.poll(2, PATIENCE_S)
        seen += len(flat(polled))
        turns.commit(polled.next_offsets)
    wait_for_positions(log, "g", "in", {p: [*log.read("in", p)][-1].offset + 1 for p in range(4)})
    turns.abort()
    assert flat(turns.poll(10, 0)) == []


def test_an_offset_that_was_not_polled_is_refused_and_the_turn_stays_open(log: Log) -> None:
    log.append("in", numbered(2, partition=0))
    turns = log.turns("g", ["in"], "m")
    records = poll_records(turns, 2)
    turns.send("out", [Message(b"once", b"key")])
    for offset in (-1, records[-1].offset + 2):
        with pytest.raises(ValueError, match="not within what was polled"):
            turns.commit({TopicPartition("in", 0): offset})
    turns.commit({TopicPartition("in", 0): records[-1].offset + 1})
    assert written(log, "out") == [b"once"]


def test_a_refused_message_takes_its_whole_send_along(log: Log) -> None:
    turns = log.turns("g", ["in"], "m")
    settle(turns)
    turns.send("state", [Message(b"before", b"key")])
    with pytest.raises(RecordRefused, match="without a key"):
        turns.send("state", [Message(b"with it", b"key"), Message(b"no key")])
    turns.commit({})
    assert written(log, "state") == [b"before"]


def test_messages_of_a_turn_keep_their_order(log: Log) -> None:
    turns = log.turns("g", ["in"], "m")
    settle(turns)
    for i in range(20):
        turns.send("out", [Message(b"%02d" % i, partition=i % 2), Message(b"%02d+" % i, partition=i % 2)])
    turns.commit({})
    assert values(log, "out") == [[b"%02d%b" % (i, more) for i in range(odd, 20, 2) for more in (b"", b"+")] for odd in (0, 1)]


def test_a_poll_keeps_its_limit_and_starves_no_partition(log: Log) -> None:
    log.append("in", numbered(400))
    turns = log.turns("g", ["in"], "m")
    settle(turns)
    found = [flat(turns.poll(1, PATIENCE_S)) for _ in range(400)]
    assert [len(records) for records in found] == [1] * 400
    assert contents(chain.from_iterable(found)) == contents(numbered(400))
    with pytest.raises(ValueError, match="limit"):
        turns.poll(0, 0)


def test_what_was_prepared_is_seen_only_with_its_commit(form: Form, log: Log) -> None:
    log.append("in", numbered(4, partition=1))
    turns, name = log.turns("g", ["in"], "m"), TopicPartition("in", 1)
    for number, record in enumerate(poll_records(turns, 4)):
        turns.prepare({name: record.offset + 1})
        turns.send("out", [Message(b"%d" % number, b"key")])
        assert written(form.open(), "out") == [b"%d" % before for before in range(number)]
        turns.commit({name: record.offset + 1})
        assert written(form.open(), "out") == [b"%d" % before for before in range(number + 1)]
    wait_for_positions(log, "g", "in", {0: 0, 1: 4, 2: 0, 3: 0})


def test_other_offsets_than_those_prepared_can_be_committed_and_none(log: Log) -> None:
    log.append("in", numbered(4, partition=1))
    turns, name = log.turns("g", ["in"], "m"), TopicPartition("in", 1)
    records = poll_records(turns, 4)
    turns.prepare({name: records[-1].offset + 1})
    turns.send("out", [Message(b"one", b"key")])
    turns.commit({name: records[1].offset})
    turns.prepare({name: records[1].offset})
    turns.commit({name: records[1].offset})  # nothing to be done
    turns.prepare({name: records[-1].offset + 1})
    turns.send("out", [Message(b"two", b"key")])
    turns.commit({})
    assert written(log, "out") == [b"one", b"two"]
    wait_for_positions(log, "g", "in", {0: 0, 1: records[1].offset, 2: 0, 3: 0})


def test_what_was_prepared_and_aborted_has_never_been(log: Log) -> None:
    log.append("in", numbered(4, partition=1))
    turns, name = log.turns("g", ["in"], "m"), TopicPartition("in", 1)
    records = poll_records(turns, 4)
    turns.prepare({name: records[-1].offset + 1})
    turns.send("out", [Message(b"never", b"key")])
    turns.abort()
    assert poll_records(turns, 4) == records
    turns.prepare({name: records[-1].offset + 1})
    turns.close()
    assert poll_records(log.turns("g", ["in"], "other"), 4) == records
    assert written(log, "out") == []


def test_a_partition_gained_after_prepare_is_told_and_read(log: Log) -> None:
    log.append("in", numbered(8))
    for group in ("g", "another", "a third"):
        one, two = log.turns(group, ["in"], "one"), log.turns(group, ["in"], "two")
        settle(one, two)
        records = [record for member in (one, two) for record in poll_records(member, 4)]
        offsets = {TopicPartition("in", name.partition): 2 for name in one.assignment()}
        one.prepare(offsets)
        two.close()
        with suppress(Fenced):  # a group may share out twice in a row, and what was held in between another may have had: then nothing was kept
            again = poll_records(one, 4)
            break
        one.close()
    else:
        raise AssertionError("whatever was held was lost with every group")
    assert {record.partition for record in again} == {0, 1, 2, 3} - {name.partition for name in offsets}
    assert sorted(record.value or b"" for record in records) == contents(numbered(8))


def test_groups_do_not_disturb_each_other(log: Log) -> None:
    log.append("in", numbered(4))
    one, two = log.turns("one", ["in"], "m"), log.turns("two", ["in"], "m")
    records = poll_records(one, 4)
    one.commit({TopicPartition(r.topic, r.partition): r.offset + 1 for r in records})
    assert sorted(poll_records(two, 4)) == sorted(records)
    wait_for_positions(log, "one", "in", {p: len([*log.read("in", p)]) for p in range(4)})
    assert set(log.committed("two", "in").values()) == {0}


def test_a_new_group_starts_at_either_end(log: Log) -> None:
    log.append("in", numbered(4))
    early, late = log.turns("early", ["in"], "m", start="earliest"), log.turns("late", ["in"], "m", start="latest")
    settle(late)
    log.append("in", [Message(b"new", partition=0)])
    assert contents(poll_records(early, 5)) == [b"0", b"1", b"2", b"3", b"new"]
    assert contents(poll_records(late, 1)) == [b"new"]


def test_the_start_counts_only_for_a_group_without_a_position(log: Log) -> None:
    log.append("in", numbered(4))
    turns = log.turns("g", ["in"], "m")
    settle(turns)
    turns.commit({})
    turns.close()
    assert contents(poll_records(log.turns("g", ["in"], "m", start="latest"), 4)) == [b"0", b"1", b"2", b"3"]


def test_a_poll_without_records_ends_in_time_and_one_with_records_before(form: Form, log: Log) -> None:
    turns = log.turns("g", ["in"], "m")
    settle(turns)
    assert turns.poll(10, 0.01) == turns.poll(10, 0)
    writer = Thread(target=lambda: form.open().append("in", [Message(b"hello")]))
    writer.start()
    found = flat(turns.poll(10, PATIENCE_S))
    writer.join()
    assert [record.value for record in found] == [b"hello"]


def test_several_topics_in_one_group(log: Log) -> None:
    log.create([Topic("more", 4)])
    turns = log.turns("g", ["in", "more"], "m")
    log.append("in", numbered(4))
    log.append("more", numbered(4, first=4))
    records = poll_until(turns, lambda found: len(found) >= 8)
    assert sorted((r.topic, r.value) for r in records) == [("in" if i < 4 else "more", b"%d" % i) for i in range(8)]
