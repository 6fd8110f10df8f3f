"""Dead letters again: what there is of them, and back to the input with those whose cause has been mended.

What was replayed is remembered in the log itself, in the transaction that replays it, so that no letter is ever replayed twice:

- A receipt, one record for each partition and transaction, goes to the dead letters' own topic: a header says that it is one, its value names the offsets
  of the letters that went back. It lies behind those letters, so that retention never takes it before them.
- The position of the group "<group>.deadletters" is the oldest letter that was not replayed: reading begins there. Letters that a replay left out, for
  their reason or their age, hold it back, and so stay available to a later one.

Who replays joins that group as the one member "replay". Another replay takes its place: the group fences the first, whose open transaction comes to
nothing, and the second reads the receipts of everything that was committed before.

Triggers that could not be delivered are dead letters too. They are counted and shown, and never go back: they are no events, and most have expired.
Nor do letters of users who were erased since, by the receipts: their events would come to the input once more, as if nobody had asked to be forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import orjson

from worker.core.events.deadletters import PARTITION, REASON, TOPIC, as_it_came, own_headers
from worker.errors import ClickscoreError
from worker.log.contract import Log, Message, Polled, Record, TopicPartition, Turns
from worker.log.errors import Fenced, LogUnavailable
from worker.service.clock import Clock
from worker.service.privacy.letters import ErasedLetters, is_tombstone
from worker.settings import Settings

REPLAYS = "clickscore.replays"  # header of a replayed event: how often it was
RECEIPT = "clickscore.replayed"  # header of a receipt: how many letters
MEMBER = "replay"
MOST_REPLAYS = 3
AT_ONCE = 500  # letters in one transaction
WAIT_S, JOIN_WITHIN_S, COMMIT_WITHIN_S, PAUSE_S = 0.2, 60.0, 60.0, 0.2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters: of a reason ("" for all), written at `since_ms` or later (Unix time)."""

    reason: str = ""
    since_ms: int = 0

    def has(self, record: Record) -> bool:
        """Whether a letter is one of these."""
        return record.timestamp_ms >= self.since_ms and (not self.reason or reason_of(record) == self.reason)


@dataclass(slots=True)
class Summary:
    """Letters by reason: how many, how many of them were replayed already, too often, are no events or of erased users, and one example of each reason."""

    letters: Counter[str] = field(default_factory=Counter)
    replayed: Counter[str] = field(default_factory=Counter)
    too_often: Counter[str] = field(default_factory=Counter)
    no_events: Counter[str] = field(default_factory=Counter)
    erased: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Record] = field(default_factory=dict)

    @property
    def open(self) -> Counter[str]:
        """What a replay would take, by reason."""
        return self.letters - self.replayed - self.too_often - self.no_events - self.erased

    def add(self, letter: Record, was_replayed: bool, is_event: bool, is_erased: bool) -> None:
        """Count a letter."""
        reason = reason_of(letter)
        self.letters[reason] += 1
        if not is_event:
            self.no_events[reason] += 1
        elif was_replayed:
            self.replayed[reason] += 1
        elif is_erased:
            self.erased[reason] += 1
        elif replays_of(letter) >= MOST_REPLAYS:
            self.too_often[reason] += 1
        self.examples.setdefault(reason, letter)


def reason_of(letter: Record) -> str:
    """The reason code of a dead letter; "unknown" where it has none."""
    return _header(letter, REASON) or "unknown"


def replays_of(letter: Record) -> int:
    """How often the event was replayed before it died again."""
    text = _header(letter, REPLAYS)
    return int(text) if text.isdigit() else 0


def is_receipt(record: Record) -> bool:
    """Whether a record of the dead letters' topic is no letter, but says which were replayed."""
    return any(name == RECEIPT for name, _ in record.headers)


def is_letter(record: Record) -> bool:
    """Whether a record of the dead letters' topic is a letter, and no receipt of a replay and no tombstone."""
    return not is_receipt(record) and not is_tombstone(record)


def is_event(letter: Record, settings: Settings) -> bool:
    """Whether a letter was an event, and no trigger that could not be delivered."""
    return _header(letter, TOPIC) != settings.topics.triggers


def group_of(settings: Settings) -> str:
    """The group whose positions say what was replayed."""
    return f"{settings.service.group}.deadletters"


