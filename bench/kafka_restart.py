"""How long a worker is away after SIGKILL: from the kill to the first new committed score, with the state of many users to read back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence

from bench.contenders import ours
from bench.events import Stream
from bench.figures import Figure
from bench.kafka_stand import Stand, stand
from bench.processes import resident_mib
from worker.log.contract import Message
from worker.settings import Settings

USERS = (100_000, 1_000_000)
WITHIN_S = 180.0


def restart(_: Sequence[bytes]) -> Iterator[Figure]:
    """Under the same member name with each number of profiles; and, with the least, under another name, which has to wait for the session to end."""
    for client in dict.fromkeys(one.label.split(", ")[1] for one in ours()):
        with stand() as here:
            settings, member, known = here.settings(), "one", 0
            worker = here.worker(settings, member, client)
            for users in USERS:
                _introduce(here, settings, users)
                here.wait_for(settings.topics.scores, users + known)
                known += users + 1
                yield Figure(f"restart.{client}.{users}.memory", f"worker with {users:,} profiles, {client}: resident memory", resident_mib(worker.pid), "MiB")
                here.end(worker)
                took, worker = _away_s(here, settings, member, client)
                yield Figure(f"restart.{client}.{users}", f"SIGKILL with {users:,} profiles to the first new score, same member, {client}", took, "s")
                if users == USERS[0]:
                    here.end(worker)
                    member, known = "two", known + 1
                    took, worker = _away_s(here, settings, member, client)
                    yield Figure(f"restart.{client}.{users}.other", "  the same, another member: the session of the first, 15 s, has to end", took, "s")


def _introduce(here: Stand, settings: Settings, users: int) -> None:
    """One event of each user."""
    stream = Stream(users, start_ms=int(time.time() * 1000 - users / 4_000 * 1000) - 1_000, name=f"of{users}")
    for chunk in stream.everybody():
        here.log.append(settings.topics.events, [Message(value, key, (), 0) for key, value in chunk])


def _away_s(here: Stand, settings: Settings, member: str, client: str) -> tuple[float, subprocess.Popen[bytes]]:
    """Start a worker, at once as a supervisor would, send one event, and wait for its score."""
    began_s = time.monotonic()
    tail = here.log.tail(settings.topics.scores)
    worker = here.worker(settings, member, client)
    here.log.append(settings.topics.events, [Message(Stream(1, start_ms=int(time.time() * 1000), name=f"{member}{began_s}").take(1)[0], b"u0", (), 0)])
    while not tail.poll(1, 0.5):
        if time.monotonic() - began_s > WITHIN_S:
            raise TimeoutError(f"no score within {WITHIN_S} s of the kill: {here.said(member)}")
    tail.close()
    return time.monotonic() - began_s, worker
