"""A range of the input scored again, as it was the first time.

A score depends on the records before it, on the settings, and on the models in force. So the input is read from its beginning, profiles are built up
again, and only what falls into the range is kept. Each score of the range is made with the models that its first score names (`recorded`), or all with
the latest ones. The first scores that are still there are compared byte for byte.

The live worker also counts time by its clock while no event comes. That leaves no record, so it is taken from what it led to: behind the last event,
silence is counted as far as the first scores go, and a record's own time of arrival stands for the clock that judged it (events.future_tolerance).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Literal

import orjson

from worker.core.events.decoding import decode
from worker.core.pipeline import Pipeline, Turn
from worker.core.scoring.scorecard import Scorecards
from worker.log.contract import Log, Record
from worker.service.reprocessing.first_scores import Chooser, FirstScores, KeptModels, RescoreRefused, Said, Span, Versions, digest
from worker.service.topics import place
from worker.settings import Settings

ModelChoice = Literal["recorded", "latest"]
AT_ONCE = 2_000  # records of one turn
TURN_MS = 10_000  # … that arrived within this time of each other: one clock stands for all of them


@dataclass(slots=True)
class Outcome:
    """What came of it. Of the scores, `identical` and `different` were compared with their first ones; the rest had none left to compare with."""

    scores: int = 0
    identical: int = 0
    different: int = 0
    missing: int = 0
    """First scores of the range that were not given again."""
    models: set[Versions] = field(default_factory=set)

    @property
    def unknown(self) -> int:
        """Scores whose first one is gone, or never was."""
        return self.scores - self.identical - self.different


@dataclass(frozen=True, slots=True)
class Scored:
    """A score of the range again."""

    partition: int
    user_id: str
    value: bytes


class Rescore:
    """One range of all partitions. Everything that can be refused before anything is scored is refused when this is made: raises RescoreRefused."""

    def __init__(self, log: Log, settings: Settings, span: Span, models: ModelChoice = "recorded", *, inexact: bool = False) -> None:
        self._log, self._settings, self._span = log, settings, span
        self._recorded = models == "recorded"
        self._kept = KeptModels(log, settings)
        self.outcome = Outcome()
        self._partitions = range(log.partition_count(settings.topics.events))
        if not inexact:
            self._refuse_gaps()
        self._first = {partition: FirstScores(log, settings, partition, span) for partition in self._partitions}
        if self._recorded:
            self._refuse_missing_models()

    def run(self) -> Iterator[Scored]:
        """The scores of the range, partition by partition, in the order in which they come."""
        for partition in self._partitions:
            first, left = self._first[partition], set(self._first[partition].digests)
            for user_id, value in self._partition(partition, first):
                said = Said.of(value)
                left.discard(said.score_id)
                self.outcome.scores += 1
                if said.score_id in first.digests:
                    same = first.digests[said.score_id] == digest(value)
                    self.outcome.identical += same
                    self.outcome.different += not same
                yield Scored(partition, user_id, value)
            self.outcome.missing += len(left)

    # ---- what cannot be had

    def _refuse_gaps(self) -> None:
        topic = self._settings.topics.events
        for partition, start in self._log.start_offsets(topic).items():
            if start > 0:
                raise RescoreRefused(
                    f"retention has removed the input before offset {start}: the state that the range was scored with cannot be built again",
                    f"{place(self._settings)}, topic {topic}, partition {partition}",
                    "--inexact goes on with what is left: users who came before will have other scores. A longer retention keeps this from happening again",
                )

    def _refuse_missing_models(self) -> None:
        needed = set[Versions]().union(*(first.needed for first in self._first.values()))
        missing = self._kept.missing(needed)
        if missing:
            named = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise RescoreRefused(
                f"the range was scored with models that are gone: {named}",
                f"{place(self._settings)}, topic {self._settings.topics.models}, which keeps the latest of each target only",
                "--models latest scores the range with those; or choose a range since they came",
            )

    # ---- one partition

    def _partition(self, partition: int, first: FirstScores) -> Iterator[tuple[str, bytes]]:
        """(user, record) of the scores of the range in one partition."""
        needed = first.needed if self._recorded else set()
        if self._recorded and not needed and self._holds_events(partition):
            todo = "--models latest scores the range with the latest models"
            raise RescoreRefused("no first score of the range is left to say which models it was made with", f"partition {partition}", todo)
        cards = {versions: self._kept.scorecards(versions) for versions in sorted(needed or {self._kept.latest})}
        chooser = Chooser(first, self._kept) if self._recorded else None
        fork = self._begins_at(partition)
        pipelines = {min(cards): Pipeline(self._settings.core, partition, keep_changes=False)}
        for records in self._turns(partition, fork):
            if len(pipelines) < len(cards) and records[0].offset >= fork:  # from here on it matters which models there are
                [before] = pipelines.values()
                pipelines = {versions: deepcopy(before) for versions in cards}
            yield from self._chosen(chooser, {versions: _turn(pipeline, records, cards[versions]) for versions, pipeline in pipelines.items()})
        if len(pipelines) < len(cards):
            [before] = pipelines.values()
            pipelines = {versions: deepcopy(before) for versions in cards}
        left_ms = first.reached_ms - min(pipeline.watermark.value for pipeline in pipelines.values())
        if left_ms > 0:
            yield from self._chosen(chooser, {versions: pipeline.idle(left_ms, cards[versions]) for versions, pipeline in pipelines.items()})
        if chooser is not None:
            for value in chooser.finish():
                yield self._user(value), value

    def _chosen(self, chooser: Chooser | None, turns: dict[Versions, Turn]) -> Iterator[tuple[str, bytes]]:
        """Of the same turn with different models, those scores that are in the range, each by the models that it had."""
        sequence = [turn.scores for turn in turns.values()]
        for row in zip(*sequence, strict=True):
            user_id, value = row[0]
            said = Said.of(value)
            candidates = {versions: scored[1] for versions, scored in zip(turns, row, strict=True)}
            within = self._span.has(said.offset, said.time_ms)
            if chooser is not None:
                for chosen in chooser.choose(said.score_id, candidates) if within else chooser.pass_by(said.score_id):
                    yield self._user(chosen), chosen
            elif within:
                self.outcome.models.add(self._kept.latest)
                yield user_id, value

    def _user(self, value: bytes) -> str:
        score = orjson.loads(value)
        self.outcome.models.add(tuple(score[name]["model"] for name in self._settings.targets))
        return str(score["user_id"])

    def _turns(self, partition: int, fork: int) -> Iterator[list[Record]]:
        """The input in turns; one begins at `fork`. Records without a key are left out, as the worker makes dead letters of them."""
        turn: list[Record] = []
        for record in self._log.read(self._settings.topics.events, partition):
            if record.key is None:
                continue
            full = len(turn) >= AT_ONCE or (turn and record.timestamp_ms - turn[0].timestamp_ms > TURN_MS)
            if turn and (full or turn[-1].offset < fork <= record.offset):
                yield turn
                turn = []
            turn.append(record)
        if turn:
            yield turn

    def _begins_at(self, partition: int) -> int:
        """The offset of the record before which no score of the range can come."""
        if not self._span.by_time:
            return int(self._span.start)
        for records in self._turns(partition, -1):
            batch, _ = decode([record.value for record in records], self._settings.events.names)
            within = batch.position[batch.time_ms >= self._span.start]
            if len(within):
                return records[int(within.min())].offset
        return self._log.end_offsets(self._settings.topics.events)[partition]

    def _holds_events(self, partition: int) -> bool:
        """Whether the range has an event that is to be scored."""
        for records in self._turns(partition, -1):
            batch, _ = decode([record.value for record in records], self._settings.events.names)
            places = zip(batch.position.tolist(), batch.time_ms.tolist(), strict=True)
            if any(self._span.has(records[position].offset, time_ms) for position, time_ms in places):
                return True
        return False


def _turn(pipeline: Pipeline, records: list[Record], scorecards: Scorecards) -> Turn:
    return pipeline.turn(
        [record.value for record in records], [record.offset for record in records], scorecards, max(record.timestamp_ms for record in records)
    )
