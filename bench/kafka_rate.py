"""Events a second over Kafka: a topic is filled first, then each contender works through it, one after the other, on one broker.

The topic holds one event of each of 50,000 users and then events of anybody of them, so that what is measured are users who are known. Progress is the
group's committed position (or the end of the output, for those that commit none), looked at every 50 ms. What is measured lies between two such steps:
the first once all users are known and after WARM_S of work, so that starting, joining and a Java's compiler are over, and the last before the end.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence

from bench.contenders import EVENTS, Contender, others, ours, peers, quix
from bench.figures import Figure
from bench.kafka_stand import Stand, stand
from bench.peers.install import NotInstalled
from bench.processes import cpu_s, resident_mib
from worker.log.contract import Topic
from worker.log.errors import LogUnavailable

USERS, COUNT = 50_000, 1_200_000
WARM_S, MEASURED_S, STEP_S = 3.0, 6.0, 0.05
FIRST_WITHIN_S, STEADY_WITHIN_S = 60.0, 90.0


def rate(_: Sequence[bytes]) -> Iterator[Figure]:
    """clickscore, the echoes and the peers that the aims are set against, as many events a second as each can take."""
    return _all([*ours(), *peers()])


def others_rate(_: Sequence[bytes]) -> Iterator[Figure]:
    """The other peers, with one of the first again to compare with."""
    return _all([quix(0.1), *others()])


def two_workers(_: Sequence[bytes]) -> Iterator[Figure]:
    """One worker with two partitions, then two workers with one each, on the machine that they share with the broker."""
    for client in dict.fromkeys(one.label.split(", ")[1] for one in ours()):
        with stand() as here:
            settings = here.settings("pair", 2)
            here.fill(settings.topics.events, COUNT, USERS, partitions=2)
            alone = [here.worker(settings, "first", client)]
            single = _measured(here, alone, "pair", settings.topics.events)
            here.end(alone[0])
            other = here.settings("pair2", 2, events=settings.topics.events)
            both = [here.worker(other, name, client) for name in ("second", "third")]
            double = _measured(here, both, "pair2", settings.topics.events)
            yield Figure(f"workers.{client}.1", f"one worker, {client}, 2 partitions", single[0], "events/s")
            yield Figure(f"workers.{client}.2", f"two workers, {client}, 2 partitions", double[0], "events/s")
            yield Figure(f"workers.{client}.cores", "  cores that the two used", double[1], "cores")


def _all(contenders: Iterable[Contender]) -> Iterator[Figure]:
    with stand() as here:
        here.log.create([Topic(EVENTS, 1)])
        here.fill(EVENTS, COUNT, USERS)
        for one in contenders:
            try:
                process = one.start(here)
            except (NotInstalled, subprocess.CalledProcessError) as error:
                yield Figure(f"rate.{one.key}", one.label, None, "events/s", f"not installed: {error}")
                continue
            try:
                events, cores, memory = _measured(here, [process], one.key if one.commits else "", EVENTS if one.commits else one.output)
            except TimeoutError as error:
                yield Figure(f"rate.{one.key}", one.label, None, "events/s", f"{error}: {here.said(one.key)}")
                continue
            finally:
                here.end(process)
            yield Figure(f"rate.{one.key}", one.label, events, "events/s")
            yield Figure(f"rate.{one.key}.cpu", "  processor time of its process", cores / events * 1e6, "µs/event")
            yield Figure(f"rate.{one.key}.memory", "  resident memory", memory, "MiB")


def _measured(here: Stand, processes: Sequence[subprocess.Popen[bytes]], group: str, topic: str) -> tuple[float, float, float]:
    """Events/s, cores used and MiB. Raises TimeoutError where there is no steady progress."""

    def progress() -> int:
        try:
            found = here.log.committed(group, topic) if group else here.log.end_offsets(topic)
        except LogUnavailable:  # the broker has no coordinator for the group yet
            return 0
        return sum(found.values())

    steps: list[tuple[float, int, float]] = []  # moment, progress, processor time: where progress was made
    began_s, warm_s = time.monotonic(), 0.0
    while True:
        time.sleep(STEP_S)
        done, now_s = progress(), time.monotonic()
        if done > (steps[-1][1] if steps else 0):
            steps.append((now_s, done, sum(cpu_s(process.pid) for process in processes)))
        if not steps and now_s - began_s > FIRST_WITHIN_S:
            raise TimeoutError(f"no progress within {FIRST_WITHIN_S:.0f} s")
        if all(process.poll() is not None for process in processes):
            raise TimeoutError("it ended")
        if steps and not warm_s and now_s - steps[0][0] >= WARM_S and done >= USERS:
            warm_s = now_s
        if done >= USERS + COUNT or (warm_s and now_s - warm_s > MEASURED_S) or now_s - began_s > STEADY_WITHIN_S:
            break
    memory = sum(resident_mib(process.pid) for process in processes)
    warm = [step for step in steps if step[0] >= warm_s]
    if not warm_s or len(warm) < 2:
        raise TimeoutError(f"no steady progress within {STEADY_WITHIN_S:.0f} s")
    (from_s, first, cpu_from), (to_s, last, cpu_to) = warm[0], warm[-1]
    return (last - first) / (to_s - from_s), (cpu_to - cpu_from) / (to_s - from_s), memory
