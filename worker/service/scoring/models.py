"""The models in force: follows the topic of snapshots, and gives the scorer the latest scorecard of every target.

Before a target's first snapshot its scorecard is the untrained one: the base-rate prior, and warming_up.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from worker.core.labels.examples import CAUSES
from worker.core.learning.snapshot import Snapshot, SnapshotError
from worker.core.scoring.scorecard import Scorecard, Scorecards
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.core.settings import TargetSettings
from worker.errors import ClickscoreError
from worker.log.contract import Log, Record
from worker.service.clock import Clock
from worker.service.patience import Patience
from worker.service.telemetry.happenings import Happenings
from worker.settings import Settings

AT_ONCE = 16  # snapshots are large
LOOK_EVERY_S = 0.1  # looks at every turn would cost a tenth of the small ones; models come once a minute
LATEST = 4  # snapshots of a target that are looked at, from the last one back, for one that can be used
LOOK_BACK = 64  # offsets before the end in which they are looked for first


class Models:
    """The scorecards of now. They change only in current(), which the scorer calls between turns."""

    def __init__(self, log: Log, settings: Settings, clock: Clock, happened: Happenings, patience: Patience) -> None:
        self._settings = settings
        self._clock = clock
        self._happened = happened
        self._patience = patience
        self._cards = {name: untrained(name, target) for name, target in settings.targets.items()}
        topic = settings.topics.models
        ends = log.end_offsets(topic)
        for partition in ends:
            self._take(patience.call("read models", latest_of, log, topic, partition, self._cards))
        self._scorecards = Scorecards.of(list(self._cards.values()))
        happened.models_read({name: card.version for name, card in self._cards.items()})
        self._tail = log.tail(topic, ends)
        self._looked_s = -math.inf

    def current(self) -> Scorecards:
        """The latest scorecards, of LOOK_EVERY_S ago at most; the same object as before when nothing was published."""
        now_s = self._clock.elapsed_s()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return self._scorecards
        self._looked_s = now_s
        records = self._patience.call("read models", self._tail.poll, AT_ONCE, 0)
        if records and self._take(_latest(records).values()):
            self._scorecards = Scorecards.of(list(self._cards.values()))
        return self._scorecards

    def _take(self, found: Iterable[Sequence[Record]]) -> bool:
        """Take over, of each target's records, the latest scorecard that can be used; returns whether any was."""
        taken = [self._take_one(records) for records in found]
        return any(taken)

    def _take_one(self, records: Sequence[Record]) -> bool:
        target = (records[0].key or b"").decode("utf-8", "replace")
        if target not in self._cards:
            return False  # of another configuration
        settings = self._settings.targets[target]
        for record in reversed(records):
            try:
                card = usable(record, target, settings).scorecard(settings.abstain_below)
            except ClickscoreError as error:
                self._happened.model_refused(record.offset, error)
                continue
            self._cards[target] = card
            norm = float(np.linalg.norm(card.weights))
            self._happened.model_taken(target, card.version, _learned(card), record.timestamp_ms, norm, card.warming_up)
            return True
        return False


def usable(record: Record, target: str, settings: TargetSettings) -> Snapshot:
    """The snapshot of a record, if it is a sound one of this target; else raises SnapshotError."""
    snapshot = Snapshot.decode(record.value or b"")
    snapshot.check(target, settings, TABLE_SIZE, LAYOUT)
    numbers = np.array([snapshot.numbers["intercept"], snapshot.numbers["base_rate"]], dtype=np.float64)
    if not all(np.isfinite(array).all() for array in (*snapshot.arrays.values(), numbers)):
        todo = "it was not made by this program's trainer, which would have gone back: find out by whom"
        raise SnapshotError("the model snapshot has weights that are no numbers", f"model snapshot of {target}", todo)
    return snapshot


def untrained(name: str, settings: TargetSettings) -> Scorecard:
    """What a trainer begins with, without waking River: everybody has the prior's chance."""
    calibration = np.zeros((len(CAUSES), 3))
    intercept = math.log(settings.prior / (1.0 - settings.prior))
    return Scorecard(name, f"{name}@0", LAYOUT, np.zeros(TABLE_SIZE), intercept, calibration, settings.abstain_below > 0, settings.prior)


def latest_of(log: Log, topic: str, partition: int, targets: Iterable[str]) -> list[deque[Record]]:
    """The last few records of every target in a partition, one list a target; more than one, for the very last may be damaged.

    Read from behind, further and further: a topic of large records that wait for compaction is not read whole.
    """
    keys = {target.encode() for target in targets}
    first, end, back = log.start_offsets(topic)[partition], log.end_offsets(topic)[partition], LOOK_BACK
    while True:
        start = max(first, end - back)
        latest = {key: records for key, records in _latest(log.read(topic, partition, start)).items() if key in keys}
        if start == first or (latest.keys() == keys and all(len(records) == LATEST for records in latest.values())):
            return list(latest.values())
        back *= 8


def _latest(records: Iterable[Record]) -> dict[bytes | None, deque[Record]]:
    latest: dict[bytes | None, deque[Record]] = {}
    for record in records:
        if record.value is None:
            latest.pop(record.key, None)
        else:
            latest.setdefault(record.key, deque(maxlen=LATEST)).append(record)
    return latest


def _learned(card: Scorecard) -> int:
    return int(card.version.rpartition("@")[2])
