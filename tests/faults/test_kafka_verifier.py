"""The verifier notices: a clean run is spoiled afterwards, one thing after the other, and each is found and named."""

from __future__ import annotations

from collections.abc import Callable

from kafka import KafkaAdminClient, OffsetAndMetadata
from kafka import TopicPartition as Partition

from tests.faults import readback, verifier
from tests.faults.conftest import MakeGround
from tests.faults.inputs import Stream
from tests.faults.readback import Found
from tests.kafka.clients import open_transaction
from worker.core.labels.examples import Example
from worker.core.labels.tallies import Tally


def test_what_is_spoiled_is_found_and_named(make_ground: MakeGround) -> None:
    ground = make_ground("librdkafka")
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000), users=100)
    stand.feed(stream.rest())
    stand.start()
    clean = stand.finish()
    assert clean.clean, str(clean)
    topics, before = stand.settings.topics, clean.faults

    def last(topic: str, where: Callable[[Found], bool] = lambda _: True) -> Found:
        return next(record for record in reversed(readback.read(stand.bootstrap, topic).records[0]) if where(record))

    def now(kind: str) -> None:
        """This kind of fault has more to count than before."""
        nonlocal before
        found = verifier.judge(stand.bootstrap, stand.settings).faults
        assert found[kind] > before[kind], (kind, found)
        before = found

    profile = last(topics.profiles, lambda record: (record.key or b"").startswith(b"u:") and record.value is not None)
    stand.put(topics.profiles, profile.key, None, 0)
    now("state")

    snapshot = last(topics.models)
    stand.put(topics.models, b"purchase", next(r.value for r in readback.read(stand.bootstrap, topics.models).all() if r.key == b"purchase"), 0)
    now("mislearned")
    stand.put(topics.models, snapshot.key, snapshot.value, 0)

    letter = Found(0, b"nobody", b"nothing", ())
    stand.put(topics.deadletter, letter.key, letter.value, 0)
    now("strange")

    # Not one of partition 0: its scores are spoiled below, and what is not compared any further counts its examples as strange.
    example = last(topics.examples, lambda record: not isinstance(of := Example.decode(record.value or b""), Tally) and of.origin[0] != 0)
    stand.put(topics.examples, example.key, example.value, 0)
    now("duplicated")

    admin = KafkaAdminClient(bootstrap_servers=stand.bootstrap)
    admin.alter_group_offsets(stand.settings.service.group, {Partition(topics.events, 1): OffsetAndMetadata(1, "", -1)})
    admin.close()
    now("positions")

    score = last(topics.scores)
    assert score.value is not None
    producer = open_transaction(stand.bootstrap, f"{stand.settings.service.group}.hanging", topics.deadletter, [b"hanging"])
    now("left_open")
    producer.abort_transaction()
    producer.close()

    stand.put(topics.scores, score.key, score.value, 0)
    now("duplicated")
    stand.put(topics.scores, score.key, score.value.replace(b'"score_id":"0-', b'"score_id":"0-9'), 0)
    now("strange")
    stand.feed([b'{"event":"page_view","user_id":"unread","timestamp":1741500000000}'])
    now("lost")
