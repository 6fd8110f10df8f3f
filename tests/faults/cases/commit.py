"""Faults of the network and of the coordinator while a turn is being published."""

from __future__ import annotations

from tests.faults.cases.case import Ground, Outcome, case, judged
from tests.faults.inputs import Stream
from tests.kafka.proxy import Api, Place

CUTS = (Api.PRODUCE, Api.ADD_PARTITIONS_TO_TXN, Api.ADD_OFFSETS_TO_TXN, Api.TXN_OFFSET_COMMIT, Api.END_TXN, Api.HEARTBEAT, Api.FETCH)


@case("commit")
def ambiguous_commit(ground: Ground) -> Outcome:
    """The connection is cut after EndTxn was forwarded and before its answer, and before it was forwarded."""
    return _ambiguous(ground, "scorer")


@case("commit")
def ambiguous_commit_of_a_trainer(ground: Ground) -> Outcome:
    """The same with a snapshot."""
    return _ambiguous(ground, "trainer")


def _ambiguous(ground: Ground, role: str) -> Outcome:
    """One role's process goes through the proxy, the other's to the broker itself."""
    stand, stream = ground.stand(through=ground.proxy.address), Stream(ground.chance.randrange(1_000), users=600)
    stand.feed(stream.take(500))
    for one in ("scorer", "trainer"):
        stand.start(one, roles=one, options=() if one == role else ("--bootstrap", stand.bootstrap))
    stand.must_score()
    places: list[Place] = ["answer", "request", "answer"]
    for place in places:
        rule = ground.proxy.cut(Api.END_TXN, place=place)
        with stand.recovery(stream.take(100)):
            stand.feed(stream.take(150))
            rule.wait()
    stand.feed(stream.rest())
    return judged(stand, "3 cuts at EndTxn")


@case("commit")
def connection_cut_at_any_request(ground: Ground) -> Outcome:
    """At every request that a turn makes, and at its answer."""
    stand, stream = ground.stand(through=ground.proxy.address), Stream(ground.chance.randrange(1_000), users=600)
    stand.feed(stream.take(300))
    stand.start()
    stand.must_score(300)
    places: tuple[Place, Place] = ("request", "answer")
    faults = [(api, place) for api in CUTS for place in places if ground.proxy.seen(api)]
    for api, place in faults:
        rule = ground.proxy.cut(api, place=place)
        with stand.recovery(stream.take(35)):
            stand.feed(stream.take(35))
            rule.wait()
    return judged(stand, f"{len(faults)} cuts: {', '.join(api.name for api in CUTS if ground.proxy.seen(api))}")


@case("commit")
def transaction_timeout(ground: Ground) -> Outcome:
    """The positions are held on their way until the broker has aborted the transaction; then they are let through."""
    stand, stream = ground.stand(through=ground.proxy.address), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(400))
    stand.start()
    stand.must_score()
    rule = ground.proxy.stall(Api.TXN_OFFSET_COMMIT, times=1)
    with stand.recovery(stream.take(200)):
        stand.feed(stream.take(200))
        rule.wait()
        stand.scores(100_000, 6.0)  # longer than the transaction timeout of 3 s, and the broker looks for those every second
        rule.release()
    stand.feed(stream.rest())
    return judged(stand)


@case("commit")
def coordinator_gone(ground: Ground) -> Outcome:
    """The broker is killed when it has just got EndTxn: nobody answers, and whoever comes back must be asked what happened."""
    stand, stream = ground.stand(through=ground.proxy.address), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(600))
    stand.start()
    stand.must_score(50)
    rule = ground.proxy.stall(Api.END_TXN, place="answer", times=1)
    rule.wait()
    with stand.recovery(stream.take(200)):
        ground.broker.kill()
        ground.proxy.reset()
        ground.broker.start()
    stand.feed(stream.rest())
    return judged(stand)


@case("commit")
def slow_network(ground: Ground) -> Outcome:
    """Every answer to a produce or commit request takes 150 ms longer."""
    stand, stream = ground.stand(through=ground.proxy.address), Stream(ground.chance.randrange(1_000), users=200)
    for api in (Api.PRODUCE, Api.END_TXN):
        ground.proxy.delay(150, api, place="answer")
    stand.feed(stream.rest())
    stand.start()
    stand.must_score(100)
    return judged(stand)
