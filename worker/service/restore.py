"""A gained partition's state, read back from its changelog to the end, before anything of it is scored."""

from __future__ import annotations

from worker.core.changelog import Restored
from worker.core.pipeline import Pipeline
from worker.core.settings import CoreSettings
from worker.log.contract import Log
from worker.service.clock import Clock
from worker.service.happenings import Happenings

LOOK_EVERY, TELL_EVERY_S = 10_000, 2.0


def restored_pipeline(log: Log, topic: str, partition: int, settings: CoreSettings, clock: Clock, happened: Happenings) -> Pipeline:
    """A pipeline that goes on where the changelog `topic` of this partition ends. Raises LogUnavailable, StateRefused.

    The end is that of the call. Nothing can be added to it any more: the owner before us is fenced.
    """
    changelog, records = Restored(), 0
    began_s = told_s = clock.elapsed_s()
    total = max(0, log.end_offsets(topic)[partition] - log.start_offsets(topic)[partition])  # at most: compaction leaves gaps
    for record in log.read(topic, partition):
        changelog.apply(record.key, record.value)
        records += 1
        if records % LOOK_EVERY == 0 and clock.elapsed_s() - told_s >= TELL_EVERY_S:
            told_s = clock.elapsed_s()
            happened.restore_progressed(partition, records, total, told_s - began_s)
    pipeline = Pipeline(settings, partition)
    pipeline.restore(changelog)
    happened.partition_restored(partition, records, len(pipeline.profiles), len(pipeline.decisions), clock.elapsed_s() - began_s)
    return pipeline
