"""The judge of a run on Kafka. It reads the broker's topics and believes nothing that the program says of itself.

From the input topic alone it recomputes what should be in every other one, and compares byte for byte with what is readable under read_committed:
scores, dead letters, examples, the state that the changelog restores, the models, the groups' positions. One input from outside is needed: which
model scored what. Scores name it, all versions are in the topic of models, and what each of them is must itself be what the examples teach.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import pairwise
from typing import TypeVar

from tests.faults import readback
from tests.faults.cards import Cards
from tests.faults.readback import Found, Topic
from tests.faults.recomputation import Expected, Recomputation, Score, Versions, memory, restored
from worker.core.labels.examples import Example
from worker.core.learning.snapshot import Snapshot
from worker.core.learning.trainer import Trainer
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.service.topics import names_of
from worker.settings import Settings

NOTES = 12
Item = TypeVar("Item")


@dataclass(slots=True)
class Verdict:
    """What is wrong, by kind. All zeros and nothing left open is what every case must end with."""

    read: int = 0  # records of the input; not a fault, but how much was judged
    scores: int = 0  # expected
    examples: int = 0  # expected
    models: int = 0  # published
    lost: int = 0  # of all topics: expected, and not there
    duplicated: int = 0  # there more often than once
    disordered: int = 0  # users or targets whose records are not in the order of the input
    strange: int = 0  # there, and nothing that the input leads to
    different: int = 0  # in its place, with other bytes
    mislearned: int = 0  # examples learned twice or never, by the snapshots
    state: int = 0  # keys in which the restored state differs from the recomputed one
    unaccounted: int = 0  # read, and neither scored nor dead-lettered nor dropped for a reason
    positions: int = 0  # of the groups, that are not the last record + 1
    left_open: int = 0  # transactions
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing is wrong."""
        return not any(self.faults.values())

    @property
    def faults(self) -> dict[str, int]:
        """The count of each kind."""
        return {name: getattr(self, name) for name in FAULTS}

    def add(self, kind: str, count: int, note: str) -> None:
        """Count a fault; the first few are told in words."""
        if count:
            setattr(self, kind, getattr(self, kind) + count)
            if len(self.notes) < NOTES:
                self.notes.append(f"{kind} {count}: {note}")

    def __str__(self) -> str:
        return "; ".join([*(f"{name} {getattr(self, name)}" for name in COUNTS), *self.notes])


COUNTS = tuple(one.name for one in fields(Verdict) if one.name != "notes")
FAULTS = COUNTS[4:]


@dataclass(frozen=True, slots=True)
class Left:
    """The topics of a run as they were read back."""

    events: Topic
    scores: Topic
    profiles: Topic
    examples: Topic
    models: Topic
    segments: Topic
    triggers: Topic
    deadletter: Topic


def judge(bootstrap: str, settings: Settings, *, aged: bool = False, foreign: Container[int] = (), events: Topic | None = None) -> Verdict:
    """Judge a run whose workers have stopped, and that has read all of its input.

    `aged`: idle partitions grew older by the wall clock, which is in no input; then silences, bytes and state are left out. `foreign`: offsets of
    records in the topic of models that a test put there and no trainer. `events`: the input, where retention has removed some of it.
    """
    names, verdict = settings.topics, Verdict()
    left = Left(*readback.read_all(bootstrap, names_of(settings)))
    models = {partition: [record for record in records if record.offset not in foreign] for partition, records in left.models.records.items()}
    left = replace(left, models=Topic(models, left.models.held_back), events=events or left.events)
    for name, topic in zip(names_of(settings), (getattr(left, one) for one in Left.__slots__), strict=True):
        verdict.add("left_open", len(topic.held_back), f"{name}: partitions {topic.held_back} are held back")
    found = readback.open_transactions(bootstrap, f"{settings.service.group}.")
    verdict.add("left_open", len(found), ", ".join(found))
    _judge_content(verdict, left, settings, aged)
    for group, topic, records in (
        (settings.service.group, names.events, left.events),
        (f"{settings.service.group}.trainer", names.examples, left.examples),
    ):
        _judge_positions(verdict, readback.positions(bootstrap, group, topic), records, group)
    return verdict


