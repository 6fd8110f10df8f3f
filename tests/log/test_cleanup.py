"""Compaction and retention, where the log does them itself."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.log.forms import File, Memory, flat, poll_records, settle, values
from worker.log.contract import DAY_MS, Log, Message, Record, Topic, TopicPartition
from worker.log.embedded import cleaner
from worker.log.errors import OffsetOutOfRange

Embedded = Memory | File


def survivors(log: Log, topic: str) -> list[Record]:
    return [record for partition in range(log.partition_count(topic)) for record in log.read(topic, partition)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.none() | st.binary(max_size=3)), max_size=30), cut=st.integers(0, 30))
def test_compaction_keeps_the_last_record_of_a_key_where_it_is(embedded: Embedded, writes: list[tuple[bytes, bytes | None]], cut: int) -> None:
    log = embedded.open()
    topic = f"t{len(log.topics())}"
    log.create([Topic(topic, 2, "compact")])
    log.append(topic, [Message(value, key) for key, value in writes[:cut]])
    log.cleanup(topic)
    log.append(topic, [Message(value, key) for key, value in writes[cut:]])
    before = survivors(log, topic)
    ends = log.end_offsets(topic)
    last = {record.key: record for record in before}
    assert log.cleanup(topic) == len(before) - len(last)
    assert survivors(log, topic) == [record for record in before if last[record.key] is record]
    embedded.clock.now_ms += DAY_MS + 1
    log.cleanup(topic)
    assert survivors(log, topic) == [record for record in before if last[record.key] is record and record.value is not None]
    assert log.end_offsets(topic) == ends


def test_compaction_in_many_steps_is_compaction(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaner, "STEP", 7)
    log = embedded.open()
    log.append("state", [Message(b"%d" % i, b"user-%d" % (i % 40)) for i in range(1_000)])
    assert log.cleanup("state") == 960
    assert sorted(int(record.value or b"") for record in survivors(log, "state")) == list(range(960, 1_000))


def test_a_tombstone_outlives_what_it_covers_when_compaction_is_cut_short(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    log = embedded.open()
    log.append("state", [Message(b"alive", b"user"), Message(None, b"user")])
    embedded.clock.now_ms += DAY_MS + 1
    remove = cleaner._remove
    cuts = iter([True])

    def cut_short(*arguments: object) -> int:
        if next(cuts, False):
            raise KeyboardInterrupt
        return remove(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cleaner, "_remove", cut_short)
    for _ in range(2):  # cut before the first pass, then not at all
        state = {record.key: record.value for record in survivors(log, "state")}
        assert state.get(b"user") is None
        try:
            log.cleanup("state")
        except KeyboardInterrupt:
            continue
    assert survivors(log, "state") == []


@pytest.fixture
def expiring(embedded: Embedded) -> Log:
    log = embedded.open()
    log.create([Topic("short", 1, retention_ms=1_000), Topic("small", 1, retention_bytes=25)])
    return log


def test_retention_by_age_removes_the_old_end_only(embedded: Embedded, expiring: Log) -> None:
    for value in (b"0", b"1", b"2"):
        expiring.append("short", [Message(value)])
        embedded.clock.now_ms += 600
    assert expiring.cleanup("short") == 2
    assert values(expiring, "short") == [[b"2"]]
    assert (expiring.start_offsets("short"), expiring.end_offsets("short")) == ({0: 2}, {0: 3})


def test_offsets_are_not_given_again_after_everything_is_gone(embedded: Embedded, expiring: Log) -> None:
    expiring.append("short", [Message(b"0"), Message(b"1")])
    embedded.clock.now_ms += 2_000
    assert expiring.cleanup("short") == 2
    expiring.append("short", [Message(b"2")])
    assert [(record.offset, record.value) for record in expiring.read("short", 0)] == [(2, b"2")]


def test_retention_by_size_keeps_the_newest_that_fit(expiring: Log) -> None:
    expiring.append("small", [Message(b"v" * 7, b"key", (("h", b""),)) for _ in range(5)])  # 10 bytes each, and its header
    expiring.cleanup("small")
    assert [record.offset for record in expiring.read("small", 0)] == [4]


def test_retention_waits_for_every_group_unless_told(embedded: Embedded, expiring: Log) -> None:
    expiring.append("short", [Message(b"%d" % i) for i in range(10)])
    quick, slow = expiring.turns("quick", ["short"], "m"), expiring.turns("slow", ["short"], "m")
    poll_records(quick, 10)
    quick.commit({TopicPartition("short", 0): 10})
    poll_records(slow, 10)
    slow.commit({TopicPartition("short", 0): 4})
    embedded.clock.now_ms += 2_000
    assert expiring.cleanup("short") == 4
    assert expiring.start_offsets("short") == {0: 4}
    slow.abort()
    assert [record.offset for record in poll_records(slow, 6)] == [4, 5, 6, 7, 8, 9]
    assert expiring.cleanup("short", drop_unread=True) == 6
    assert expiring.end_offsets("short") == expiring.start_offsets("short") == {0: 10}


def test_a_group_that_only_joined_is_waited_for_too(embedded: Embedded, expiring: Log) -> None:
    expiring.append("short", [Message(b"0")])
    expiring.turns("idle", ["short"], "m")
    embedded.clock.now_ms += 2_000
    assert expiring.cleanup("short") == 0


def test_a_gap_stops_the_group_or_is_counted(embedded: Embedded, expiring: Log) -> None:
    expiring.append("short", [Message(b"%d" % i) for i in range(5)])
    expiring.turns("strict", ["short"], "m").close()
    expiring.turns("lenient", ["short"], "m").close()
    embedded.clock.now_ms += 2_000
    expiring.append("short", [Message(b"new")])
    expiring.cleanup("short", drop_unread=True)
    strict = expiring.turns("strict", ["short"], "m")
    for _ in range(2):
        with pytest.raises(OffsetOutOfRange, match="offset 0, was removed by retention; the oldest one left is 5"):
            strict.poll(10, 0)
    lenient = expiring.turns("lenient", ["short"], "m", on_gap="skip")
    polled = lenient.poll(10, 0)
    assert polled.skipped == {TopicPartition("short", 0): 5}
    assert polled.gained == {TopicPartition("short", 0)}
    assert [record.value for record in flat(polled)] == [b"new"]
    lenient.commit(polled.next_offsets)
    assert lenient.poll(10, 0).skipped == {}


def test_a_tail_goes_on_from_the_oldest_record(embedded: Embedded, expiring: Log) -> None:
    tail = expiring.tail("short", "earliest")
    expiring.append("short", [Message(b"%d" % i) for i in range(5)])
    embedded.clock.now_ms += 2_000
    expiring.append("short", [Message(b"new")])
    expiring.cleanup("short")
    assert [record.value for record in tail.poll(10, 0)] == [b"new"]


def test_a_group_reads_on_over_what_compaction_took(embedded: Embedded) -> None:
    log = embedded.open()
    log.append("state", [Message(b"%d" % i, b"user", partition=0) for i in range(100)])
    log.append("state", [Message(None, b"user", partition=0)])
    turns = log.turns("g", ["state"], "m")
    embedded.clock.now_ms += 10
    log.cleanup("state")
    assert [record.offset for record in poll_records(turns, 1)] == [100]
    turns.abort()
    embedded.clock.now_ms += DAY_MS
    turns.poll(1, 0)
    log.cleanup("state")
    settle(turns)
    log.append("state", [Message(b"next", b"user", partition=0)])
    assert [record.offset for record in poll_records(turns, 1)] == [101]
