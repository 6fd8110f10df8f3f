"""The long runs: random kills of two workers and a trainer, one after the other, while events flow."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from itertools import cycle

from tests.faults import acting, readback
from tests.faults.cases.case import Ground, Outcome, case, judged
from tests.faults.inputs import Stream
from tests.faults.processes import Worker
from tests.faults.stand import Stand

EVENTS_A_KILL = 45


@case("long run", both=False)
def two_hundred_random_kills(ground: Ground) -> Outcome:
    """Two scorers of four partitions and a trainer; every moment one of them dies, at a random moment, and is started again under its name."""
    stand = _killed_at_random(ground, 200)
    return judged(stand, f"200 kills, {stand.sent:,} events; the processes take turns in which client they use", within_s=240.0)


@case("long run", both=False)
def a_hundred_random_kills_with_triggers(ground: Ground) -> Outcome:
    """The same with segments and triggers: all that is published of them is recomputed from the input too, and a trigger fires once and within its caps."""
    stand = _killed_at_random(ground, 100, more=acting.CONFIGURATION, said=acting.agreed)
    outcome = judged(stand, "", within_s=240.0)
    triggers = readback.read(stand.bootstrap, stand.settings.topics.triggers).all()
    acting.assert_each_once_and_no_cap_exceeded(record.value for record in triggers)
    outcome.remark = f"100 kills, {stand.sent:,} events, {len(triggers):,} records of triggers"
    return outcome


def _killed_at_random(ground: Ground, kills: int, more: str = "", said: Callable[[Iterable[bytes]], list[bytes]] = list) -> Stand:
    chance = ground.chance
    stand = ground.stand(partitions=4, snapshot_examples=300, snapshot_wait="1500 ms", more=more)
    stream = Stream(chance.randrange(1_000), users=18 * kills, days=6)
    roles = {"a": "scorer", "b": "scorer", "t": "trainer"}
    clients = cycle(("librdkafka", "kafka-python"))  # one group, both clients
    alive: dict[str, Worker] = {}

    def begin(member: str) -> None:
        alive[member] = stand.start(member, roles=roles[member], options=["--set", f"kafka.client='{next(clients)}'"])

    stand.feed(said(stream.take(400)))
    for member in roles:
        begin(member)
    stand.must_score()
    for number in range(kills):
        stand.feed(said(stream.take(EVENTS_A_KILL)))
        stand.scores(chance.randrange(1, 250), chance.uniform(0.1, 1.3))
        member = chance.choice("aabbt")
        victim = alive[member]
        assert not victim.ended(), f"after {number} kills {member} ended by itself:\n{victim.said()[-2_000:]}"
        victim.send(signal.SIGKILL)
        assert victim.wait() == -signal.SIGKILL
        begin(member)
    with stand.recovery(said(stream.take(EVENTS_A_KILL))):
        pass
    return stand
