"""A member that is told it was replaced asks its group, for a client library may be wrong: it then joins anew and goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kafka.clients import BRISK, CLIENTS, create, until
from tests.kafka.fixtures import FreshName
from worker.log.contract import Message, Polled
from worker.log.errors import MemberReplaced
from worker.log.kafka.connection import Connection
from worker.log.kafka.log import KafkaLog


@pytest.fixture(params=CLIENTS)
def log(request: pytest.FixtureRequest, bootstrap: str) -> Iterator[KafkaLog]:
    connection = Connection(bootstrap, timings=BRISK)
    log = KafkaLog(connection, CLIENTS[request.param](connection))
    yield log
    log.close()


def test_a_false_alarm_costs_no_record_and_a_true_one_ends_the_member(
    log: KafkaLog, bootstrap: str, fresh_name: FreshName, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, group = fresh_name("events"), fresh_name("group")
    create(bootstrap, events)
    log.append(events, [Message(b"1")])
    turns = log.turns(group, [events], "m")
    assert values_of(turns) == [b"1"]
    turns.commit(dict.fromkeys(turns.assignment(), 1))

    consumer = vars(turns)["_consumer"]

    def alarm(*_: object) -> None:
        raise MemberReplaced("another process runs under the same member name")

    monkeypatch.setattr(consumer, "poll", alarm)
    log.append(events, [Message(b"2")])
    assert values_of(turns) == [b"2"]

    newer = log.turns(group, [events], "m")
    until(lambda: bool(newer.poll(1, 0.1).gained or newer.assignment()), "the newer process has joined")
    with pytest.raises(MemberReplaced):
        until(lambda: turns.poll(1, 0.1) is None, "the older one is told")
    turns.close()
    newer.close()


def values_of(turns: object) -> list[bytes | None]:
    """The values of the first poll that finds any."""
    polled = Polled()

    def found() -> bool:
        nonlocal polled
        polled = turns.poll(10, 0.2)  # type: ignore[attr-defined]
        return bool(polled.records)

    until(found, "records")
    return [record.value for records in polled.records.values() for record in records]
