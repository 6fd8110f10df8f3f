"""The contract's Turns on Kafka: who owns which partition, from where it is read, and whether a commit took place.

Everything of a turn waits in memory until commit(), which publishes it in one transaction together with positions of the group. The transaction
always carries at least one position, for that is where the broker checks that this member still belongs to the group's generation (KIP-447).
Each position is committed with the turn's own number as its metadata: when the answer to a commit is lost, the metadata tells what happened.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count

from worker.log.contract import Message, OnGap, Polled, Record, Start, TopicPartition
from worker.log.errors import Fenced, LogError, LogUnavailable, MemberReplaced, OffsetOutOfRange, UnknownTopic
from worker.log.kafka.client import MARK_END, Assignment, Client, InDoubt, Membership, Outgoing, Position, Publisher
from worker.log.kafka.cluster import Cluster
from worker.log.partitioner import placed

JOIN_WAIT_S = 1.0  # for the group to take us in, when it is asked first; the polls go on waiting
REJOIN_WAIT_S = 0.1  # a poll waits so long at least while the group shares out anew: a client makes no headway in shorter ones


class KafkaTurns:
    """Made by KafkaLog.turns()."""

    def __init__(self, client: Client, cluster: Cluster, group: str, member: str, topics: Sequence[str], start: Start, on_gap: OnGap, stays: bool) -> None:
        """`stays`: who closes keeps their partitions for whoever comes under the same name before the session ends."""
        self._client = client
        self._cluster = cluster
        self._group, self._member = group, member
        self._start, self._on_gap, self._stays = start, on_gap, stays
        self._where = f"{cluster.where}, group {group}, member {member}"
        self._topics = list(topics)
        self._consumer = client.consumer(group, member, self._topics)
        self._publisher: Publisher | None = None
        self._membership: Membership | None = None
        self._positions: dict[TopicPartition, int] = {}  # of what is assigned: the next offset to be handed out
        self._committed: dict[TopicPartition, int] = {}  # … and the group's position, where it has one
        self._unknown: set[TopicPartition] = set()  # … of which the position must be read from the group first
        self._moved = False  # the client does not read from our positions yet
        self._delivered: dict[TopicPartition, int] = {}  # of the open turn: the offset after the last record handed out
        self._outbox: list[Outgoing] = []
        self._over = ""  # why the open turn can only be aborted
        self._failed_once = False  # a commit of the open turn has failed: what the group's positions are by now, only the group knows
        self._doubt: tuple[TopicPartition, str] | None = None  # the mark by which to find out whether the open turn was committed
        self._prepared: tuple[Mapping[TopicPartition, int], dict[TopicPartition, Position]] | None = None  # moves and marks of a transaction that was begun
        self._replaced: MemberReplaced | None = None
        self._gained: frozenset[TopicPartition] = frozenset()  # not reported yet
        self._lost: frozenset[TopicPartition] = frozenset()
        self._told: frozenset[TopicPartition] = frozenset()  # what is assigned, as far as it was reported
        self._skipped: dict[TopicPartition, int] = {}
        self._keyless = count()
        self._name, self._number = secrets.token_hex(4), count(1)
        self._closed = False
        try:
            self._join()
        except BaseException:
            self._consumer.close()
            raise

    def _join(self) -> None:
        """Be taken in before anything else is done, so that an older process of our name is fenced by the group first."""
        deadline = time.monotonic() + JOIN_WAIT_S
        while self._membership is None and (left_s := deadline - time.monotonic()) > 0:
            with suppress(OffsetOutOfRange):  # of a gap more is said when the positions are known
                self._consumer.poll(1, left_s)  # whatever it returns is read again, from the group's positions
            self._follow(self._consumer.assignments())

    # ---- reading

    def poll(self, limit: int, timeout_s: float) -> Polled:
        """See the contract. A rebalance is taken part in here, and shows in the result once the positions of what was gained are known."""
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        self._refuse_if_over()
        deadline = time.monotonic() + timeout_s
        while True:
            self._settle()
            news = self._gained or self._lost or self._skipped
            least_s = 0.0 if self._consumer.stable() else REJOIN_WAIT_S
            records = self._fetch(limit, max(least_s, 0.0 if news else deadline - time.monotonic()))
            self._settle()
            if records or time.monotonic() >= deadline or (not self._unknown and (self._gained or self._lost or self._skipped)):
                break
        if self._unknown:
            return Polled()
        for name, found in records.items():
            self._positions[name] = self._delivered[name] = found[-1].offset + 1
        polled = Polled(records, self._gained, self._lost, self._skipped)
        self._told = frozenset(self._positions)
        self._gained, self._lost, self._skipped = frozenset(), frozenset(), {}
        return polled

    def _fetch(self, limit: int, timeout_s: float) -> dict[TopicPartition, list[Record]]:
        """The next records; nothing when the assignment changed, for then the client may have read from elsewhere."""
        try:
            found = self._consumer.poll(limit, timeout_s)
        except MemberReplaced as error:
            if self._is_replaced():
                self._replaced = error
                raise
            self._rejoin()
            return {}
        except OffsetOutOfRange:
            self._pass_gaps(self._positions)
            return {}
        if self._follow(self._consumer.assignments()) or self._over or self._unknown or self._moved:
            return {}
        return {name: records for name, records in found.items() if name in self._positions and records[0].offset >= self._positions[name]}

    def _is_replaced(self) -> bool:
        """Whether the group knows somebody else under our name.

        librdkafka may say so and be wrong: when its session has run out while a broker was away, it forgets its member id, and if nobody polls it just
        then, it goes on with heartbeats in nobody's name; the group takes those for a replaced member's.
        """
        known = self._cluster.member_id(self._group, self._member)
        return known is not None and (self._membership is None or known != self._membership.member_id)

    def _rejoin(self) -> None:
        """Join anew. What was ours may have been another's meanwhile."""
        self._consumer.close()
        self._consumer = self._client.consumer(self._group, self._member, self._topics)
        self._follow([Assignment(None, frozenset())])

    def _follow(self, assignments: Iterable[Assignment]) -> bool:
        """Take over what rebalances have brought. A partition is kept only from one generation to the very next: else it may have been another's."""
        changed = False
        for membership, partitions in assignments:
            changed = True
            before, known = self._positions, self._membership
            unbroken = known is not None and membership is not None and membership.generation - known.generation in (0, 1)
            kept = before.keys() & partitions if unbroken else frozenset[TopicPartition]()
            lost, gained = frozenset(before.keys() - kept), frozenset(partitions - kept)
            if lost and (self._outbox or lost & self._delivered.keys()):
                self._over = "a partition was lost in the middle of this turn"
            self._positions = {name: before.get(name, 0) for name in sorted(partitions)}
            self._committed = {name: offset for name, offset in self._committed.items() if name in kept}
            self._unknown = (self._unknown & partitions) | gained
            self._membership, self._moved = membership, True
            self._lost |= lost
            self._gained = (self._gained - lost) | gained
        return changed

    def _settle(self) -> None:
        """Know where to read, and make the client read there. What fails with LogUnavailable goes on here with the next poll."""
        if not (self._unknown or self._moved) or not self._consumer.stable():
            return
        if self._unknown:
            if self._prepared:  # marks that were sent hold up who asks for the positions: the next producer of our name ends that transaction
                self._drop_publisher()
            self._ready_publisher()  # first: it ends what an older process of our name has left open, and so settles the positions
            self._doubt = None
            if not self._read_positions():
                return
        self._consumer.begin_at(self._positions)
        self._moved = False

    def _read_positions(self) -> bool:
        """The positions of what was gained, or of everything after an abort. False where the group shares out anew before they could be taken up."""
        names = sorted(self._unknown)
        found = self._consumer.committed(names)
        positions = {name: found[name].offset for name in names if name in found}
        if len(found) < len(names):
            missing = {name.topic for name in names if name not in found}
            begin = self._cluster.start_offsets(missing) if self._start == "earliest" else self._cluster.end_offsets(missing)
            first = {name: begin[name] for name in names if name not in found}
            if not self._anchor(first):
                return False
            positions.update(first)
        self._committed.update(positions)
        self._positions.update(positions)
        self._pass_gaps(positions)
        self._unknown = set()
        return True

    def _anchor(self, first: Mapping[TopicPartition, int]) -> bool:
        """Commit where a group without positions begins, so that what comes before its first turn's commit is not passed over by the next start."""
        try:
            self._ready_publisher().publish([], self._numbered(first), self._membership)
        except LogError as error:
            self._refused(error)
            if isinstance(error, Fenced) and not isinstance(error, MemberReplaced):
                return False
            raise
        return True

    def _pass_gaps(self, positions: Mapping[TopicPartition, int]) -> None:
        """Hold positions against what retention has left of the topics; stop at a gap, or count it and go on behind it."""
        topics = {name.topic for name in positions}
        first, end = self._cluster.start_offsets(topics), self._cluster.end_offsets(topics)
        for name, offset in positions.items():
            where = f"{self._where}, topic {name.topic}, partition {name.partition}"
            if offset > end[name]:
                raise OffsetOutOfRange(
                    f"the group's position {offset} is beyond the end {end[name]}",
                    where,
                    "records that were read are not there any more: was the topic made anew, or has the cluster lost data? Use another group",
                )
            if offset < first[name]:
                if self._on_gap == "stop":
                    raise OffsetOutOfRange(
                        f"retention has removed the records from {offset} to {first[name] - 1}, and the group had not read them",
                        where,
                        "raise the topic's retention; to go on without them set service.on_gap to skip, and they are counted",
                    )
                self._skipped[name] = self._skipped.get(name, 0) + first[name] - offset
                self._positions[name] = first[name]
        self._moved = True

    def assignment(self) -> frozenset[TopicPartition]:
        """As of the last poll."""
        return self._told

    def lag(self) -> dict[TopicPartition, int]:
        """See the contract: the client knows it from its fetches."""
        if self._unknown or self._moved:
            return {}
        return {name: offsets for name, offsets in self._consumer.lag().items() if name in self._told}

    # ---- writing

    def send(self, topic: str, messages: Iterable[Message]) -> None:
        """Keep the messages in memory until commit()."""
        self._refuse_if_over()
        described = self._cluster.topic(topic)
        self._outbox += [
            Outgoing(topic, partition, key, value, headers)
            for partition, (value, key, headers, _) in placed(described, messages, self._keyless, self._cluster.where)
        ]

    def prepare(self, offsets: Mapping[TopicPartition, int]) -> None:
        """See the contract: begins the transaction and sends it the marks, while the caller works out what to publish. For a first try only."""
        moves = dict(offsets)
        troubled = self._over or self._replaced or self._doubt or self._failed_once or self._prepared or self._unknown or self._moved
        if troubled or self._publisher is None or self._membership is None or not moves or not moves.keys() <= self._positions.keys():
            return
        marks = self._numbered(moves)
        self._publisher.begin(marks, self._membership)
        self._prepared = moves, marks

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """See the contract. 1 what an earlier try may have done, 2 the marks, 3 one transaction, 4 the turn is forgotten."""
        self._refuse_if_over()
        moves = self._moves(offsets)
        if self._doubt and self._was_committed():
            self._forget(moves)
            return
        if not self._outbox and all(self._committed.get(name) == offset for name, offset in moves.items()):
            self._begun_marks({})
            self._forget(moves)  # there is nothing to publish, and no position to move
            return
        marks = self._begun_marks(moves) or self._marks(moves)
        self._failed_once, self._over = True, "its commit has failed"  # the latter holds unless the end of this function or a passing trouble is reached
        try:
            self._ready_publisher().publish(self._outbox, marks, self._membership)
        except InDoubt:
            self._drop_publisher()
            self._over, self._doubt = "", next((name, mark.metadata) for name, mark in marks.items())
            if not self._was_committed():
                raise
        except LogUnavailable:
            self._drop_publisher()
            self._over = ""
            raise
        except UnknownTopic as error:  # it was there when the messages were sent: a broker that has just started does not know all of its topics yet
            self._drop_publisher()
            self._over = ""
            raise LogUnavailable(*error.args) from error
        except LogError as error:
            self._refused(error)
            raise
        self._forget(moves)

    def _begun_marks(self, moves: Mapping[TopicPartition, int]) -> dict[TopicPartition, Position] | None:
        """The marks that prepare() has sent, if they are of these moves; a transaction that was begun with others is given up."""
        prepared, self._prepared = self._prepared, None
        if prepared is None:
            return None
        if prepared[0] == moves:
            return prepared[1]
        self._drop_publisher()
        return None

    def _moves(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        for name, offset in offsets.items():
            if name not in self._positions:
                self._over = f"{name.topic} {name.partition} is not assigned to this member"
                self._refuse_if_over()
            elif not 0 <= offset <= self._positions[name]:
                raise ValueError(f"{name.topic} {name.partition}: offset {offset} is not within what was polled, up to {self._positions[name]}")
        return dict(offsets)

    def _marks(self, moves: Mapping[TopicPartition, int]) -> dict[TopicPartition, Position]:
        """The positions to commit with this try, and its number with each; without any to move, one that stays where it is."""
        if not moves:
            if not self._positions:
                raise Fenced("this member has no partition", self._where, "what it would publish is another member's to say")
            name = min(self._positions)
            moves = {name: self._committed.get(name, self._positions[name])}
        return self._numbered(moves)

    def _numbered(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, Position]:
        number = f"{self._name}.{next(self._number)}{MARK_END}"
        return {name: Position(offset, number) for name, offset in positions.items()}

    def _was_committed(self) -> bool:
        """Whether the try in doubt went through. A new producer under our transactional id has brought it to its end, one way or the other."""
        if self._doubt is None:
            return False
        name, number = self._doubt
        self._ready_publisher()
        found = self._consumer.committed([name]).get(name)
        self._doubt = None
        return found is not None and found.metadata == number

    def _forget(self, moves: Mapping[TopicPartition, int]) -> None:
        """The turn is committed."""
        self._outbox = []
        self._committed.update(moves)
        self._delivered = {name: end for name, end in self._delivered.items() if moves.get(name, -1) < end}
        self._over, self._failed_once = "", False

    def abort(self) -> None:
        """Touches nothing but memory. The committed positions are known, but after a commit that failed the next poll() reads them from the group."""
        if self._prepared:
            self._drop_publisher()
            with suppress(LogError):  # then the next poll does
                self._ready_publisher()
        if self._failed_once or self._doubt:
            self._unknown = set(self._positions)
        else:
            self._positions.update((name, offset) for name, offset in self._committed.items() if name in self._positions)
            self._moved = True
        self._outbox, self._delivered = [], {}
        self._over, self._failed_once = "", False

    def close(self) -> None:
        """Static members never leave by themselves. Who does not stay has the group told that they are gone: others gain their partitions at once."""
        if self._closed:
            return
        self.abort()
        self._closed = True
        self._drop_publisher()
        self._consumer.close()
        if self._replaced is None and self._membership is not None and not self._stays:
            with suppress(LogError):  # who cannot leave is struck off when the session times out
                self._cluster.remove_member(self._group, self._member, self._membership.member_id)

    def _ready_publisher(self) -> Publisher:
        if self._publisher is None:
            self._publisher = self._client.publisher(f"{self._group}.{self._member}")
        return self._publisher

    def _refused(self, error: LogError) -> None:
        """After a refusal: end what the transaction has left open, for until then nobody can read the positions of its partitions."""
        self._drop_publisher()
        if isinstance(error, MemberReplaced):
            self._replaced = error
            return
        with suppress(LogError):
            self._ready_publisher()

    def _drop_publisher(self) -> None:
        self._prepared = None
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _refuse_if_over(self) -> None:
        if self._closed:
            raise ValueError("this member has left its group")
        if self._replaced is not None:
            raise self._replaced
        if self._over:
            raise Fenced(f"this turn cannot go on: {self._over}", self._where, "abort it and poll; nothing of it was published")
