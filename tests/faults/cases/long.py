"""The long run: random kills of two workers and a trainer, one after the other, while events flow."""

from __future__ import annotations

import signal
from itertools import cycle

from tests.faults.cases.case import Ground, Outcome, case, judged
from tests.faults.inputs import Stream
from tests.faults.processes import Worker

KILLS = 200
EVENTS_A_KILL = 45


@case("long run", both=False)
def two_hundred_random_kills(ground: Ground) -> Outcome:
    """Two scorers of four partitions and a trainer; every moment one of them dies, at a random moment, and is started again under its name."""
    chance = ground.chance
    stand = ground.stand(partitions=4, snapshot_examples=300, snapshot_wait="1500 ms")
    stream = Stream(chance.randrange(1_000), users=2_600, days=6)
    roles = {"a": "scorer", "b": "scorer", "t": "trainer"}
    clients = cycle(("librdkafka", "kafka-python"))  # one group, both clients
    alive: dict[str, Worker] = {}

    def begin(member: str) -> None:
        alive[member] = stand.start(member, roles=roles[member], options=["--set", f"kafka.client='{next(clients)}'"])

    stand.feed(stream.take(400))
    for member in roles:
        begin(member)
    stand.must_score()
    for number in range(KILLS):
        stand.feed(stream.take(EVENTS_A_KILL))
        stand.scores(chance.randrange(1, 250), chance.uniform(0.1, 1.3))
        member = chance.choice("aabbt")
        victim = alive[member]
        assert not victim.ended(), f"after {number} kills {member} ended by itself:\n{victim.said()[-2_000:]}"
        victim.send(signal.SIGKILL)
        assert victim.wait() == -signal.SIGKILL
        begin(member)
    with stand.recovery(stream.take(EVENTS_A_KILL)):
        pass
    return judged(stand, f"{KILLS} kills, {stand.sent:,} events; the processes take turns in which client they use", within_s=240.0)
