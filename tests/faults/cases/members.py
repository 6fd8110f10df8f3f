"""Members of the group that come, go, fall asleep, or bear one name."""

from __future__ import annotations

import signal
import time

from tests.faults.cases.case import Ground, Outcome, case, judged
from tests.faults.inputs import Stream
from tests.faults.processes import PATIENCE_S, Worker
from tests.faults.stand import Stand
from tests.kafka.proxy import Api


@case("members")
def rebalance_storm(ground: Ground) -> Outcome:
    """Members join, leave in order, and are killed, every moment another one."""
    stand, chance = ground.stand(partitions=4), ground.chance
    stream = Stream(chance.randrange(1_000))
    stand.feed(stream.take(200))
    alive: dict[str, Worker] = {"a": stand.start("a")}
    for number, part in enumerate(stream.parts(9)):
        stand.feed(part)
        stand.scores(30, 1.0)
        name = "abc"[number % 3]
        if name not in alive:
            alive[name] = stand.start(name)
        elif chance.random() < 0.5 and len(alive) > 1:
            victim = alive.pop(name)
            assert victim.stop() in (0, -signal.SIGTERM), victim.said()  # the latter before it has begun
        else:
            alive[name].kill()
            alive[name] = stand.start(name)
    return judged(stand, "9 joins, leaves and kills among 3 members")


@case("members")
def one_joins_and_one_leaves(ground: Ground) -> Outcome:
    """A second worker joins in the middle of work, then the first one leaves."""
    stand, stream = ground.stand(partitions=4), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(400))
    first = stand.start("a")
    stand.must_score(100)
    with stand.recovery(stream.take(300)):
        stand.start("b")
    with stand.recovery(stream.take(300)):
        assert first.stop() == 0
    stand.feed(stream.rest())
    return judged(stand)


@case("members")
def zombie(ground: Ground) -> Outcome:
    """SIGSTOP just before a commit and past the session timeout; another takes over; SIGCONT."""
    return _zombie(ground, "scorer")


@case("members")
def zombie_trainer(ground: Ground) -> Outcome:
    """The same with a trainer: what it has learned without publishing must not count, and what its successor learned must not be learned again."""
    return _zombie(ground, "trainer")


def _zombie(ground: Ground, role: str) -> Outcome:
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(800))
    sleeper = stand.start("a", plan={"role": role, "step": "before commit", "turn": 3, "signal": signal.SIGSTOP})
    fell_asleep(sleeper, stand)
    with stand.recovery(stream.take(200)):
        stand.start("b")
    stand.settle()  # the whole group is the other's by now
    sleeper.send(signal.SIGCONT)
    stand.feed(stream.rest())
    stand.settle()
    until_said(sleeper, "turn given up")
    return judged(stand)


def fell_asleep(sleeper: Worker, stand: Stand) -> None:
    """Wait until a worker has stopped itself."""
    deadline_s = time.monotonic() + PATIENCE_S
    while sleeper.state() != "T":
        assert time.monotonic() < deadline_s, sleeper.said()
        assert not sleeper.ended(), sleeper.said()
        stand.scores(1, 0.05)


def until_said(worker: Worker, words: str) -> None:
    """Wait until a worker has written these words."""
    deadline_s = time.monotonic() + PATIENCE_S
    while words not in worker.said():
        assert time.monotonic() < deadline_s, f"{words!r} was never said by {worker.member}:\n{worker.said()[-2_000:]}"
        assert not worker.ended(0.1), worker.said()


@case("members")
def two_workers_with_one_id(ground: Ground) -> Outcome:
    """The older one is replaced and ends, in words; the newer goes on."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(400))
    older = stand.start("m")
    stand.must_score(50)
    with stand.recovery(stream.take(300)):
        stand.start("m")
    code = older.wait()
    assert code == 1, older.said()
    assert "another process runs under the same member name" in older.said(), older.said()
    stand.feed(stream.rest())
    return judged(stand)


@case("members")
def lost_heartbeats(ground: Ground) -> Outcome:
    """What goes to the group's coordinator is held for longer than the session timeout while another member waits: the partitions move."""
    stand, stream = ground.stand(through=ground.proxy.address), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(400))
    stand.start("a")
    stand.must_score(50)
    rule = ground.proxy.stall(Api.HEARTBEAT)
    rule.wait()
    with stand.recovery(stream.take(200)):
        stand.start("b", options=("--bootstrap", stand.bootstrap))  # past the proxy: else a slow machine has no session long enough for its first turn
    stand.scores(100_000, 5.0)
    rule.release()
    ground.proxy.cut_all()
    stand.feed(stream.rest())
    return judged(stand)
