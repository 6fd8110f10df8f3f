"""The contract, for how far a member is behind: nothing at the end, whatever markers and open transactions stand there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kafka import KafkaProducer

from tests.log.forms import KAFKA, PATIENCE_S, Form, Kafka, poll_records
from worker.log.contract import Log, Message, Topic, TopicPartition, Turns
from worker.log.kafka.log import ClientName

MINE = TopicPartition("in", 1)


def until(turns: Turns, wanted: Callable[[dict[TopicPartition, int]], bool]) -> dict[TopicPartition, int]:
    """Poll without reading anything new until the lag is as wanted; fails loudly."""
    for _ in range(200):
        assert turns.poll(1_000, PATIENCE_S / 200).records == {}
        if wanted(turns.lag()):
            return turns.lag()
    raise AssertionError(f"the lag stays {turns.lag()}")


def test_the_lag_counts_what_was_not_polled_and_is_zero_at_the_end(form: Form, log: Log) -> None:
    log.append("in", [Message(b"%d" % number, partition=1) for number in range(6)])
    turns = log.turns("g", ["in"], "m")
    first = poll_records_at_most(turns, 2)
    assert 4 <= turns.lag()[MINE] <= 5  # a marker on the way may count
    rest = poll_records(turns, 4)
    lag = until(turns, lambda lag: len(lag) == 4 and not any(lag.values()))
    assert lag.keys() == turns.assignment()
    turns.commit({MINE: rest[-1].offset + 1})
    assert turns.lag()[MINE] == 0
    assert len(first) == 2


def test_a_member_that_starts_at_the_end_has_no_lag(form: Form, log: Log) -> None:
    log.append("in", [Message(b"a", partition=1), Message(b"b", partition=1)])
    turns = log.turns("g", ["in"], "m")
    records = poll_records(turns, 2)
    turns.commit({MINE: records[-1].offset + 1})
    turns.close()
    again = log.turns("g", ["in"], "m")
    assert until(again, lambda lag: MINE in lag and not lag[MINE])[MINE] == 0
    log.append("in", [Message(b"c", partition=1)])
    assert [record.value for record in poll_records(again, 1)] == [b"c"]


@pytest.mark.parametrize("client", KAFKA)
def test_what_an_open_transaction_has_written_does_not_count(client: ClientName, bootstrap: str, fresh_name: Callable[[str], str]) -> None:
    prefix = fresh_name("lag")
    form = Kafka(bootstrap, client, prefix)
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=prefix)
    try:
        log = form.open()
        log.create([Topic("in", 4)])
        log.append("in", [Message(b"a", partition=1)])
        turns = log.turns("g", ["in"], "m")
        poll_records(turns, 1)
        producer.init_transactions()
        producer.begin_transaction()
        for _ in range(5):
            producer.send(prefix + ".in", b"not yet", partition=1).get(PATIENCE_S)
        assert until(turns, lambda lag: MINE in lag and not lag[MINE])[MINE] == 0
        producer.commit_transaction()
        assert len(poll_records(turns, 5)) == 5
        assert until(turns, lambda lag: not lag[MINE])[MINE] == 0
    finally:
        producer.close()
        form.close()


def poll_records_at_most(turns: Turns, count: int) -> list[object]:
    """The first `count` records, with no look behind them."""
    found: list[object] = []
    for _ in range(1_000):
        if len(found) == count:
            return found
        found += [record for records in turns.poll(count - len(found), PATIENCE_S / 1_000).records.values() for record in records]
    raise AssertionError("nothing came")
