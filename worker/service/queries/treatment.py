"""How many of the examples are of users whom messages reached, and whether probabilities come true without them: read from the log."""

from __future__ import annotations

from itertools import chain

from worker.core.labels.examples import CAUSES
from worker.core.learning.treatment import Treatment, TreatmentWindow
from worker.core.learning.window import columns_of, matured
from worker.log.contract import Log
from worker.service.topics import target_partitions
from worker.service.training.target_examples import TargetExamples
from worker.settings import Settings

LOOKED_AT = 100_000  # latest records of a target's examples


def treatments(log: Log, settings: Settings) -> dict[tuple[str, str], Treatment]:
    """By target and cause of the score, over the latest examples. Raises LogUnavailable."""
    topic = settings.topics.examples
    starts, ends = log.start_offsets(topic), log.end_offsets(topic)
    reading = TargetExamples(settings, None)
    out: dict[tuple[str, str], Treatment] = {}
    for target, partition in target_partitions(settings).items():
        records = log.read(topic, partition, max(starts[partition], ends[partition] - LOOKED_AT))
        known = matured(chain.from_iterable(reading.take(target, [record]).examples for record in records))
        for cause, facts in zip(CAUSES, known, strict=True):
            window = TreatmentWindow(LOOKED_AT)
            window.observe(columns_of(facts))
            out[target, cause] = window.treatment()
    return out
