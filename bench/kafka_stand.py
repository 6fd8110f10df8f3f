"""What the measurements over Kafka stand on: a broker with its own defaults, a worker's topics, and workers as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from worker.demo.broker import Broker, Running, find
from worker.log.kafka.connection import Connection
from worker.log.kafka.log import KafkaLog, open_client
from worker.service.topics import topic_plan
from worker.settings import Settings

TICKS_S = os.sysconf("SC_CLK_TCK")


class Stand:
    """A broker and a log on it. `client` is the one that workers use; what feeds and watches them takes the quicker one there is."""

    def __init__(self, bootstrap: str, folder: Path, client: str, partitions: int) -> None:
        self.bootstrap, self.client = bootstrap, client
        self.settings = Settings()
        self._folder = folder
        connection = Connection(bootstrap)
        self.log = KafkaLog(connection, open_client(connection))
        self.log.create(topic_plan(self.settings, partitions))
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, member: str, *options: str) -> subprocess.Popen[bytes]:
        """A worker as a user would start it."""
        command = [sys.executable, "-m", "worker", "run", "--bootstrap", self.bootstrap, "--member", member, "--metrics-port", "0"]
        command += ["--set", f"kafka.client={self.client}", *options]
        with (self._folder / f"{member}.log").open("ab") as told:
            worker = subprocess.Popen(command, stdout=told, stderr=told)
        self.workers.append(worker)
        return worker

    def wait_for_scores(self, count: int, within_s: float = 120.0) -> float:
        """Wait until so many scores can be read, and return the time of that (monotonic)."""
        tail, seen = self.log.tail(self.settings.topics.scores, "earliest"), 0
        deadline = time.monotonic() + within_s
        while seen < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{seen} of {count} scores within {within_s} s; the workers' logs are in {self._folder}")
            seen += len(tail.poll(5_000, 0.2))
        tail.close()
        return time.monotonic()

    def close(self) -> None:
        """End the workers."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGKILL)
                worker.wait()
        self.log.close()


@contextmanager
def stand(client: str, partitions: int = 1) -> Iterator[Stand]:
    """A broker of this run alone, gone at its end."""
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="clickscore-bench-")))
        source = find(say=lambda text: print(text, file=sys.stderr))
        if isinstance(source, Running):
            raise SystemExit("the bench starts a broker of its own: unset KAFKA_BOOTSTRAP")
        broker = closing.enter_context(Broker(source, folder / "broker"))
        made = Stand(broker.bootstrap, folder, client, partitions)
        closing.callback(made.close)
        yield made


def cpu_s(worker: subprocess.Popen[bytes]) -> float:
    """Processor time of a running worker, all of its threads. Source: proc(5), /proc/PID/stat, utime and stime."""
    fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S