def _judge_content(verdict: Verdict, left: Left, settings: Settings, aged: bool) -> None:
    cards = Cards(settings, left.models, partial(verdict.add, "mislearned", 1), partial(verdict.add, "strange", 1))
    verdict.models = cards.published
    learnable: dict[str, list[list[bytes]]] = {target: [] for target in settings.targets}
    for partition in sorted(left.events.records):
        records = left.events.records[partition]
        work = Recomputation(settings.core, settings.topics.events, partition, records, cards.of, time.time_ns() // 1_000_000, settings.plan)
        published = [Score.read(record.value or b"", list(settings.targets)) for record in left.scores.records[partition]]
        if aged:
            _judge_aged(verdict, work, published, left, partition, cards.untrained)
            continue
        expected = work.follow(published, cards.untrained) if _judge_identities(verdict, work.identities(cards.untrained), published, partition) else None
        if expected is None:
            verdict.notes.append(f"partition {partition}: not compared any further, as its scores are not those of its input")
            continue
        verdict.read, verdict.scores = verdict.read + expected.read, verdict.scores + len(expected.scores)
        _judge_scores(verdict, expected, published, left.scores.records[partition], partition)
        _judge_letters(verdict, expected, left.deadletter.records[partition], partition)
        for kind, wanted in {"segments": expected.segments, "triggers": expected.triggers}.items():
            there = Counter((record.key, record.value) for record in getattr(left, kind).records[partition])
            _judge_counts(verdict, Counter((user.encode(), value) for user, value in wanted), there, f"{kind} of partition {partition}")
        _judge_state(verdict, expected, left.profiles.records[partition], settings, partition)
        missing = expected.read - expected.scored - len(expected.letters) - expected.dropped
        verdict.add("unaccounted", abs(missing), f"partition {partition}: of {expected.read}")
        for target, examples in expected.examples.items():
            learnable[target].append(examples)
    for number, target in enumerate(settings.targets):
        if not aged:
            _judge_examples(verdict, learnable[target], left.examples.records.get(number, []), target)
        _judge_learning(verdict, settings, target, number, left)


# ---- scores


def _judge_identities(verdict: Verdict, expected: Sequence[tuple[str, str]], published: Sequence[Score], partition: int) -> bool:
    """Whether exactly the expected scores are there, each once, and every user's in order. The models have no part in this."""
    wanted, there = Counter(identity for _, identity in expected), Counter(score.identity for score in published)
    missing, strange = wanted - there, set(there - wanted) - set(wanted)
    twice = Counter({identity: count - 1 for identity, count in there.items() if count > 1 and identity in wanted})
    where = f"scores of partition {partition}"
    verdict.add("lost", missing.total(), f"{where}: {_some(missing)}")
    verdict.add("duplicated", twice.total(), f"{where}: {_some(twice)}")
    verdict.add("strange", len(strange), f"{where}: {_some(strange)}")
    order: dict[str, list[str]] = {}
    for user, identity in expected:
        order.setdefault(user, []).append(identity)
    came: dict[str, list[str]] = {}
    for identity, user in {score.identity: score.user for score in published if score.identity in wanted}.items():  # the first time that each came
        came.setdefault(user, []).append(identity)
    wrong = [user for user, identities in came.items() if identities != [one for one in order.get(user, []) if one in there]]
    verdict.add("disordered", len(wrong), f"{where}: users {_some(wrong)}")
    return not (missing or twice or strange or wrong)


def _judge_aged(verdict: Verdict, work: Recomputation, published: Sequence[Score], left: Left, partition: int, untrained: Versions) -> None:
    """What holds however old a silent partition has grown: scores of events, dead letters, and each decision's example once."""
    events = [(user, identity) for user, identity in work.identities(untrained) if "." not in identity]
    _judge_identities(verdict, events, [score for score in published if score.is_event], partition)
    _judge_letters(verdict, work.follow([], untrained), left.deadletter.records[partition], partition)
    verdict.read, verdict.scores = verdict.read + len(left.events.records[partition]), verdict.scores + len(events)
    silent = [score.identity for score in published if not score.is_event]
    verdict.add("duplicated", len(silent) - len(set(silent)), f"silent scores of partition {partition}")


def _judge_scores(verdict: Verdict, expected: Expected, published: Sequence[Score], records: Sequence[Found], partition: int) -> None:
    """Byte for byte. The order among different users at the same instant is the row numbers', and not compared."""
    wanted = {score_id(value): (user.encode(), value) for user, value in expected.scores}
    wrong = [score.identity for score, record in zip(published, records, strict=True) if wanted[score.identity.encode()] != (record.key, record.value)]
    verdict.add("different", len(wrong), f"scores of partition {partition}: {_some(wrong)}")


def score_id(value: bytes) -> bytes:
    """Of a score record, without taking all of it apart."""
    return value.split(b'"score_id":"', 1)[1].split(b'"', 1)[0]


# ---- dead letters, examples, state


def _judge_letters(verdict: Verdict, expected: Expected, records: Sequence[Found], partition: int) -> None:
    there = Counter((record.key, record.value, record.headers) for record in records)
    _judge_counts(verdict, Counter(expected.letters), there, f"dead letters of partition {partition}")


def _judge_examples(verdict: Verdict, expected: Sequence[Sequence[bytes]], records: Sequence[Found], target: str) -> None:
    verdict.examples += sum(map(len, expected))
    there = [record.value or b"" for record in records]
    _judge_counts(verdict, Counter(value for part in expected for value in part), Counter(there), f"examples of {target}")
    # Of one user. Whose example comes first when several windows close in one turn is not promised; learning follows the topic, whatever it is.
    place = {value: number for number, value in enumerate(there)}
    order: dict[str, list[tuple[int, str]]] = {}
    for number, part in enumerate(expected):
        for value in part:
            if value in place:
                of = Example.decode(value)
                order.setdefault(f"{of.user} of part {number}", []).append((place[value], of.decision_id))
    told = {user: [f"{one} after {other}" for (at, one), (then, other) in pairwise(places) if at > then] for user, places in order.items()}
    wrong = [f"{first[0]}, {user}" for user, first in told.items() if first]
    verdict.add("disordered", len(wrong), f"examples of {target}: users {_some(wrong)}")


def _judge_counts(verdict: Verdict, wanted: Counter[Item], there: Counter[Item], where: str) -> None:
    missing, extra = wanted - there, there - wanted
    twice = Counter({one: count for one, count in extra.items() if one in wanted})
    verdict.add("lost", missing.total(), f"{where}: {_some(missing)}")
    verdict.add("duplicated", twice.total(), f"{where}: {_some(twice)}")
    verdict.add("strange", (extra - twice).total(), f"{where}: {_some(extra - twice)}")


def _judge_state(verdict: Verdict, expected: Expected, changelog: Sequence[Found], settings: Settings, partition: int) -> None:
    """What the changelog holds, and what the program makes of it, against the state that the recomputation ends in."""
    held: dict[bytes, bytes] = {}
    for record in changelog:
        if record.value is None:
            held.pop(record.key or b"", None)
        else:
            held[record.key or b""] = record.value
    # A decision's record is not written anew when its outcome is settled, for that follows from the watermark: only what is restored can be compared.
    wrong = _differing(*({key: b"" if key.startswith(b"d:") else value for key, value in one.items()} for one in (held, expected.changelog)))
    verdict.add("state", len(wrong), f"changelog of partition {partition}: {_some(wrong)}")
    wrong = _differing(memory(restored(settings.core, partition, changelog, settings.plan)), memory(expected.pipeline))
    verdict.add("state", len(wrong), f"restored state of partition {partition}: {_some(wrong)}")


def _differing(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> list[bytes]:
    return [key for key in sorted(one.keys() | other.keys()) if one.get(key) != other.get(key)]


# ---- learning


def _judge_learning(verdict: Verdict, settings: Settings, target: str, number: int, left: Left) -> None:
    """A trainer that learns the topic of examples in order, once, must come to every snapshot that was published, to the byte."""
    examples = left.examples.records.get(number, [])
    snapshots = [record.value or b"" for record in left.models.all() if record.key == target.encode()]
    trainer, at = Trainer(target, settings.targets[target], TABLE_SIZE, LAYOUT), 0
    for value in snapshots:
        snapshot = Snapshot.decode(value)
        to = int(snapshot.numbers["positions"][str(number)])
        part = [record for record in examples[at:] if record.offset < to]
        trainer.learn_many([Example.decode(record.value or b"") for record in part], {number: to})
        at += len(part)
        if trainer.snapshot().encode() != value:
            off = abs(trainer.learned - int(snapshot.numbers["learned"])) or 1
            verdict.add("mislearned", off, f"{target}: the snapshot to offset {to} has learned {snapshot.numbers['learned']}, not {trainer.learned}")
            return
    verdict.add("mislearned", len(examples) - at, f"{target}: the last snapshot has learned {at} of {len(examples)}")


def _judge_positions(verdict: Verdict, positions: dict[int, int], topic: Topic, group: str) -> None:
    for partition, records in topic.records.items():
        end = records[-1].offset + 1 if records else 0
        verdict.add("positions", int(positions.get(partition, 0) != end), f"{group} {partition}: at {positions.get(partition)}, not {end}")


def _some(what: Iterable[object]) -> str:
    return ", ".join(str(one)[:80] for one in list(what)[:3])
