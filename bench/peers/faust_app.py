"""Faust (faust-streaming) at the job. Guarantees: at least once. Its table has a changelog topic; offsets are committed every few seconds,
so after a crash scores are written again and state counts events twice. The model is lost with the process.

Its exactly-once mode is not measured: the project calls it experimental.
"""
# mypy: ignore-errors

import os

import faust
from job import score_bytes

app = faust.App(
    os.environ["BENCH_GROUP"],
    broker="kafka://" + os.environ["BENCH_BOOTSTRAP"],
    store="memory://",
    datadir=os.environ["BENCH_FOLDER"],
    value_serializer="raw",
    topic_partitions=1,
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
    stream_wait_empty=False,
    consumer_auto_offset_reset="earliest",
)
came = app.topic(os.environ["BENCH_SOURCE"], key_type=str, key_serializer="raw", value_type=bytes, value_serializer="raw")
out = app.topic(os.environ["BENCH_TARGET"], value_type=bytes, value_serializer="raw")
users = app.Table("users", partitions=1, key_type=str, value_type=list)


@app.agent(came)
async def step(stream):
    async for key, value in stream.items():
        name = key.decode() if isinstance(key, bytes) else key
        state, record = score_bytes(users.get(name), value)
        users[name] = state
        await out.send(key=name, value=record)


if __name__ == "__main__":
    app.main()
