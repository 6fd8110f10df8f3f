"""The embedded log against a model in plain Python: any mix of writing, turns, members, crashes and cleaning.

The model knows nothing of SQL, leases or generations. It holds what has been committed, and for each member what it
was given since; every answer of the log is compared with that.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.log.forms import EMBEDDED
from worker.log.contract import DAY_MS, Log, Message, Record, Topic, TopicPartition, Turns
from worker.log.embedded import group
from worker.log.errors import Fenced, MemberReplaced
from worker.log.partitioner import partition_of

RETENTION_MS, LEASE_MS = 1_000, 60_000
TOPICS = [Topic("in", 3, retention_ms=RETENTION_MS), Topic("out", 2, retention_ms=RETENTION_MS), Topic("state", 2, "compact")]
PARTITIONS = [TopicPartition(topic.name, partition) for topic in TOPICS for partition in range(topic.partitions)]
INPUT = [name for name in PARTITIONS if name.topic == "in"]
MESSAGES = st.lists(
    st.tuples(st.none() | st.binary(max_size=2), st.sampled_from([b"a", b"b", b"c", b"d"])).map(lambda pair: Message(*pair)), min_size=1, max_size=6
)
MEMBERS = st.sampled_from(["m1", "m2", "m3"])
WHICH = st.integers(0, 2)
Kept = tuple[int, bytes | None, bytes | None, int]  # offset, key, value, time


@dataclass
class Member:
    """One Turns, and what the model expects of it."""

    turns: Turns
    log: Log
    next: dict[TopicPartition, int] = field(default_factory=dict)  # its assignment, and where its next poll goes on
    base: dict[TopicPartition, int] = field(default_factory=dict)  # the committed position that its open turn is built on
    sent: list[tuple[str, Message]] = field(default_factory=list)
    sure: bool = True  # False once time has passed in which it may have been struck off
    doomed: bool = False  # a partition was lost in the middle of its open turn


class LogMachine(RuleBasedStateMachine):
    form: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.always_watch = patch.object(group, "WATCH_S", 0.0)  # the model's time does not wait for the real one
        self.always_watch.start()
        self.folder = Path(tempfile.mkdtemp())
        self.place = EMBEDDED[self.form](self.folder)
        self.kept: dict[TopicPartition, list[Kept]] = {name: [] for name in PARTITIONS}
        self.ends = dict.fromkeys(PARTITIONS, 0)
        self.committed: dict[TopicPartition, int] = {}
        self.members: dict[str, Member] = {}
        self.zombies: list[Member] = []

    @initialize()
    def begin(self) -> None:
        self.log = self.place.open()
        self.log.create(TOPICS)
        self.append(TOPICS[0], [Message(b"%d" % i, b"abcd"[i % 4 : i % 4 + 1]) for i in range(12)])
        self.join("m1", elsewhere=False)
        self.join("m2", elsewhere=True)

    def name(self, which: int) -> str:
        """The name of a member that is alive."""
        return sorted(self.members)[which % len(self.members)]

    def teardown(self) -> None:
        self.always_watch.stop()
        self.place.close()
        shutil.rmtree(self.folder)

    def publish(self, messages: list[tuple[str, Message]]) -> None:
        for topic, message in messages:
            name = TopicPartition(topic, partition_of(message.key or b"", self.log.partition_count(topic)))
            self.kept[name].append((self.ends[name], message.key, message.value, self.place.clock.now_ms))
            self.ends[name] += 1

    @rule(topic=st.sampled_from(TOPICS), messages=MESSAGES)
    def append(self, topic: Topic, messages: list[Message]) -> None:
        self.log.append(topic.name, messages)
        self.publish([(topic.name, message) for message in messages])

    @rule(name=MEMBERS, elsewhere=st.booleans())
    def join(self, name: str, elsewhere: bool) -> None:
        """Also the restart of a crashed member: the one that went by the name before can do nothing any more."""
        log = self.place.open() if elsewhere else self.log
        for partition in INPUT:  # a new group starts at the oldest record
            self.committed.setdefault(partition, self.log.start_offsets("in")[partition.partition])
        if name in self.members:
            self.zombies.append(self.members.pop(name))
        self.members[name] = Member(log.turns("g", ["in"], name), log)

    @rule(which=WHICH, limit=st.integers(1, 6))
    def poll(self, which: int, limit: int) -> None:
        member = self.members[self.name(which)]
        try:
            polled = member.turns.poll(limit, 0)
        except Fenced:
            assert member.doomed
            self.forget_turn(member)
            return
        if any(member.sent or member.next[lost] != member.base[lost] for lost in polled.lost):
            assert not member.sure, "a partition was taken in the middle of a turn"
            member.doomed = True
        for lost in polled.lost:
            del member.next[lost], member.base[lost]
        for gained in polled.gained:
            assert gained not in member.next
            member.next[gained] = member.base[gained] = self.committed[gained]
        assert member.turns.assignment() == frozenset(member.next)
        member.sure = True
        self.no_partition_has_two_owners()
        assert sum(map(len, polled.records.values())) <= limit
        for partition, records in polled.records.items():
            due = [kept for kept in self.kept[partition] if kept[0] >= member.next[partition]]
            assert [plain(record) for record in records] == due[: len(records)]
            member.next[partition] = records[-1].offset + 1

    def no_partition_has_two_owners(self) -> None:
        owned = [partition for member in self.members.values() if member.sure for partition in member.next]
        assert len(owned) == len(set(owned))

    @rule(which=WHICH, topic=st.sampled_from(TOPICS[1:]), messages=MESSAGES)
    def send(self, which: int, topic: Topic, messages: list[Message]) -> None:
        member = self.members[self.name(which)]
        try:
            member.turns.send(topic.name, messages)
        except Fenced:
            assert member.doomed
            self.forget_turn(member)
        else:
            member.sent += [(topic.name, message) for message in messages]

    @rule(which=WHICH)
    def turn(self, which: int) -> None:
        """What a worker does all day."""
        self.poll(which, 5)
        self.send(which, TOPICS[1], [Message(b"scored", b"a")])
        self.commit(which, set(INPUT))

    @rule(which=WHICH, part=st.sets(st.sampled_from(INPUT)))
    def commit(self, which: int, part: set[TopicPartition]) -> None:
        member = self.members[self.name(which)]
        offsets = {partition: offset for partition, offset in member.next.items() if partition in part}
        try:
            member.turns.commit(offsets)
        except MemberReplaced:
            raise
        except Fenced:
            assert member.doomed or not member.sure
            self.forget_turn(member)
            return
        assert not member.doomed
        for partition, offset in offsets.items():
            assert self.committed[partition] == member.base[partition], "someone else has committed this partition meanwhile"
            self.committed[partition] = member.base[partition] = offset
        self.publish(member.sent)
        member.sent = []

    @rule(which=WHICH, part=st.sets(st.sampled_from(INPUT)))
    def prepare(self, which: int, part: set[TopicPartition]) -> None:
        """Whatever comes after it, it changes nothing."""
        member = self.members[self.name(which)]
        member.turns.prepare({partition: offset for partition, offset in member.next.items() if partition in part})

    @rule(which=WHICH)
    def abort(self, which: int) -> None:
        self.forget_turn(self.members[self.name(which)])

    def forget_turn(self, member: Member) -> None:
        member.turns.abort()
        member.sent = []
        member.doomed = False
        member.next = dict(member.base)

    @precondition(lambda self: len(self.members) > 1)
    @rule(which=WHICH)
    def leave(self, which: int) -> None:
        self.members.pop(self.name(which)).turns.close()

    @precondition(lambda self: self.zombies)
    @rule(data=st.data())
    def zombie_wakes(self, data: st.DataObject) -> None:
        zombie = data.draw(st.sampled_from(self.zombies))
        try:
            zombie.turns.commit(zombie.next)
        except Fenced:
            zombie.turns.abort()
        else:
            raise AssertionError("a member that was replaced has committed")

    @rule(milliseconds=st.sampled_from([RETENTION_MS + 1, LEASE_MS + 1, DAY_MS + 1]))
    def time_passes(self, milliseconds: int) -> None:
        self.place.clock.now_ms += milliseconds
        for member in self.members.values():
            member.sure = milliseconds < LEASE_MS and member.sure

    @precondition(lambda self: len(self.members) > 1)
    @rule(which=WHICH)
    def hang(self, which: int) -> None:
        """One member is silent for longer than its lease, the others are not."""
        self.time_passes(LEASE_MS + 1)
        for other, name in enumerate(sorted(self.members)):
            if name != self.name(which):
                self.poll(other, 1)

    @rule()
    def power_returns(self) -> None:
        """All processes are gone at once, without a word; some come back."""
        self.members = {}
        self.log = self.place.open()
        self.join("m1", elsewhere=False)
        self.join("m2", elsewhere=True)

    @rule(topic=st.sampled_from(TOPICS), drop_unread=st.booleans())
    def cleanup(self, topic: Topic, drop_unread: bool) -> None:
        if topic.name == "in":
            drop_unread = False  # gaps have tests of their own
        before = sum(len(self.kept[name]) for name in PARTITIONS)
        removed = self.log.cleanup(topic.name, drop_unread=drop_unread)
        for name in PARTITIONS:
            if name.topic == topic.name:
                self.kept[name] = self.compacted(name) if topic.compacted else self.expired(name)
        assert removed == before - sum(len(self.kept[name]) for name in PARTITIONS)

    def compacted(self, name: TopicPartition) -> list[Kept]:
        last = {key: offset for offset, key, _, _ in self.kept[name]}
        old_ms = self.place.clock.now_ms - DAY_MS
        return [kept for kept in self.kept[name] if last[kept[1]] == kept[0] and not (kept[2] is None and kept[3] < old_ms)]

    def expired(self, name: TopicPartition) -> list[Kept]:
        old_ms = self.place.clock.now_ms - RETENTION_MS
        return [kept for kept in self.kept[name] if kept[3] >= old_ms or kept[0] >= self.committed.get(name, self.ends[name])]

    @invariant()
    def the_log_is_as_the_model_says(self) -> None:
        for topic in TOPICS:
            ends = self.log.end_offsets(topic.name)
            for partition in range(topic.partitions):
                name = TopicPartition(topic.name, partition)
                assert [plain(record) for record in self.log.read(topic.name, partition)] == self.kept[name]
                assert ends[partition] == self.ends[name]
        assert self.log.committed("g", "in") == {name.partition: offset for name, offset in self.committed.items()}


def plain(record: Record) -> Kept:
    return record.offset, record.key, record.value, record.timestamp_ms


class MemoryMachine(LogMachine):
    form = "memory"


class FileMachine(LogMachine):
    form = "file"


CHECKS = settings(deadline=None, suppress_health_check=list(HealthCheck))
MemoryMachine.TestCase.settings = settings(CHECKS, max_examples=60, stateful_step_count=40)
FileMachine.TestCase.settings = settings(CHECKS, max_examples=15, stateful_step_count=30)
TestMemory = MemoryMachine.TestCase
TestFile = FileMachine.TestCase
