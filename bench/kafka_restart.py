"""How long a worker is away after SIGKILL: from the kill to the first new committed score, with a state of many users to read back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import orjson

from bench.kafka_stand import Stand, stand
from worker.log.contract import Message

USERS = 100_000
AT_ONCE = 5_000


def restart(client: str) -> Iterator[tuple[str, str]]:
    """Under the same member name, and the partitions' way to another member, who has to wait for the session to end."""
    with stand(client) as here:
        worker = here.start("one")
        for first in range(0, USERS, AT_ONCE):
            _send(here, range(first, first + AT_ONCE))
        here.wait_for_scores(USERS)
        worker.kill()
        worker.wait()
        yield f"{client}: SIGKILL with {USERS:,} profiles to the first new score, same member", f"{_away_s(here, 'one'):.1f} s"
        here.workers[-1].kill()
        here.workers[-1].wait()
        yield "  the same, another member (session 15 s)", f"{_away_s(here, 'two'):.1f} s"


def _away_s(here: Stand, member: str) -> float:
    """Start a worker, at once as a supervisor would, send one event, and wait for its score."""
    began_s = time.monotonic()
    tail = here.log.tail(here.settings.topics.scores)
    here.start(member)
    _send(here, range(1))
    while not tail.poll(1, 0.5):
        if time.monotonic() - began_s > 120:
            raise TimeoutError(f"no score within 120 s of the kill: see {member}.log")
    tail.close()
    return time.monotonic() - began_s


def _send(here: Stand, numbers: range) -> None:
    now_ms = time.time_ns() // 1_000_000
    events = [{"event": "page_view", "user_id": f"u{n}", "timestamp": now_ms, "path": f"/p{n % 50}", "session_id": f"s{n}"} for n in numbers]
    here.log.append(here.settings.topics.events, [Message(orjson.dumps(event), str(event["user_id"]).encode()) for event in events])