class Replayed:
    """Which letters were replayed: those below the group's positions, and those that receipts name."""

    def __init__(self, log: Log, settings: Settings) -> None:
        self._topic = settings.topics.deadletter
        self.positions = log.committed(group_of(settings), self._topic)
        self.ends = dict.fromkeys(range(log.partition_count(self._topic)), 0)
        """By partition, the offset after the last record that was there."""
        self._named: dict[int, set[int]] = {partition: set() for partition in self.ends}
        for partition, named in self._named.items():
            for record in log.read(self._topic, partition, self.positions.get(partition, 0)):
                self.ends[partition] = record.offset + 1
                if is_receipt(record):
                    named.update(_offsets(record))

    def has(self, letter: Record) -> bool:
        """Whether it was replayed."""
        return letter.offset < self.positions.get(letter.partition, 0) or letter.offset in self._named[letter.partition]

    def add(self, letter: Record) -> None:
        """It was."""
        self._named[letter.partition].add(letter.offset)


def letters(log: Log, topic: str, wanted: Wanted) -> Iterator[Record]:
    """Those there are, partition by partition."""
    for partition in range(log.partition_count(topic)):
        yield from (record for record in log.read(topic, partition) if is_letter(record) and wanted.has(record))


def summarize(log: Log, settings: Settings, wanted: Wanted, see: Callable[[Record, bool], None] = lambda *_: None) -> Summary:
    """Count the letters; each is shown to `see`, with whether it was replayed. Writes nothing."""
    summary, replayed, erased = Summary(), Replayed(log, settings), ErasedLetters(log, settings)
    for letter in letters(log, settings.topics.deadletter, wanted):
        event = is_event(letter, settings)
        was_replayed = event and replayed.has(letter)  # a replay may have gone past what it never takes
        summary.add(letter, was_replayed, event, event and erased.has(letter))
        see(letter, was_replayed)
    return summary


def replay(log: Log, settings: Settings, wanted: Wanted, clock: Clock) -> Iterator[Counter[str]]:
    """Send the wanted letters that were not replayed yet back to the input, each to the partition that it came from.

    Yields what was sent by reason, after each transaction: that is in the log for good. Raises ReplayTaken when another replay has begun meanwhile;
    LogUnavailable when the log was away for longer than COMMIT_WITHIN_S; the rest is left to the next replay then. ReceiptsNotOurs before anything is sent.
    """
    erased = ErasedLetters(log, settings)
    turns = log.turns(group_of(settings), [settings.topics.deadletter], MEMBER, on_gap="skip")  # what retention took is no letter any more
    try:
        yield from _Replay(log, turns, settings, wanted, erased, clock).run()
    except Fenced as error:
        what = f"another replay of the dead letters has begun meanwhile, and goes on with the rest ({error.problems[0].what})"
        raise ReplayTaken(what, error.problems[0].where, "wait for its end, then look at `clickscore deadletters list`") from error
    finally:
        turns.close()


class ReplayTaken(ClickscoreError):
    """Another process replays the dead letters of this group."""


