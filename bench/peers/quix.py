"""Quix Streams at the job. Guarantees: exactly once within Kafka (transactions); state in RocksDB with a changelog topic. The model is lost with the process.

Used as its documentation shows it: JSON (de)serialisers of its own, `apply(stateful=True)`, state as one value a user.
"""
# mypy: ignore-errors

import sys

from job import score
from quixstreams import Application
from quixstreams.models import TopicConfig

bootstrap, group, source, target, folder, commit_s = sys.argv[1:7]

app = Application(
    broker_address=bootstrap,
    consumer_group=group,
    processing_guarantee="exactly-once",
    commit_interval=float(commit_s),
    auto_offset_reset="earliest",
    state_dir=folder,
    loglevel="WARNING",
)
one = TopicConfig(num_partitions=1, replication_factor=1)
came, out = app.topic(source, config=one), app.topic(target, config=one)


def step(event, state):
    user, record = score(state.get("user"), event)
    state.set("user", user)
    return record


app.dataframe(came).apply(step, stateful=True).to_topic(out)
app.run()
