"""Models that nobody should use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from tests.faults import readback
from tests.faults.cases.case import Ground, Outcome, case, judged
from tests.faults.cases.members import until_said
from tests.faults.inputs import Stream
from tests.faults.stand import Stand
from worker.core.learning.snapshot import Snapshot


@case("model")
def weight_that_is_no_number(ground: Ground) -> Outcome:
    """A snapshot, whole and with a right checksum, whose weights are NaN: no score is made with it."""

    def spoil(snapshot: Snapshot) -> bytes:
        return replace(snapshot, arrays={**snapshot.arrays, "weights": np.full_like(snapshot.arrays["weights"], np.nan)}).encode()

    return _foreign(ground, spoil)


@case("model", both=False)
def damaged_snapshot(ground: Ground) -> Outcome:
    """A snapshot with one bit turned."""

    def spoil(snapshot: Snapshot) -> bytes:
        value = bytearray(snapshot.encode())
        value[len(value) // 2] ^= 4
        return bytes(value)

    return _foreign(ground, spoil)


@case("model", both=False)
def unknown_bin_layout(ground: Ground) -> Outcome:
    """A snapshot over the bins of another program."""
    return _foreign(ground, lambda snapshot: replace(snapshot, layout="of-another-program").encode())


def _foreign(ground: Ground, spoil: Callable[[Snapshot], bytes]) -> Outcome:
    """The snapshot is put into the topic while a scorer and a trainer run; then both are killed and started anew."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(700))
    scorer, trainer = stand.start("s", roles="scorer"), stand.start("t", roles="trainer")
    stand.settle()
    offset = stand.put(stand.settings.topics.models, b"purchase", spoil(_latest(stand)), 0)
    stand.feed(stream.take(100))
    until_said(scorer, "model refused")
    stand.settle()
    for worker in (scorer, trainer):
        worker.kill()
    with stand.recovery(stream.rest()):
        stand.start("s", roles="scorer")
        stand.start("t", roles="trainer")
    return judged(stand, "the model before it stays in force", foreign=(offset,))


def _latest(stand: Stand) -> Snapshot:
    records = readback.read(stand.bootstrap, stand.settings.topics.models).all()
    return Snapshot.decode(next(record.value or b"" for record in reversed(records) if record.key == b"purchase"))


@case("model", both=False)
def older_snapshot_after_a_newer_one(ground: Ground) -> Outcome:
    """Somebody puts the first snapshot behind the last: scorers take it and name it; the trainer goes on from its own."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(700))
    worker = stand.start()
    stand.settle()
    assert worker.stop() == 0
    models = stand.settings.topics.models
    first = next(record for record in readback.read(stand.bootstrap, models).all() if record.key == b"purchase")
    offset = stand.put(models, b"purchase", first.value, 0)
    with stand.recovery(stream.rest()):
        stand.start()
    return judged(stand, foreign=(offset,))


@case("model")
def snapshot_over_the_size_limit(ground: Ground) -> Outcome:
    """The topic's limit is lowered below a snapshot's size in mid-run: the worker ends in words; the limit raised again, nothing is missing."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(500))
    scorer, trainer = stand.start("s", roles="scorer"), stand.start("t", roles="trainer")
    stand.settle()
    _limit(stand, 4_000)
    stand.feed(stream.take(400))
    code = trainer.wait()
    errors = [line for line in trainer.said().splitlines() if line.startswith("Error: ")]
    assert code != 0, trainer.said()
    assert len(errors) == 1, trainer.said()
    assert not scorer.ended(), scorer.said()
    _limit(stand, 16 * 1024 * 1024)
    stand.start("t", roles="trainer")
    stand.feed(stream.rest())
    return judged(stand, f"the trainer ends with {code}: {errors[0].removeprefix('Error: ')}; the scorer goes on")


def _limit(stand: Stand, record_bytes: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=stand.bootstrap)
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, stand.settings.topics.models, {"max.message.bytes": str(record_bytes)})])
    admin.close()
