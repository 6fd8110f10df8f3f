"""A worker that is exchanged for another under its name: with `stays` nobody's partitions move, without it they change hands at once."""

from __future__ import annotations

import pytest

from tests.kafka.clients import BRISK, CLIENTS, create, until
from tests.kafka.fixtures import FreshName
from worker.log.contract import Turns
from worker.log.kafka.connection import Connection
from worker.log.kafka.log import KafkaLog


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("stays", [True, False])
def test_partitions_stay_in_place_where_members_stay(client: str, stays: bool, bootstrap: str, fresh_name: FreshName) -> None:
    connection = Connection(bootstrap, timings=BRISK)
    events, group = fresh_name("events"), fresh_name("group")
    create(bootstrap, events, 2)
    log = KafkaLog(connection, CLIENTS[client](connection), stays=stays)
    members = {name: log.turns(group, [events], name) for name in ("m1", "m2")}
    until(lambda: shared_out(members["m1"], members["m2"]), "both have a partition")
    kept, before = members["m1"].assignment(), members["m2"].assignment()

    members["m2"].close()
    if not stays:
        until(lambda: polled(members["m1"]) == kept | before, "m1 has gained what m2 had")
    members["m2"] = log.turns(group, [events], "m2")
    moved: list[bool] = []

    def back() -> bool:
        moved.append(bool(members["m1"].poll(1, 0.05).lost))
        polled(members["m2"])
        return shared_out(members["m1"], members["m2"])

    until(back, "both have a partition again")
    assert any(moved) == (not stays)
    assert not stays or (members["m1"].assignment(), members["m2"].assignment()) == (kept, before)
    for turns in members.values():
        turns.close()
    log.close()


def polled(turns: Turns) -> frozenset[object]:
    turns.poll(1, 0.05)
    return frozenset(turns.assignment())


def shared_out(one: Turns, other: Turns) -> bool:
    return len(polled(one)) == len(polled(other)) == 1
