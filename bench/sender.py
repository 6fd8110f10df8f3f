"""A process of its own that sends events at fixed times: `python -m bench.sender BOOTSTRAP TOPIC RATE BEGIN_S COUNT NAME`.

Event n is due at BEGIN_S + n / RATE of the system's monotonic clock, whatever anybody does meanwhile; its event_id is NAME-n. What is due is sent
together every millisecond. Who measures latency counts from when an event was due, so a sender that is held up does not hide it.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable

from bench.events import Stream

STEP_S = 0.001
USERS = 20_000


def main() -> None:
    bootstrap, topic, rate, begin_s, count, name = sys.argv[1:7]
    send, flush = _producer(bootstrap, topic)
    total, due_s = int(count), float(begin_s)
    made = Stream(USERS, rate_per_s=float(rate), start_ms=int((time.time() + due_s - time.monotonic()) * 1000), name=name).keyed(total)
    sent = 0
    while sent < total:
        now_s = time.monotonic() - due_s
        due = min(total, int(now_s * float(rate)) + 1) if now_s >= 0 else 0
        for key, value in made[sent:due]:
            send(key, value)
        sent = due
        time.sleep(STEP_S)
    flush()


def _producer(bootstrap: str, topic: str) -> tuple[Callable[[bytes, bytes], object], Callable[[], object]]:
    if importlib.util.find_spec("confluent_kafka"):
        import confluent_kafka

        quick = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "linger.ms": 1, "acks": 1})

        def send(key: bytes, value: bytes) -> None:
            quick.produce(topic, value, key, 0)
            quick.poll(0)

        return send, quick.flush
    from kafka import KafkaProducer

    plain = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=1, acks=1)
    return lambda key, value: plain.send(topic, value, key, partition=0), plain.flush


if __name__ == "__main__":
    main()
