"""Brokers that are killed, restarted, away, not there yet, or full."""

from __future__ import annotations

import resource
import threading
import time

from tests.faults.cases.case import Ground, Outcome, case, judged
from tests.faults.inputs import Stream
from worker.demo.broker import Broker

AWAY_S = 60.0
FULL_BYTES = 200_000  # of one file of the broker


@case("broker")
def killed_and_started_again(ground: Ground) -> Outcome:
    """SIGKILL in the middle of work, and a start on the same data."""
    return _restarted(ground, lambda broker: broker.kill())


@case("broker")
def restarted_in_order(ground: Ground) -> Outcome:
    """SIGTERM in the middle of work, and a start on the same data."""
    return _restarted(ground, lambda broker: broker.stop())


def _restarted(ground: Ground, end: object) -> Outcome:
    assert callable(end)
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(600))
    stand.start()
    stand.must_score(ground.chance.randrange(20, 200))
    end(ground.broker)
    began_s = time.monotonic()
    ground.broker.start()
    up_s = time.monotonic() - began_s
    with stand.recovery(stream.take(300)):
        pass
    stand.feed(stream.rest())
    return judged(stand, f"counted from the broker's return, after {up_s:.0f} s")


@case("broker")
def away_for_a_minute(ground: Ground) -> Outcome:
    """Killed, and started again a minute later."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(600))
    stand.start()
    stand.must_score(50)
    ground.broker.kill()
    threading.Event().wait(AWAY_S)
    ground.broker.start()
    with stand.recovery(stream.take(300)):
        pass
    stand.feed(stream.rest())
    return judged(stand, "counted from the broker's return")


@case("broker")
def frozen_past_every_timeout(ground: Ground) -> Outcome:
    """SIGSTOP for 8 s: connections stay, nothing answers, sessions and transactions run out; SIGCONT."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(600))
    stand.start()
    stand.must_score(50)
    ground.broker.pause()
    threading.Event().wait(8.0)
    ground.broker.resume()
    with stand.recovery(stream.take(300)):
        pass
    stand.feed(stream.rest())
    return judged(stand, "counted from the broker's return")


@case("broker")
def down_when_the_worker_starts(ground: Ground) -> Outcome:
    """The worker waits, and says so; then the broker comes."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(700))
    ground.broker.stop()
    worker = stand.start()
    assert not worker.ended(6.0), worker.said()
    assert "log unavailable" in worker.said(), worker.said()
    ground.broker.start()
    with stand.recovery(stream.rest()):
        pass
    return judged(stand, "counted from the broker's return")


@case("broker")
def disk_full(ground: Ground) -> Outcome:
    """The broker's files cannot grow any more (RLIMIT_FSIZE): it takes its only disk offline and ends; then there is room again."""
    broker = ground.start_broker()
    try:
        return _filled(ground, broker)
    finally:
        broker.kill()


def _filled(ground: Ground, broker: Broker) -> Outcome:
    stand, stream = ground.stand(bootstrap=broker.bootstrap), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(500))
    worker = stand.start()
    stand.must_score(50)
    rest = stream.rest()
    last = rest[-100:]  # in time too: what comes late gets no score that could be waited for
    resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, FULL_BYTES))
    feeding = threading.Thread(target=stand.feed, args=(rest[:-100],), daemon=True)
    feeding.start()
    deadline_s = time.monotonic() + 40
    while broker.running and time.monotonic() < deadline_s:
        assert not worker.ended(0.2), worker.said()
    ended = not broker.running
    broker.restart()
    with stand.recovery(last):
        feeding.join(60)
    return judged(stand, f"{'the broker ended itself; ' if ended else ''}counted from the broker's return")
