"""End to end over Kafka: from the moment an event is due to be produced until its score can be read under read_committed.

Events are due at fixed times whatever the system does, and latency counts from there: a sender that is held up does not hide it (coordinated
omission). Producing, the worker and the reader are processes or threads of one machine, and so is the broker.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator

import numpy as np
import orjson
from kafka import KafkaProducer

from bench.kafka_stand import Stand, cpu_s, stand

RATE = 2_000
WARM_S, MEASURED_S = 10, 30
STEP_S = 0.005  # what is due in this time is produced together


def latency(client: str) -> Iterator[tuple[str, str]]:
    """p50, p99 and p99.9 in milliseconds, and the cores that the worker used."""
    with stand(client) as here:
        worker = here.start("bench")
        _produce(here, RATE, 1, "first")
        here.wait_for_scores(RATE)
        took_ms, used = _measure(here, worker)
        p50, p99, p999 = np.percentile(took_ms, [50, 99, 99.9])
        yield f"{client}: end to end at {RATE:,} events/s, p50 / p99 / p99.9 ms", f"{p50:.0f} / {p99:.0f} / {p999:.0f}"
        yield "  cores that the worker used, learning included", f"{used:.2f}"


def _measure(here: Stand, worker: subprocess.Popen[bytes]) -> tuple[np.ndarray, float]:
    total = RATE * (WARM_S + MEASURED_S)
    due_s = np.zeros(total)
    tail = here.log.tail(here.settings.topics.scores)
    sender = threading.Thread(target=_produce, args=(here, RATE, WARM_S + MEASURED_S, "e", due_s))
    sender.start()
    took_s, seen, cpu_from = np.full(total, np.nan), 0, (0.0, 0.0)
    while seen < total:
        records = tail.poll(5_000, 0.05)
        now_s = time.monotonic()
        for record in records:
            event = orjson.loads(record.value or b"{}").get("event_id", "")
            if event.startswith("e-"):
                number = int(event[2:])
                took_s[number] = now_s - due_s[number]
                seen += 1
        if not cpu_from[0] and seen >= RATE * WARM_S:
            cpu_from = now_s, cpu_s(worker)
    used = (cpu_s(worker) - cpu_from[1]) / (time.monotonic() - cpu_from[0])
    sender.join()
    tail.close()
    return took_s[RATE * WARM_S :] * 1000, used


def _produce(here: Stand, rate: int, for_s: float, name: str, due_s: np.ndarray | None = None) -> None:
    """Produce at fixed times; `due_s` is filled with them."""
    producer = KafkaProducer(bootstrap_servers=here.bootstrap, linger_ms=1, acks=1)
    began_s, sent, total = time.monotonic(), 0, int(rate * for_s)
    while sent < total:
        due = min(total, int((time.monotonic() - began_s) * rate) + 1)
        for number in range(sent, due):
            if due_s is not None:
                due_s[number] = began_s + number / rate
            user = f"u{number * 7919 % 20_000}"
            event = {"event": "page_view", "user_id": user, "event_id": f"{name}-{number}", "timestamp": time.time_ns() // 1_000_000}
            producer.send(here.settings.topics.events, orjson.dumps(event), user.encode(), partition=0)
        sent = due
        time.sleep(STEP_S)
    producer.flush()
    producer.close()