class _Replay:
    """One replay, from joining the group to the end of the letters as it was then."""

    def __init__(self, log: Log, turns: Turns, settings: Settings, wanted: Wanted, erased: ErasedLetters, clock: Clock) -> None:
        self._log, self._turns, self._settings, self._wanted, self._erased, self._clock = log, turns, settings, wanted, erased, clock
        self._topic = settings.topics.deadletter
        self._oldest: dict[int, int] = {}  # by partition, the oldest letter that was left out

    def run(self) -> Iterator[Counter[str]]:
        first = self._joined()
        # Only now is nobody else replaying, and every receipt there that there will be but for ours.
        replayed = Replayed(self._log, self._settings)
        reached = {partition: max(0, replayed.positions.get(partition, 0)) for partition in replayed.ends}
        for polled in self._polls(first, replayed.ends, reached):
            taken = [letter for records in polled.records.values() for letter in records if letter.offset < replayed.ends[letter.partition]]
            sent = [letter for letter in taken if self._is_due(letter, replayed)]
            for letter in sent:
                replayed.add(letter)
            self._turns.send(self._settings.topics.events, map(_again, sent))
            self._turns.send(self._topic, _receipts(sent))
            self._commit(self._marks(taken, replayed))
            if sent:
                yield Counter(map(reason_of, sent))

    def _joined(self) -> list[Polled]:
        """Wait until all partitions are ours; what was polled meanwhile."""
        names = {TopicPartition(self._topic, partition) for partition in range(self._log.partition_count(self._topic))}
        until_s, polls = self._clock.elapsed_s() + JOIN_WITHIN_S, []
        while True:
            polls.append(self._turns.poll(AT_ONCE, WAIT_S))
            if self._turns.assignment() >= names:
                return polls
            if self._clock.elapsed_s() > until_s:
                where = f"group {group_of(self._settings)}"
                raise LogUnavailable(f"the partitions of the dead letters were not given to us within {JOIN_WITHIN_S:.0f} s", where, "is another member in it?")

    def _polls(self, first: Iterable[Polled], ends: dict[int, int], reached: dict[int, int]) -> Iterator[Polled]:
        """Polls up to the ends. The last record of each partition is known to be there, so that waiting for it is no guess."""
        waiting, moved_s = list(first), self._clock.elapsed_s()
        while True:
            joining = bool(waiting)
            polled = waiting.pop(0) if joining else self._turns.poll(AT_ONCE, WAIT_S)
            if not joining and (polled.gained or polled.lost):  # somebody else's receipts may be there by now, which we have not read
                raise Fenced("the partitions were somebody else's meanwhile", f"group {group_of(self._settings)}")
            if polled.records:
                moved_s = self._clock.elapsed_s()
            elif self._clock.elapsed_s() - moved_s > COMMIT_WITHIN_S:
                raise LogUnavailable(f"no dead letter came for {COMMIT_WITHIN_S:.0f} s, and some are left", f"topic {self._topic}", "run it again")
            for name, records in polled.records.items():
                reached[name.partition] = records[-1].offset + 1
            if polled.records:
                yield polled
            if not waiting and all(reached[partition] >= end for partition, end in ends.items()):
                return

    def _is_due(self, letter: Record, replayed: Replayed) -> bool:
        return self._may_go_back(letter) and not replayed.has(letter) and self._wanted.has(letter) and replays_of(letter) < MOST_REPLAYS

    def _may_go_back(self, letter: Record) -> bool:
        return is_letter(letter) and is_event(letter, self._settings) and not self._erased.has(letter)

    def _marks(self, taken: list[Record], replayed: Replayed) -> dict[TopicPartition, int]:
        """The positions to commit: up to the oldest letter that was left out, or behind everything."""
        marks: dict[TopicPartition, int] = {}
        for record in taken:
            if self._may_go_back(record) and not replayed.has(record):
                self._oldest.setdefault(record.partition, record.offset)
            marks[TopicPartition(record.topic, record.partition)] = min(record.offset + 1, self._oldest.get(record.partition, record.offset + 1))
        return marks

    def _commit(self, marks: dict[TopicPartition, int]) -> None:
        until_s = self._clock.elapsed_s() + COMMIT_WITHIN_S
        while True:
            try:
                return self._turns.commit(marks)
            except LogUnavailable:  # the turn is still open, and whether a lost answer meant yes is found out by the next try
                if self._clock.elapsed_s() > until_s:
                    raise
                self._clock.sleep(PAUSE_S)


def _again(letter: Record) -> Message:
    """The event as it came, for the partition that it came to; one header more says how often it was replayed."""
    kept = [(name, content) for name, content in own_headers(letter.headers) if name != REPLAYS]
    key, value = as_it_came(letter.key, letter.value, letter.headers)
    home = _header(letter, PARTITION)
    partition = int(home) if home.isdigit() else letter.partition
    return Message(value, key, (*kept, (REPLAYS, str(replays_of(letter) + 1).encode())), partition)


def _receipts(sent: Iterable[Record]) -> Iterator[Message]:
    by_partition: dict[int, list[int]] = {}
    for letter in sent:
        by_partition.setdefault(letter.partition, []).append(letter.offset)
    for partition, offsets in by_partition.items():
        value = orjson.dumps({"schema": 1, "replayed": offsets})
        name = f"{partition}/{offsets[0]}/replayed".encode()  # a key, which compacted topics ask for, that no other record has
        yield Message(value, name, ((RECEIPT, str(len(offsets)).encode()),), partition)


def _offsets(receipt: Record) -> list[int]:
    try:
        return list(orjson.loads(receipt.value or b"")["replayed"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        where = f"topic {receipt.topic}, partition {receipt.partition}, offset {receipt.offset}"
        raise ClickscoreError("a receipt of replayed dead letters cannot be read", where, "find out who wrote it before replaying anything") from error


def _header(record: Record, name: str) -> str:
    return next((content.decode("utf-8", "replace") for key, content in record.headers if key == name), "")
