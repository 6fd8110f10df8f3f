"""Bytewax at the job. Guarantees: at least once. Its recovery store (SQLite) is written every second; after a crash it goes back to the last such moment
and writes scores again that were written before: a reader sees them twice. The model is lost with the process.
"""
# mypy: ignore-errors

import os

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from job import score_bytes

bootstrap, source, target = os.environ["BENCH_BOOTSTRAP"], os.environ["BENCH_SOURCE"], os.environ["BENCH_TARGET"]


def step(state, value):
    return score_bytes(state, value)


flow = Dataflow("job")
came = op.input("events", flow, KafkaSource([bootstrap], [source], tail=True, batch_size=5_000))
keyed = op.map("key", came, lambda message: (message.key.decode(), message.value))
scored = op.stateful_map("score", keyed, step)
records = op.map("record", scored, lambda pair: KafkaSinkMessage(pair[0].encode(), pair[1]))
op.output("scores", records, KafkaSink([bootstrap], target))
