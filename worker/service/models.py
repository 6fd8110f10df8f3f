"""The models in force: follows the topic of snapshots, and gives the scorer the latest scorecard of every target.

Before a target's first snapshot its scorecard is the untrained one: the base-rate prior, and warming_up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from worker.core.examples import CAUSES
from worker.core.feature_slots import LAYOUT, TABLE_SIZE
from worker.core.scorecard import Scorecard, Scorecards
from worker.core.settings import TargetSettings
from worker.core.snapshot import Snapshot
from worker.errors import ClickscoreError
from worker.log.contract import Log, Record
from worker.service.happenings import Happenings
from worker.service.patience import Patience
from worker.settings import Settings

AT_ONCE = 16  # snapshots are large


class Models:
    """The scorecards of now. They change only in current(), which the scorer calls between turns."""

    def __init__(self, log: Log, settings: Settings, happened: Happenings, patience: Patience) -> None:
        self._settings = settings
        self._happened = happened
        self._patience = patience
        self._cards = {name: untrained(name, target) for name, target in settings.targets.items()}
        topic = settings.topics.models
        ends = log.end_offsets(topic)
        for partition in ends:
            self._take(patience.call("read models", _latest_of, log, topic, partition))
        self._scorecards = Scorecards.of(list(self._cards.values()))
        self._tail = log.tail(topic, ends)

    def current(self) -> Scorecards:
        """The latest published scorecards; the same object as before when nothing was published."""
        records = self._patience.call("read models", self._tail.poll, AT_ONCE, 0)
        if records and self._take(_latest(records)):
            self._scorecards = Scorecards.of(list(self._cards.values()))
        return self._scorecards

    def _take(self, records: Iterable[Record]) -> bool:
        """Take over the scorecards that can be used; returns whether any was."""
        taken = False
        for record in records:
            target = (record.key or b"").decode("utf-8", "replace")
            if record.value is None or target not in self._cards:
                continue  # of another configuration
            settings = self._settings.targets[target]
            try:
                snapshot = Snapshot.decode(record.value)
                snapshot.check(target, settings, TABLE_SIZE, LAYOUT)
                card = snapshot.scorecard(settings.abstain_below)
            except ClickscoreError as error:
                self._happened.model_refused(record.offset, error)
                continue
            self._cards[target] = card
            self._happened.model_taken(target, card.version, _learned(card), record.timestamp_ms)
            taken = True
        return taken


def untrained(name: str, settings: TargetSettings) -> Scorecard:
    """What a trainer begins with, without waking River: everybody has the prior's chance."""
    calibration = np.zeros((len(CAUSES), 3))
    intercept = math.log(settings.prior / (1.0 - settings.prior))
    return Scorecard(name, f"{name}@0", LAYOUT, np.zeros(TABLE_SIZE), intercept, calibration, settings.abstain_below > 0, settings.prior)


def _latest_of(log: Log, topic: str, partition: int) -> list[Record]:
    return _latest(log.read(topic, partition))


def _latest(records: Iterable[Record]) -> list[Record]:
    """The last record of every key, in the order of offsets."""
    latest: dict[bytes | None, Record] = {}
    for record in records:
        latest[record.key] = record
    return sorted(latest.values(), key=lambda record: record.offset)


def _learned(card: Scorecard) -> int:
    return int(card.version.rpartition("@")[2])
