"""State that is damaged, newer than the program, cut off, compacted while it is read, or too large."""

from __future__ import annotations

import orjson
from kafka import KafkaAdminClient
from kafka import TopicPartition as Partition
from kafka.errors import PolicyViolationError

from tests.faults import readback
from tests.faults.cases.case import Ground, Outcome, case, judged, refusal
from tests.faults.inputs import Stream
from tests.faults.readback import Found
from tests.faults.stand import Stand
from worker.demo.broker import BrokerOptions
from worker.service.topics import names_of

CLEANER = {"log.cleaner.backoff.ms": "100", "log.retention.check.interval.ms": "1000", "log.initial.task.delay.ms": "100"}
CLEANED = {"min.cleanable.dirty.ratio": "0.001", "segment.ms": "300", "max.compaction.lag.ms": "300", "delete.retention.ms": "0", "min.compaction.lag.ms": "0"}


@case("state")
def corrupt_record(ground: Ground) -> Outcome:
    """A profile's record is no JSON: refused with its place, nothing is written. Written anew, all goes on."""
    return _refused(ground, lambda _: b"{not JSON", "cannot be read")


@case("state", both=False)
def newer_than_the_program(ground: Ground) -> Outcome:
    """A profile's record has a later layout: refused, nothing is written. The older record put back, all goes on."""
    return _refused(ground, lambda value: orjson.dumps({**orjson.loads(value), "layout": 99}), "layout 99")


def _refused(ground: Ground, spoiled: object, words: str) -> Outcome:
    assert callable(spoiled)
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(800))
    first = stand.start()
    stand.settle()
    assert first.stop() == 0, first.said()
    profiles = stand.settings.topics.profiles
    victim = next(record for record in reversed(readback.read(stand.bootstrap, profiles).records[0]) if (record.key or b"").startswith(b"u:"))
    offset = stand.put(profiles, victim.key, spoiled(victim.value), 0)
    before = left_in(stand)
    stand.feed(stream.take(200))
    said = refusal(stand.start(), 78, words, f"partition 0, offset {offset}")
    assert left_in(stand) == before, "something was written"
    stand.put(profiles, victim.key, victim.value, 0)
    with stand.recovery(stream.rest()):
        stand.start()
    return judged(stand, f"exit 78: {said}")


def left_in(stand: Stand) -> dict[str, dict[int, list[Found]]]:
    """All that the worker has written."""
    topics = stand.settings.topics
    return {name: readback.read(stand.bootstrap, name).records for name in names_of(stand.settings) if name != topics.events}


@case("state", both=False)
def compacted_while_it_is_read(ground: Ground) -> Outcome:
    """A broker that compacts the changelog all the time, and workers that are killed and restore all the time."""
    broker = ground.start_broker(BrokerOptions(properties=CLEANER))
    try:
        stand = ground.stand(bootstrap=broker.bootstrap, topic_configs={"profiles": CLEANED})
        stream = Stream(ground.chance.randrange(1_000))
        worker = stand.start()
        for part in stream.parts(10):
            stand.feed(part)
            stand.must_score(20)
            worker.kill()
            worker = stand.start()
        outcome = judged(stand)
        changelog = readback.read(broker.bootstrap, stand.settings.topics.profiles)
        there, written = len(changelog.all()), sum(records[-1].offset + 1 for records in changelog.records.values())
        assert there < written * 0.8, "nothing was compacted"
        outcome.remark = f"10 kills; of {written:,} offsets of the changelog {there:,} records are left"
        return outcome
    finally:
        broker.kill()


@case("state", both=False)
def truncated_changelog(ground: Ground) -> Outcome:
    """Somebody wants to delete the older half of a partition's changelog (DeleteRecords): the broker does not let them, as it is compacted."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(800))
    first = stand.start()
    stand.settle()
    assert first.stop() == 0, first.said()
    profiles = stand.settings.topics.profiles
    records = readback.read(stand.bootstrap, profiles).records[0]
    admin = KafkaAdminClient(bootstrap_servers=stand.bootstrap)
    try:
        admin.delete_records({Partition(profiles, 0): records[len(records) // 2].offset})
    except PolicyViolationError:
        pass
    else:
        raise AssertionError("the broker has deleted state")
    finally:
        admin.close()
    stand.feed(stream.rest())
    stand.start()
    return judged(stand, "the broker refuses it; with a cleanup.policy that would allow it, a worker refuses to start")


@case("state", both=False)
def over_the_byte_budget(ground: Ground) -> Outcome:
    """Room for 60 profiles a partition only, and kills. Who is forgotten depends on the cut into turns, and so do bytes and silences."""
    stand = ground.stand(more="[profiles]\nbyte_budget = 60000")
    stream = Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(700))
    for step in ("before commit", "after commit"):
        stand.die("scorer", step, 4)
    stand.start()
    stand.feed(stream.rest())
    outcome = judged(stand, aged=True)
    held: dict[bytes, bool] = {}
    for record in readback.read(stand.bootstrap, stand.settings.topics.profiles).records[0]:
        if (record.key or b"").startswith(b"u:"):
            held[record.key or b""] = record.value is not None
    forgotten = sum(not there for there in held.values())
    assert forgotten, "nobody was forgotten"
    outcome.remark = f"{sum(held.values())} profiles kept, {forgotten} forgotten with a tombstone; judged without silences and bytes"
    return outcome
