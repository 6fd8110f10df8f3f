"""What a partition's input leads to, worked out from the records alone by worker.core.

Everything but the models follows from the input. Which model scored what is read off the scores themselves: each names its models, and where
the names change, a turn ended. A record's scores all belong to one turn, so the cut lies between two records, and this finds which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from tests.faults.readback import Found
from worker.core.action.plan import Plan
from worker.core.action.state import action_key
from worker.core.events.deadletters import dead_letter
from worker.core.events.decoding import decode
from worker.core.pipeline import DeadLetter, Pipeline, Turn
from worker.core.scoring.scorecard import Scorecards
from worker.core.settings import CoreSettings
from worker.core.state.changelog import Restored, decision_key, label_key, profile_key, profile_values
from worker.core.state.decision_records import decision_values

Versions = tuple[str, ...]
Cards = Callable[[Versions], Scorecards]


@dataclass(frozen=True, slots=True)
class Score:
    """What a score record says of itself."""

    identity: str
    user: str
    offset: int  # of the event, or of the user's last one before a silence
    is_event: bool
    versions: Versions
    value: bytes

    @classmethod
    def read(cls, value: bytes, targets: Sequence[str]) -> Score:
        """Take a record apart."""
        record: dict[str, Any] = orjson.loads(value)
        offset = int(record["score_id"].split("-")[1].split(".")[0])
        versions = tuple(record[target]["model"] for target in targets)
        return cls(record["score_id"], record["user_id"], offset, record["cause"] == "event", versions, value)


@dataclass(slots=True)
class Expected:
    """All that one partition should have led to."""

    pipeline: Pipeline
    scores: list[tuple[str, bytes]] = field(default_factory=list)
    examples: dict[str, list[bytes]] = field(default_factory=dict)  # by target
    changelog: dict[bytes, bytes] = field(default_factory=dict)
    segments: list[tuple[str, bytes | None]] = field(default_factory=list)
    triggers: list[tuple[str, bytes | None]] = field(default_factory=list)
    letters: list[tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]] = field(default_factory=list)
    read: int = 0
    scored: int = 0
    dropped: int = 0
    turns: int = 0


class Recomputation:
    """One partition of the input topic `topic`, its `records` from the first on."""

    def __init__(
        self, settings: CoreSettings, topic: str, partition: int, records: Sequence[Found], cards: Cards, now_ms: int, plan: Plan | None = None
    ) -> None:
        self._settings, self._topic, self._partition, self._plan = settings, topic, partition, plan
        self._records, self._cards, self._now_ms = records, cards, now_ms

    def identities(self, untrained: Versions) -> list[tuple[str, str]]:
        """User and identity of every score, in order: they do not depend on the models."""
        expected = Expected(self._pipeline())
        self._feed(expected, self._records, untrained)
        return [(user, orjson.loads(value)["score_id"]) for user, value in expected.scores]

    def follow(self, published: Sequence[Score], untrained: Versions) -> Expected:
        """Everything, with the models that `published` names. `published` must hold the identities that identities() gives."""
        expected, at, versions = Expected(self._pipeline()), 0, untrained
        offsets = [record.offset for record in self._records]
        place = {offset: number for number, offset in enumerate(offsets)}
        while at < len(self._records):
            nth = len(expected.scores)
            last = at  # by default one record alone: the silences that it ends may be the last of the old model or the first of the new one
            if nth < len(published):
                versions = published[nth].versions
                for score in published[nth:]:
                    if score.versions != versions:
                        break
                    if score.is_event:
                        last = max(last, place.get(score.offset, 0))
            else:
                last = len(self._records) - 1
            self._feed(expected, self._records[at : last + 1], versions)
            at = last + 1
        return expected

    def _pipeline(self) -> Pipeline:
        return Pipeline(self._settings, self._partition, plan=self._plan)

    def _feed(self, expected: Expected, records: Sequence[Found], versions: Versions) -> None:
        """One turn. A record without a key is none of the pipeline's, unless it is no event anyway, which is told first."""
        bare = [record for record in records if record.key is None]
        batch, _ = decode([record.value for record in bare], self._settings.events.names)
        keyless = {bare[position].offset for position in batch.position.tolist()}
        keyed = [record for record in records if record.offset not in keyless]
        turn = expected.pipeline.turn([record.value for record in keyed], [record.offset for record in keyed], self._cards(versions), self._now_ms)
        letters = [DeadLetter(record.offset, record.value, "null_key", "the record has no key") for record in bare if record.offset in keyless]
        turn.dead_letters += letters
        expected.turns += 1
        expected.read += len(records)
        self._take(expected, turn, {record.offset: record for record in records})

    def _take(self, expected: Expected, turn: Turn, came: dict[int, Found]) -> None:
        expected.scores += turn.scores
        expected.segments += turn.segments
        expected.triggers += turn.triggers
        expected.scored += turn.events
        expected.dropped += turn.dropped.total()
        for example in turn.examples:
            expected.examples.setdefault(example.target, []).append(example.encode())
        for key, value in turn.changes:
            if value is None:
                expected.changelog.pop(key, None)
            else:
                expected.changelog[key] = value
        for letter in sorted(turn.dead_letters, key=lambda letter: letter.offset):
            record = came[letter.offset]
            dead = dead_letter(letter.value, record.key, self._topic, self._partition, letter.offset, letter.reason, letter.detail, record.headers)
            expected.letters.append((dead.key, dead.value, tuple(dead.headers)))


def restored(settings: CoreSettings, partition: int, changelog: Sequence[Found], plan: Plan | None = None) -> Pipeline:
    """A pipeline that goes on where a changelog ends, through the program's own way of reading it back."""
    read = Restored()
    for key, value in {record.key: record.value for record in changelog}.items():  # the latest of each key
        read.apply(key, value)
    pipeline = Pipeline(settings, partition, plan=plan)
    pipeline.restore(read)
    return pipeline


def memory(pipeline: Pipeline) -> dict[bytes, bytes]:
    """All that a pipeline remembers, whether it was written or not, in the form of changelog records."""
    profiles, decisions, state = pipeline.profiles, pipeline.decisions, pipeline.state
    found = dict(zip(map(profile_key, profiles.row_of), profile_values(profiles.rows[list(profiles.row_of.values())]), strict=True))
    places = np.flatnonzero(decisions.serial)
    for place, value in zip(places.tolist(), decision_values(decisions, places), strict=True):
        found[decision_key(profiles.user_of[int(decisions.row[place])] or "", int(decisions.offset[place]), int(decisions.mark[place]))] = value
    found |= {label_key(code): orjson.dumps(text) for code, text in state.labels.items()}
    if pipeline.action:
        values = pipeline.action.state.values(list(profiles.row_of.values()))
        found |= {action_key(user): value for user, value in zip(profiles.row_of, values, strict=True)}
    key, written = state.partition_change()
    return found | {key: written or b""}
