"""Who owns which partition: how members of a group join, share, die and are fenced.

There is no coordinator: each member does its own part under the file's write lock, from the tables alone.
- A member has an epoch, unique within its group, given when it joins. positions.owner holds the epoch of a
  partition's owner. A commit goes through only while the member is on the list with its epoch, and moves a position
  only where the owner is that epoch: these comparisons, inside the transaction that also writes the output, are the
  fence.
- Each member knows from the list of members who should have what (ranges, as Kafka's range assignor). It gives up
  what it should not have, between turns, and takes what it should have as soon as that is free. So a partition is
  never taken from a living member in the middle of a turn.
- Who finds a member's process gone, or its lease run out, strikes it off and frees what it owned.
- groups.generation rises with every change of owners, so one number says whether there is anything to look at.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from worker.log.contract import Start
from worker.log.embedded import process
from worker.log.embedded.store import Store
from worker.log.errors import Fenced, MemberReplaced

WATCH_S = 0.25  # how often a member looks whether the others still live, and renews its lease if need be


class _Member(NamedTuple):
    name: str
    epoch: int
    topics: tuple[str, ...]
    process: str
    lease_until_ms: int


class _Plan(NamedTuple):
    """What one member has to change; partitions by id."""

    dead: list[_Member]
    give_up: list[int]
    take: list[int]
    later: bool  # more has to be given up, but a turn is going on in it
    renew: bool

    @property
    def is_empty(self) -> bool:
        return not (self.dead or self.give_up or self.take or self.renew)


class Membership:
    """One member's standing in its group. `topics`: name -> ids of its partitions, in order."""

    def __init__(self, store: Store, group: str, member: str, topics: dict[str, list[int]], start: Start, lease_ms: int, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._group = group
        self._member = member
        self._topics = topics
        self._start = start
        self._lease_ms = lease_ms
        self._clock_ms = clock_ms
        self._process = process.own_name()
        self._generation = -1
        self._watch_at_s = 0.0
        self.where = f"{store.where}, group {group}, member {member}"
        with store.transaction() as db:
            self.epoch = self._join(db)

    def _join(self, db: sqlite3.Connection) -> int:
        """Enter the list, take over what the same name owned, and fence the process that went by it."""
        db.execute("INSERT OR IGNORE INTO groups VALUES (?, 0)", (self._group,))
        epoch = self._raise_generation(db)
        replaced = db.execute("SELECT epoch FROM members WHERE group_name = ? AND name = ?", (self._group, self._member)).fetchone()
        db.execute(
            "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?)",
            (self._group, self._member, epoch, json.dumps(sorted(self._topics)), self._process, self._clock_ms() + self._lease_ms),
        )
        if replaced:
            db.execute("UPDATE positions SET owner = ? WHERE group_name = ? AND owner = ?", (epoch, self._group, *replaced))
        first = "start_offset" if self._start == "earliest" else "end_offset"
        for ids in self._topics.values():
            for partition_id in ids:
                db.execute(f"INSERT OR IGNORE INTO positions SELECT ?, id, {first}, NULL FROM partitions WHERE id = ?", (self._group, partition_id))
        return epoch

    def follow(self, busy: Collection[int]) -> int:
        """Do this member's part of sharing the group's partitions; returns the group's generation.

        `busy`: ids of partitions in the middle of a turn, which are not given up now. A member that was struck off
        joins again, under a new epoch. Raises MemberReplaced.
        """
        with self._store.snapshot() as db:
            (generation,) = db.execute("SELECT generation FROM groups WHERE name = ?", (self._group,)).fetchone()
            if generation == self._generation and time.monotonic() < self._watch_at_s:
                return self._generation
            plan = self._plan(db, busy)
        if plan is None or not plan.is_empty:
            with self._store.transaction() as db:
                plan = self._plan(db, busy)
                if plan is None:
                    self.epoch = self._join(db)
                    plan = self._plan(db, busy=())
                    assert plan is not None  # we have just joined
                self._carry_out(db, plan)
                (generation,) = db.execute("SELECT generation FROM groups WHERE name = ?", (self._group,)).fetchone()
        self._generation = int(generation)
        self._watch_at_s = 0.0 if plan.later else time.monotonic() + WATCH_S
        return self._generation

    def _plan(self, db: sqlite3.Connection, busy: Collection[int]) -> _Plan | None:
        """None if this member is not on the list."""
        rows = db.execute("SELECT name, epoch, topics, process, lease_until_ms FROM members WHERE group_name = ? ORDER BY name", (self._group,))
        members = [_Member(name, epoch, tuple(json.loads(topics)), its_process, lease) for name, epoch, topics, its_process, lease in rows]
        me = next((member for member in members if member.name == self._member), None)
        if me is None:
            return None
        self._refuse_if_replaced(me.epoch)
        now_ms = self._clock_ms()
        dead = [member for member in members if member is not me and (member.lease_until_ms < now_ms or process.is_gone(member.process))]
        alive = [member for member in members if member not in dead]
        mine = {partition_id for topic, ids in self._topics.items() for partition_id in _share(ids, [m.name for m in alive if topic in m.topics], self._member)}
        owners: dict[int, int | None] = dict(db.execute("SELECT partition_id, owner FROM positions WHERE group_name = ?", (self._group,)))
        free = {None, *(member.epoch for member in dead)}
        surplus = {partition_id for partition_id, owner in owners.items() if owner == self.epoch} - mine
        return _Plan(
            dead=dead,
            give_up=sorted(surplus.difference(busy)),
            take=sorted(partition_id for partition_id in mine if owners.get(partition_id) in free),
            later=not surplus.isdisjoint(busy),
            renew=self._needs_renewal(me.lease_until_ms),
        )

    def _carry_out(self, db: sqlite3.Connection, plan: _Plan) -> None:
        for member in plan.dead:
            self._strike_off(db, member.epoch)
        update = "UPDATE positions SET owner = ? WHERE group_name = ? AND partition_id = ?"
        db.executemany(update, [(None, self._group, partition_id) for partition_id in plan.give_up])
        db.executemany(update, [(self.epoch, self._group, partition_id) for partition_id in plan.take])
        if plan.dead or plan.give_up or plan.take:
            self._raise_generation(db)
        if plan.renew:
            self._renew(db)

    def owned(self) -> dict[int, int]:
        """Committed position by partition id, of the partitions that this member owns."""
        with self._store.snapshot() as db:
            return dict(db.execute("SELECT partition_id, position FROM positions WHERE group_name = ? AND owner = ?", (self._group, self.epoch)))

    def move(self, db: sqlite3.Connection, offsets: dict[int, int]) -> None:
        """Set the positions of owned partitions, within the turn's transaction. This is the fence: raises Fenced, MemberReplaced."""
        row = db.execute("SELECT epoch, lease_until_ms FROM members WHERE group_name = ? AND name = ?", (self._group, self._member)).fetchone()
        if row is None:
            raise self._fenced("this member was struck off, because it did not poll or commit for longer than its lease")
        epoch, lease_until_ms = row
        self._refuse_if_replaced(epoch)
        cursor = db.executemany(
            "UPDATE positions SET position = ? WHERE group_name = ? AND partition_id = ? AND owner = ?",
            [(position, self._group, partition_id, self.epoch) for partition_id, position in offsets.items()],
        )
        if offsets and cursor.rowcount != len(offsets):
            raise self._fenced("a partition of this turn belongs to another member by now")
        if self._needs_renewal(lease_until_ms):
            self._renew(db)

    def leave(self) -> None:
        """Free what this member owns and strike it off; changes nothing if that has happened already."""
        with self._store.transaction() as db:
            self._strike_off(db, self.epoch)
            self._raise_generation(db)

    def _strike_off(self, db: sqlite3.Connection, epoch: int) -> None:
        db.execute("DELETE FROM members WHERE group_name = ? AND epoch = ?", (self._group, epoch))
        db.execute("UPDATE positions SET owner = NULL WHERE group_name = ? AND owner = ?", (self._group, epoch))

    def _raise_generation(self, db: sqlite3.Connection) -> int:
        db.execute("UPDATE groups SET generation = generation + 1 WHERE name = ?", (self._group,))
        (generation,) = db.execute("SELECT generation FROM groups WHERE name = ?", (self._group,)).fetchone()
        return int(generation)

    def _needs_renewal(self, lease_until_ms: int) -> bool:
        return lease_until_ms - self._clock_ms() < 0.75 * self._lease_ms  # a write every quarter of the lease, not every turn

    def _renew(self, db: sqlite3.Connection) -> None:
        db.execute("UPDATE members SET lease_until_ms = ? WHERE group_name = ? AND epoch = ?", (self._clock_ms() + self._lease_ms, self._group, self.epoch))

    def _refuse_if_replaced(self, epoch: int) -> None:
        if epoch != self.epoch:
            raise MemberReplaced("another process has joined under this member name", self.where, "stop this process, or give each worker a name of its own")

    def _fenced(self, why: str) -> Fenced:
        return Fenced(why, self.where, "abort the turn and poll; nothing of it was published")


def _share(ids: Sequence[int], members: Sequence[str], member: str) -> Sequence[int]:
    """The range of a topic's partitions that falls to `member`: contiguous, the first ones one longer, members by name."""
    if member not in members:
        return ()
    each, longer = divmod(len(ids), len(members))
    rank = sorted(members).index(member)
    begin = rank * each + min(rank, longer)
    return ids[begin : begin + each + (rank < longer)]
