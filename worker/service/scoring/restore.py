"""A gained partition's state, read back from its changelog to the end, before anything of it is scored."""

from __future__ import annotations

from typing import ClassVar

from worker.core.action.plan import Plan
from worker.core.pipeline import Pipeline
from worker.core.privacy.pseudonyms import Pseudonyms
from worker.core.settings import CoreSettings
from worker.core.state.changelog import Restored, StateRefused
from worker.errors import ClickscoreError
from worker.log.contract import Log
from worker.service.clock import Clock
from worker.service.telemetry.happenings import Happenings

LOOK_EVERY, TELL_EVERY_S = 10_000, 2.0


class StateUnusable(ClickscoreError):
    """A changelog that this program must not go on from. Nothing was written: a person must act, and a restart would only find the same."""

    exit_code: ClassVar[int] = 78  # EX_CONFIG

    def __init__(self, refused: StateRefused, where: str) -> None:
        what, inner, todo = refused.problems[0]
        super().__init__(what, f"{where}: {inner}" if inner else where, todo)


def restored_pipeline(
    log: Log,
    topic: str,
    partition: int,
    settings: CoreSettings,
    clock: Clock,
    happened: Happenings,
    plan: Plan | None = None,
    pseudonyms: Pseudonyms | None = None,
) -> Pipeline:
    """A pipeline that goes on where the changelog `topic` of this partition ends. Raises LogUnavailable, StateUnusable.

    The end is that of the call. Nothing can be added to it any more: the owner before us is fenced.
    A record that cannot be read does no harm once another has come after it under its key, a tombstone perhaps.
    """
    changelog, records = Restored(), 0
    refused: dict[bytes | None, tuple[int, StateRefused]] = {}  # by key: only what nothing came after
    began_s = told_s = clock.elapsed_s()
    total = max(0, log.end_offsets(topic)[partition] - log.start_offsets(topic)[partition])  # at most: compaction leaves gaps
    pipeline = Pipeline(settings, partition, plan=plan, pseudonyms=pseudonyms)
    where = f"topic {topic}, partition {partition}"
    for record in log.read(topic, partition):
        try:
            changelog.apply(record.key, record.value)
            refused.pop(record.key, None)
        except StateRefused as error:
            refused[record.key] = record.offset, error
        records += 1
        if records % LOOK_EVERY == 0 and clock.elapsed_s() - told_s >= TELL_EVERY_S:
            told_s = clock.elapsed_s()
            happened.restore_progressed(partition, records, total, told_s - began_s)
    if refused:
        offset, first = next(iter(refused.values()))
        raise StateUnusable(first, f"{where}, offset {offset}") from first
    try:
        pipeline.restore(changelog)
    except StateRefused as error:
        found = [record.offset for record in log.read(topic, partition) if error.key is not None and record.key == error.key]
        raise StateUnusable(error, f"{where}, offset {found[-1]}" if found else where) from error
    happened.partition_restored(partition, records, len(pipeline.profiles), len(pipeline.decisions), clock.elapsed_s() - began_s)
    return pipeline
