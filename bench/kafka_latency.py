"""End to end over Kafka: from the moment an event is due until its score can be read under read_committed.

Coordinated omission is avoided: events are due at fixed times (bench/sender.py, a process of its own) and latency counts from there, so neither
the sender nor anybody before it can make a stall look short. Sender, contender, reader and broker share one machine.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from bench.contenders import EVENTS, Contender, clickscore, ours, quix, streams
from bench.figures import Figure
from bench.kafka_stand import Stand, stand
from bench.peers.install import NotInstalled
from bench.processes import cpu_s
from worker.log.contract import Tail, Topic

RATES = (500, 2_000, 8_000)
PEERS_RATE = 2_000
BROKER_WARM_S = 20  # of load, before anything is measured: a broker that has just started is still being compiled, beside all others
WARM_S, MEASURED_S, LATE_S, READY_WITHIN_S = 4, 8, 6.0, 60.0
BEGIN_IN_S = 1.5  # so long a sender takes to make its events


def latency(_: Sequence[bytes]) -> Iterator[Figure]:
    """clickscore over every client at every rate: p50, p99 and p99.9, and the cores that the worker used."""
    for client in dict.fromkeys(one.label.split(", ")[1] for one in ours()):
        yield from _of(clickscore(client, "every"), RATES)


def peers_latency(_: Sequence[bytes]) -> Iterator[Figure]:
    """The echoes and the peers at one rate."""
    for one in [*(one for one in ours() if one.key.startswith("echo")), quix(0.1), streams()]:
        yield from _of(one, (PEERS_RATE,))


def _of(one: Contender, rates: Sequence[int]) -> Iterator[Figure]:
    with stand() as here:
        here.log.create([Topic(EVENTS, 1)])
        try:
            process = one.start(here)
            tail = here.log.tail(one.output) if one.output in here.log.topics([one.output]) else None
            if tail is None:
                raise TimeoutError("it has no topic of scores")
            _ready(here, tail)
            _measure(here, process, tail, PEERS_RATE, "warming", BROKER_WARM_S)
        except (NotInstalled, TimeoutError, subprocess.CalledProcessError) as error:
            yield Figure(f"latency.{one.key}.{rates[0]}.p50", one.label, None, "ms", f"{error} {here.said(one.key)}")
            return
        for rate in rates:
            took_ms, used = _measure(here, process, tail, rate, f"at{rate}", MEASURED_S)
            key, name = f"latency.{one.key}.{rate}", f"{one.label}, {rate:,} events/s"
            late = int(np.isnan(took_ms).sum())
            if late:
                yield Figure(
                    f"{key}.p50", f"{name}: p50", None, "ms", f"cannot hold it: {late:,} of {len(took_ms):,} scores were more than {LATE_S:.0f} s late"
                )
            else:
                for percentile in (50, 99, 99.9):
                    yield Figure(f"{key}.p{percentile:g}", f"{name}: p{percentile:g}", float(np.percentile(took_ms, percentile)), "ms")
            yield Figure(f"{key}.cores", "  cores that it used", used, "cores")


def _ready(here: Stand, tail: Tail) -> None:
    """Send single events until one is scored."""
    deadline_s, number = time.monotonic() + READY_WITHIN_S, 0
    while time.monotonic() < deadline_s:
        _sender(here, 100, 100, f"ready{number}").wait()
        number += 1
        if tail.poll(5_000, 1.0):
            return
    raise TimeoutError(f"no score within {READY_WITHIN_S:.0f} s")


def _sender(here: Stand, rate: int, count: int, name: str, begin_s: float | None = None) -> subprocess.Popen[bytes]:
    begin = time.monotonic() if begin_s is None else begin_s
    return here.run("sender", [sys.executable, "-m", "bench.sender", here.bootstrap, EVENTS, str(rate), str(begin), str(count), name])


def _measure(here: Stand, process: subprocess.Popen[bytes], tail: Tail, rate: int, name: str, measured_s: int) -> tuple[NDArray[np.float64], float]:
    """Milliseconds of every event of measured_s after WARM_S at this rate, NaN where its score did not come in time; and the cores used meanwhile."""
    total, warm = rate * (WARM_S + measured_s), rate * WARM_S
    begin_s = time.monotonic() + BEGIN_IN_S + total * 4e-6
    sender = _sender(here, rate, total, name, begin_s)
    seen_s, seen, cpu_from = np.full(total, np.nan), 0, 0.0
    warm_s, end_s = begin_s + WARM_S, begin_s + WARM_S + measured_s
    cpu_to = 0.0
    while seen < total and time.monotonic() < end_s + LATE_S:
        records = tail.poll(5_000, 0.05)
        now_s = time.monotonic()
        for record in records:
            event, _, number = str(orjson.loads(record.value or b"{}").get("event_id") or "").partition("-")
            if event == name and np.isnan(seen_s[int(number)]):
                seen_s[int(number)] = now_s
                seen += 1
        if not cpu_from and now_s >= warm_s:
            cpu_from, warm_s = cpu_s(process.pid), now_s
        if not cpu_to and now_s >= end_s:
            cpu_to, end_s = cpu_s(process.pid), now_s
    sender.wait()
    cpu_to, end_s = (cpu_to, end_s) if cpu_to else (cpu_s(process.pid), time.monotonic())
    due_s = begin_s + np.arange(total) / rate
    return ((seen_s - due_s) * 1000)[warm:], (cpu_to - cpu_from) / (end_s - warm_s)
