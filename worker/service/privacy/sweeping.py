"""Sweeping an embedded log: no broker compacts it, so what tombstones of erased users cover is removed by the worker itself, the tombstones with it.

Which users, the answered requests say: tombstones in the topic of requests, whose keys begin with the user's id. They go last, so that a sweep which a
death cuts short is made again by the next worker.
"""

from __future__ import annotations

from collections.abc import Callable

from worker.log.embedded import EmbeddedLog
from worker.service.clock import Clock
from worker.service.telemetry.happenings import Happenings
from worker.settings import Settings

HEEDED_WITHIN_MS = 10_000  # couriers that run have read the tombstones of triggers by then; what was answered since is left to the next sweep


def sweep(log: EmbeddedLog, settings: Settings, clock: Clock, happened: Happenings) -> None:
    """Remove what there is of users whose requests were answered since the last sweep. Raises LogUnavailable; what is left then goes with the next.

    Dead letters under a user's key go too, up to the erasure; those under another key, or none, that name the user in their bytes stay.
    """
    topics = settings.topics
    answered: dict[bytes, int] = {}  # by key of a request that was answered: when
    for partition in range(log.partition_count(topics.privacy)):
        for record in log.read(topics.privacy, partition):
            if record.value is None and record.key is not None and clock.now_ms() - record.timestamp_ms >= HEEDED_WITHIN_MS:
                answered[record.key] = record.timestamp_ms
    if not answered:
        return
    erased_ms: dict[bytes | None, int] = {}  # by user
    for key, at_ms in answered.items():
        user = key.rsplit(b"\n", 1)[0]
        erased_ms[user] = max(at_ms, erased_ms.get(user, 0))

    def purge(topic: str, named: Callable[[bytes, int], bool], covered: bool = True) -> None:
        began_s = clock.elapsed_s()
        removed = log.purge(topic, named, covered=covered)
        if removed:
            happened.topic_swept(topic, removed, clock.elapsed_s() - began_s)

    for topic in (topics.scores, topics.segments, topics.triggers):
        purge(topic, lambda key, _: key in erased_ms)
    purge(topics.deadletter, lambda key, written_ms: written_ms <= erased_ms.get(key, -1), covered=False)
    purge(topics.profiles, lambda key, _: _user_of(key) in erased_ms)
    purge(topics.privacy, lambda key, _: key in answered)


def _user_of(key: bytes) -> bytes | None:
    """Whom a record of the changelog is about."""
    kind, name = key[:2], key[2:]
    if kind == b"d:":
        return name.rsplit(b":", 1)[0]
    return name if kind in (b"u:", b"a:") else None
