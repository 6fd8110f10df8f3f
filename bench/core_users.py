"""The core alone as users grow in number, and as their events are spread; and the memory that a user takes. Each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.core_alone import RUNS, TURN, Core, lessons, trained
from bench.events import Spread, Stream
from bench.figures import Figure
from worker.service.memory import collect_rarely

USERS = (10_000, 100_000, 1_000_000)
COUNT = 50_000
SPREADS: tuple[tuple[Spread, str], ...] = (("uniform", "anybody"), ("zipf", "the nth user 1/n of them"), ("hot", "one user half of them"))


def by_users(_: Sequence[bytes]) -> Iterator[Figure]:
    """Cost of an event with each number of users known, and memory a user."""
    for users in USERS:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
            rates, profile, resident = alone.submit(_with_users, users).result()
        for (spread, words), rate in zip(SPREADS, rates, strict=True):
            yield Figure(f"users.{users}.{spread}", f"core alone, {users:,} users known, events: {words}", rate, "events/s")
        yield Figure(f"users.{users}.profile", "  memory of a profile", profile, "bytes")
        yield Figure(f"users.{users}.resident", "  resident memory of the process, a user", resident, "bytes")


def _with_users(users: int) -> tuple[list[float], float, float]:
    """Events/s by spread, bytes of a profile, and by how many bytes the process grew a user."""
    collect_rarely()
    core, known = Core(trained(lessons())), Stream(users)
    core.feed(Stream(1_000, name="first").take(2 * TURN))
    before = _resident()
    for chunk in known.everybody():
        core.feed([value for _, value in chunk])
    resident = (_resident() - before) / users
    rates = []
    for spread, _ in SPREADS:
        stream = Stream(users, spread, start_ms=known.start_ms + int(known.number / known.rate_per_s * 1000) + 1_000, name=spread)
        runs = [core.feed(stream.take(COUNT)) for _ in range(RUNS)]
        known.number += RUNS * COUNT  # the next spread's events come after these
        rates.append(max(events / took for took, events, _ in runs))
    return rates, core.pipeline.profiles.bytes / len(core.pipeline.profiles), resident


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
