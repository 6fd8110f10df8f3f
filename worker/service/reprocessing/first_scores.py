"""What is still known of the first scoring of a range: which scores it gave, and with which models."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

import orjson

from worker.core.learning.snapshot import Snapshot
from worker.core.scoring.scorecard import Scorecard, Scorecards
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.errors import ClickscoreError
from worker.log.contract import Log
from worker.service.scoring.models import untrained
from worker.settings import Settings

Versions = tuple[str, ...]  # of the models of all targets, in the order of the settings


class RescoreRefused(ClickscoreError):
    """The range cannot be scored as it was the first time."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of scores: by the offset of the event that a score is about (in silence the user's last), or by the score's time in ms. `end` is not in it."""

    by_time: bool
    start: float = 0
    end: float = math.inf

    def has(self, offset: int, time_ms: int) -> bool:
        """Whether a score is within."""
        return self.start <= (time_ms if self.by_time else offset) < self.end


@dataclass(frozen=True, slots=True)
class Said:
    """The parts of a score record that say which one it is."""

    score_id: str
    offset: int
    time_ms: int

    @classmethod
    def of(cls, value: bytes) -> Said:
        """Read from a score record; raises what orjson raises for anything else."""
        score = orjson.loads(value)
        return cls(score["score_id"], int(score["score_id"].partition("-")[2].partition(".")[0]), score["time_ms"])


def digest(value: bytes) -> bytes:
    """Enough to tell whether two records are the same bytes."""
    return blake2b(value, digest_size=12).digest()


class FirstScores:
    """The scores of one partition that the topic still holds, by id: the models they name, and of those in the range a digest of their bytes."""

    def __init__(self, log: Log, settings: Settings, partition: int, span: Span) -> None:
        targets, kinds = list(settings.targets), dict[Versions, Versions]()
        self.versions: dict[str, Versions] = {}
        self.digests: dict[str, bytes] = {}
        self.reached_ms = 0
        """The time of the latest, in the range or not: how far silence was counted."""
        for record in log.read(settings.topics.scores, partition):
            if record.value is None:
                continue
            score = orjson.loads(record.value)
            said = Said.of(record.value)
            self.reached_ms = max(self.reached_ms, said.time_ms)
            named = tuple(score[target]["model"] if target in score else "" for target in targets)
            self.versions[said.score_id] = kinds.setdefault(named, named)
            if span.has(said.offset, said.time_ms):
                self.digests[said.score_id] = digest(record.value)

    @property
    def needed(self) -> set[Versions]:
        """All sets of models that the scores of the range name."""
        return {self.versions[score_id] for score_id in self.digests}


class KeptModels:
    """The models that are still to be had: the untrained ones, and the snapshots that compaction has left."""

    def __init__(self, log: Log, settings: Settings) -> None:
        self._targets, self._where = settings.targets, f"topic {settings.topics.models}"
        self._snapshots: dict[str, bytes] = {}  # by version
        latest = {name: f"{name}@0" for name in settings.targets}
        for partition in range(log.partition_count(settings.topics.models)):
            for record in log.read(settings.topics.models, partition):
                name = (record.key or b"").decode("utf-8", "replace")
                if record.value is not None and name in latest:
                    latest[name] = _version(name, record.value)
                    self._snapshots[latest[name]] = record.value
        self.latest: Versions = tuple(latest.values())
        self.untrained: Versions = tuple(f"{name}@0" for name in settings.targets)

    def missing(self, needed: Iterable[Versions]) -> list[str]:
        """Those that are gone."""
        names = {version for versions in needed for version in versions}
        return sorted(version for version in names if version not in self._snapshots and version not in self.untrained)

    def scorecards(self, versions: Versions) -> Scorecards:
        """The models of these versions, one a target. Raises SnapshotError for one that this configuration cannot use."""
        return Scorecards.of([self._card(name, version) for name, version in zip(self._targets, versions, strict=True)])

    def _card(self, name: str, version: str) -> Scorecard:
        target = self._targets[name]
        if version not in self._snapshots:
            return untrained(name, target)
        snapshot = Snapshot.decode(self._snapshots[version])
        snapshot.check(name, target, TABLE_SIZE, LAYOUT)
        return snapshot.scorecard(target.abstain_below)


def _version(name: str, value: bytes) -> str:
    try:
        learned = orjson.loads(value.partition(b"\n")[0])["numbers"]["learned"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        learned = "unreadable"
    return f"{name}@{learned}"


class Chooser:
    """Which models each score had, given the scores in the order of the replay.

    A score that compaction has removed had the models of its neighbours, where those agree: models change only forwards, between turns. Before the
    first neighbour only the untrained ones are sure, behind the last only the latest.
    """

    def __init__(self, first: FirstScores, models: KeptModels) -> None:
        self._first, self._models = first, models
        self._before: Versions | None = None
        self._waiting: list[dict[Versions, bytes]] = []

    def choose(self, score_id: str, candidates: dict[Versions, bytes]) -> Iterator[bytes]:
        """The record of this score, and of those that waited for it: of the candidates of each, the one by its models. Raises RescoreRefused."""
        known = self._first.versions.get(score_id)
        if known is None:
            self._waiting.append(candidates)
            return
        yield from self._settle(known)
        yield candidates[known]

    def pass_by(self, score_id: str) -> Iterator[bytes]:
        """A score outside of the range tells of its neighbours too."""
        known = self._first.versions.get(score_id)
        if known is not None:
            yield from self._settle(known)

    def finish(self) -> Iterator[bytes]:
        """Those that still wait."""
        yield from self._settle(self._models.latest)

    def _settle(self, after: Versions) -> Iterator[bytes]:
        """Those that wait lie between a score by `self._before` and one by `after`."""
        before = self._before or self._models.untrained
        if self._waiting and (before != after or after not in self._waiting[0]):
            what = f"{len(self._waiting)} of the first scores are gone, from a time when the models changed: which they were made with is not known any more"
            raise RescoreRefused(what, "", "--models latest scores the range with the latest models")
        yield from (candidates[after] for candidates in self._waiting)
        self._waiting, self._before = [], after
