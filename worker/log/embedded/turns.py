"""The contract's Turns over the embedded log: one member polls, sends and commits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from worker.log.contract import Message, OnGap, Polled, Topic, TopicPartition
from worker.log.embedded.cursor import Cursor
from worker.log.embedded.group import WATCH_S, Membership
from worker.log.embedded.outbox import Outbox
from worker.log.embedded.store import Store
from worker.log.errors import Fenced, LogError, LogUnavailable

Lookup = Callable[[str], tuple[Topic, list[int]]]


class EmbeddedTurns:
    """Made by EmbeddedLog.turns(). `names` has all partitions of the group's topics by id."""

    def __init__(
        self, store: Store, membership: Membership, names: Mapping[int, TopicPartition], lookup: Lookup, on_gap: OnGap, clock_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._membership = membership
        self._ids = {name: partition_id for partition_id, name in names.items()}
        self._lookup = lookup
        self._clock_ms = clock_ms
        self._cursor = Cursor(names, on_gap)  # the keys of its positions are the assignment
        self._epoch = membership.epoch
        self._generation = -1
        self._stale = False  # after abort(), positions are read from the log before anything else
        self._delivered: dict[int, int] = {}  # of the open turn: the offset after the last record handed out
        self._outbox = Outbox()
        self._over = ""  # why the open turn can only be aborted
        self._gained: frozenset[TopicPartition] = frozenset()  # not reported yet
        self._lost: frozenset[TopicPartition] = frozenset()
        self._closed = False

    def poll(self, limit: int, timeout_s: float) -> Polled:
        """See the contract. Costs three short selects, and one more for each partition that has records."""
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        self._refuse_if_over()
        deadline = time.monotonic() + timeout_s
        while True:
            token = self._store.token()
            self._follow_group()
            records, skipped = ({}, {}) if self._over else self._cursor.fetch(self._store, limit)
            left_s = deadline - time.monotonic()
            if records or skipped or self._gained or self._lost or left_s <= 0:
                break
            self._store.wait(token, min(left_s, WATCH_S))
        self._delivered.update((self._ids[name], found[-1].offset + 1) for name, found in records.items())
        polled = Polled(records, self._gained, self._lost, skipped)
        self._gained = self._lost = frozenset()
        return polled

    def _follow_group(self) -> None:
        busy = self._cursor.positions.keys() if self._outbox else self._delivered.keys()
        generation = self._membership.follow(busy)
        if generation == self._generation and not self._stale:
            return
        owned = self._membership.owned()
        before = self._cursor.positions
        # under a new epoch, even what is owned again may have been another member's in between
        kept = before.keys() & owned.keys() if self._membership.epoch == self._epoch else set()
        lost = before.keys() - kept
        if lost and (self._outbox or lost & self._delivered.keys()):
            self._over = "a partition was lost in the middle of this turn"
        self._cursor.positions = {
            partition_id: before[partition_id] if partition_id in kept and not self._stale else position for partition_id, position in owned.items()
        }
        self._epoch = self._membership.epoch
        self._generation = generation
        self._stale = False
        lost_names = self._cursor.named(lost)
        self._lost |= lost_names
        self._gained = (self._gained - lost_names) | self._cursor.named(owned.keys() - kept)

    def assignment(self) -> frozenset[TopicPartition]:
        """As of the last poll: what others do meanwhile shows in the next one."""
        return self._cursor.named(self._cursor.positions)

    def lag(self) -> dict[TopicPartition, int]:
        """See the contract: every poll reads the ends."""
        names = {partition_id: name for name, partition_id in self._ids.items()}
        positions, ends = self._cursor.positions, self._cursor.ends
        return {names[number]: max(0, ends[number] - position) for number, position in positions.items() if number in ends}

    def send(self, topic: str, messages: Iterable[Message]) -> None:
        """Keep the messages in memory until commit()."""
        self._refuse_if_over()
        self._outbox.add(*self._lookup(topic), messages, self._store.where)

    def prepare(self, offsets: Mapping[TopicPartition, int]) -> None:
        """A commit is one step here; there is nothing to begin with."""

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """See the contract. In one transaction: 1 fence and positions, 2 records; then 3 the turn is forgotten."""
        self._refuse_if_over()
        moves = self._moves(offsets)
        self._over = "its commit has failed"  # holds unless one of the two ends below is reached
        try:
            with self._store.transaction() as db:
                self._membership.move(db, moves)
                self._outbox.write(db, self._clock_ms)
        except LogUnavailable:
            self._over = ""
            raise
        self._outbox.clear()
        self._delivered = {partition_id: end for partition_id, end in self._delivered.items() if moves.get(partition_id, -1) < end}
        self._over = ""

    def _moves(self, offsets: Mapping[TopicPartition, int]) -> dict[int, int]:
        """Positions by partition id."""
        moves = {}
        for name, offset in offsets.items():
            partition_id = self._ids.get(name)
            if partition_id is None or partition_id not in self._cursor.positions:
                self._over = f"{name.topic} {name.partition} is not assigned to this member"
                self._refuse_if_over()
            elif not 0 <= offset <= self._cursor.positions[partition_id]:
                raise ValueError(f"{name.topic} {name.partition}: offset {offset} is not within what was polled, up to {self._cursor.positions[partition_id]}")
            else:
                moves[partition_id] = offset
        return moves

    def abort(self) -> None:
        """Touches nothing but memory; the next poll() reads the committed positions."""
        self._outbox.clear()
        self._delivered = {}
        self._stale = True
        self._over = ""

    def close(self) -> None:
        """Other members gain the partitions with their next poll, which a commit like this wakes up."""
        if self._closed:
            return
        self.abort()
        self._closed = True
        with suppress(LogError):  # who cannot leave is struck off by the others, when the process ends or its lease
            self._membership.leave()

    def _refuse_if_over(self) -> None:
        if self._closed:
            raise ValueError("this member has left its group")
        if self._over:
            raise Fenced(f"this turn cannot go on: {self._over}", self._membership.where, "abort it and poll; nothing of it was published")
