"""Snapshots that nobody should go on from, put behind those of a trainer: scorers and trainers go on from what was before them, after a restart too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.service.bench import Bench, settings_of, shop_lines
from worker.core.learning.snapshot import Snapshot, SnapshotError
from worker.core.learning.trainer import Trainer
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.log.contract import Message
from worker.service.patience import Patience
from worker.service.scoring.models import LATEST, Models

TOPIC = "clickscore.models"


def worked() -> tuple[Bench, list[bytes]]:
    """A worker that has learned, and its snapshots for purchase."""
    bench = Bench(settings_of(service={"snapshot_examples": 20, "snapshot_wait": "5 ms"}))
    bench.send(shop_lines())
    loop = bench.loop()
    bench.drain(loop)
    found = [value or b"" for _, key, value, _ in bench.written()[TOPIC] if key == b"purchase"]
    assert len(found) > 2
    return bench, found


def bad_ones(snapshot: Snapshot) -> dict[str, bytes]:
    nan = {name: np.full_like(array, np.nan) for name, array in snapshot.arrays.items()}
    damaged = bytearray(snapshot.encode())
    damaged[-40] ^= 1
    return {
        "no numbers": replace(snapshot, arrays={**snapshot.arrays, "weights": nan["weights"]}).encode(),
        "no intercept": replace(snapshot, numbers={**snapshot.numbers, "intercept": None}).encode(),
        "damaged": bytes(damaged),
        "another layout": replace(snapshot, layout="other").encode(),
    }


@pytest.mark.parametrize("kind", ["no numbers", "no intercept", "damaged", "another layout"])
def test_the_model_before_it_stays_in_force_also_for_who_starts_afterwards(kind: str) -> None:
    bench, found = worked()
    bench.log.append(TOPIC, [Message(bad_ones(Snapshot.decode(found[-1]))[kind], b"purchase")])
    models = Models(bench.log, bench.settings, bench.clock, bench.happened, Patience(bench.clock, bench.happened, lambda: False))
    assert models.current().versions[0] == f"purchase@{Snapshot.decode(found[-1]).numbers['learned']}"
    assert bench.happenings("model refused")


@pytest.mark.parametrize("kind", ["no numbers", "damaged", "another layout", "older"])
def test_a_trainer_goes_on_from_the_snapshot_that_belongs_to_its_position(kind: str) -> None:
    bench, found = worked()
    bad = {**bad_ones(Snapshot.decode(found[-1])), "older": found[0]}[kind]
    bench.log.append(TOPIC, [Message(bad, b"purchase")])
    loop = bench.loop()
    loop.turn()
    resumed = [line for line in bench.happenings("trainer resumed") if line["target"] == "purchase"]
    assert resumed[-1]["learned"] == Snapshot.decode(found[-1]).numbers["learned"]
    assert not bench.happenings("snapshot and position differ")


def test_a_trainer_without_any_sound_snapshot_says_so() -> None:
    bench, _ = worked()
    bench.log.append(TOPIC, [Message(b"junk", b"purchase")] * LATEST)
    with pytest.raises(SnapshotError):
        bench.loop().turn()


def test_the_last_snapshot_is_taken_where_none_belongs_to_the_position() -> None:
    bench, _ = worked()
    trainer = Trainer("purchase", bench.settings.targets["purchase"], TABLE_SIZE, LAYOUT)
    bench.log.append(TOPIC, [Message(trainer.snapshot().encode(), b"purchase")] * LATEST)
    bench.loop().turn()
    assert [line["target"] for line in bench.happenings("snapshot and position differ")] == ["purchase"]
