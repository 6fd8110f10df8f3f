"""Of each target, how many of its examples are of users whom messages reached, and whether its probabilities come true without them: read from the log."""

from __future__ import annotations

from worker.core.learning.treatment import Treatment, TreatmentWindow
from worker.log.contract import Log
from worker.service.target_examples import TargetExamples
from worker.service.topics import target_partitions
from worker.settings import Settings

LOOKED_AT = 100_000  # latest records of a target's examples


def treatments(log: Log, settings: Settings) -> dict[str, Treatment]:
    """By target, over the latest examples of events and silence together. Raises LogUnavailable."""
    topic = settings.topics.examples
    starts, ends = log.start_offsets(topic), log.end_offsets(topic)
    reading = TargetExamples(settings, None)
    out: dict[str, Treatment] = {}
    for target, partition in target_partitions(settings).items():
        window = TreatmentWindow(LOOKED_AT)
        for record in log.read(topic, partition, max(starts[partition], ends[partition] - LOOKED_AT)):
            window.observe(reading.take(target, [record]).examples)
        out[target] = window.treatment()
    return out
