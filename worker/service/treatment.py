"""Of each target, how many of its examples are of users whom messages reached, and whether its probabilities come true without them: read from the log."""

from __future__ import annotations

from itertools import chain

from worker.core.learning.treatment import Treatment, TreatmentWindow
from worker.core.learning.window import Facts, columns_of, matured
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
        window, facts = TreatmentWindow(LOOKED_AT), list[Facts]()
        for record in log.read(topic, partition, max(starts[partition], ends[partition] - LOOKED_AT)):
            facts += chain.from_iterable(matured(reading.take(target, [record]).examples))
        window.observe(columns_of(facts))
        out[target] = window.treatment()
    return out
