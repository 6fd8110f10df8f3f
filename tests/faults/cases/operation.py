"""A cluster that is not as a worker needs it."""

from __future__ import annotations

from kafka import KafkaAdminClient
from kafka import TopicPartition as Partition

from tests.faults import readback
from tests.faults.cases.case import Ground, Outcome, case, judged, refusal
from tests.faults.inputs import Stream
from tests.faults.readback import Topic
from tests.faults.stand import Stand
from worker.demo.broker import BrokerOptions, Listener


@case("operation", both=False)
def missing_topic(ground: Ground) -> Outcome:
    """The topic of examples was never made."""
    stand = ground.stand(leave_out=("examples",))
    return Outcome(remark=f"exit 78: {refusal(stand.start(), 78, stand.settings.topics.examples)}")


@case("operation", both=False)
def unequal_partition_counts(ground: Ground) -> Outcome:
    """The changelog has another number of partitions than the input."""
    stand = ground.stand(spread={"profiles": 3})
    return Outcome(remark=f"exit 78: {refusal(stand.start(), 78, stand.settings.topics.profiles)}")


@case("operation", both=False)
def wrong_cleanup_policy(ground: Ground) -> Outcome:
    """The changelog would be deleted with time."""
    stand = ground.stand(topic_configs={"profiles": {"cleanup.policy": "delete"}})
    return Outcome(remark=f"exit 78: {refusal(stand.start(), 78, 'cleanup.policy')}")


@case("operation")
def no_permission(ground: Ground) -> Outcome:
    """A user who may do nothing, and a wrong password."""
    options = BrokerOptions((Listener("SASL_PLAINTEXT", "SASL_PLAINTEXT"),), {"guest": "to-be"}, authorizer=True)
    broker = ground.start_broker(options)
    try:
        stand = ground.stand(bootstrap=broker.bootstrap, through=broker.address("SASL_PLAINTEXT"))
        login = ["--set", "kafka.security_protocol='SASL_PLAINTEXT'", "--set", "kafka.sasl_username='guest'", "--set"]
        said = refusal(stand.start(options=[*login, "kafka.sasl_password='to-be'"]), 78)
        refused = refusal(stand.start("other", options=[*login, "kafka.sasl_password='wrong'"]), 78)
        return Outcome(remark=f"exit 78 each: {said}; {refused}")
    finally:
        broker.kill()


@case("operation")
def retention_passed_and_the_worker_stops(ground: Ground) -> Outcome:
    """Input was removed before it was read (DeleteRecords): by default the worker says so and ends."""
    stand, _ = _with_a_gap(ground)
    worker = stand.start()
    code = worker.wait()
    errors = [line for line in worker.said().splitlines() if line.startswith("Error: ")]
    assert code != 0, worker.said()
    assert len(errors) == 1, worker.said()
    assert "on_gap" in worker.said(), worker.said()
    return Outcome(remark=f"exit {code}: {errors[0].removeprefix('Error: ')}")


@case("operation")
def retention_passed_and_the_worker_goes_on(ground: Ground) -> Outcome:
    """The same with kafka.on_gap = skip: it goes on from the oldest record and counts what it missed."""
    stand, kept = _with_a_gap(ground)
    worker = stand.start(options=["--set", "kafka.on_gap='skip'"])
    outcome = judged(stand, events=kept)
    assert '"input skipped"' in worker.said(), worker.said()
    outcome.remark = "the gap is logged and counted; judged as if it had never been sent"
    return outcome


def _with_a_gap(ground: Ground) -> tuple[Stand, Topic]:
    """A worker that has read a part, and an input of which the next part is gone; also the input without that part."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(500))
    worker = stand.start()
    stand.settle()
    assert worker.stop() == 0
    events = stand.settings.topics.events
    read = readback.read(stand.bootstrap, events).records
    stand.feed(stream.take(200))
    ends = dict(stand.ends)
    stand.feed(stream.rest())
    admin = KafkaAdminClient(bootstrap_servers=stand.bootstrap)
    admin.delete_records({Partition(events, partition): end for partition, end in ends.items()})
    admin.close()
    left = readback.read(stand.bootstrap, events).records
    return stand, Topic({partition: [*read[partition], *left[partition]] for partition in read}, [])
