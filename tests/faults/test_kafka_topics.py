"""A topic that a broker does not know for a while, as brokers that have just started do not: the turn waits for it, and is lost to nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient

from tests.kafka.clients import CLIENTS, HASTY, create, until
from tests.kafka.fixtures import FreshName
from worker.log.contract import Message, Polled
from worker.log.errors import LogUnavailable
from worker.log.kafka.connection import Connection
from worker.log.kafka.log import KafkaLog


@pytest.fixture(params=CLIENTS)
def log(request: pytest.FixtureRequest, bootstrap: str) -> Iterator[KafkaLog]:
    connection = Connection(bootstrap, timings=HASTY)
    log = KafkaLog(connection, CLIENTS[request.param](connection))
    yield log
    log.close()


def test_a_commit_to_a_topic_that_is_not_known_can_be_made_again(log: KafkaLog, bootstrap: str, fresh_name: FreshName) -> None:
    events, scores, group = (fresh_name(what) for what in ("events", "scores", "group"))
    for topic in (events, scores):
        create(bootstrap, topic)
    log.append(events, [Message(b"event")])
    turns = log.turns(group, [events], "m")
    polled = Polled()

    def found() -> bool:
        nonlocal polled
        polled = turns.poll(10, 0.2)
        return bool(polled.records)

    until(found, "the event")
    turns.send(scores, [Message(b"score")])
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.delete_topics([scores])
    with pytest.raises(LogUnavailable):
        turns.commit(polled.next_offsets)
    create(bootstrap, scores)

    def committed() -> bool:
        try:
            turns.commit(polled.next_offsets)
        except LogUnavailable:
            return False
        return True

    until(committed, "the commit")
    assert [record.value for record in log.read(scores, 0)] == [b"score"]
    assert log.committed(group, events) == {0: 1}
    turns.close()
    admin.close()
