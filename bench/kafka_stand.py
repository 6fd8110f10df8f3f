"""What the measurements over Kafka stand on: a broker with its own defaults, a worker's topics, and workers as processes of their own."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bench.events import CHUNK, Stream
from bench.processes import family
from worker.demo.broker import Broker, Running, find
from worker.log.contract import Message
from worker.log.kafka.connection import Connection
from worker.log.kafka.log import KafkaLog, open_client
from worker.service.topics import topic_plan
from worker.settings import ServiceSettings, Settings, TopicSettings

TAIL_LINES = 3


class Stand:
    """A broker and a log on it. What feeds and watches the contenders takes the quicker client there is, whichever theirs is."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap, self.folder = bootstrap, folder
        connection = Connection(bootstrap)
        self.log = KafkaLog(connection, open_client(connection))
        self.processes: list[subprocess.Popen[bytes]] = []

    def settings(self, name: str = "", partitions: int = 1, events: str = "") -> Settings:
        """Settings whose topics and group are `name`'s own, and those topics made; `events` may name another's topic of events."""
        topics = TopicSettings(**{kind: f"{name or 'clickscore'}.{kind}" for kind in TopicSettings.model_fields} | ({"events": events} if events else {}))
        made = Settings(topics=topics, service=ServiceSettings(group=name or "clickscore"))
        self.log.create([topic for topic in topic_plan(made, partitions) if topic.name != events])
        return made

    def fill(self, topic: str, count: int, users: int, partitions: int = 1, rate_per_s: float = 4_000.0) -> None:
        """Put one event of each user there and then `count` of anybody, the last of which is of a moment ago."""
        total = users + count
        stream = Stream(users, rate_per_s=rate_per_s, start_ms=int(time.time() * 1000 - total / rate_per_s * 1000) - 1_000)
        chunks = (stream.keyed(min(CHUNK, count - first)) for first in range(0, count, CHUNK))
        for chunk in itertools.chain(stream.everybody(), chunks):
            self.log.append(topic, [Message(value, key, (), None if partitions > 1 else 0) for key, value in chunk])

    def worker(self, settings: Settings, member: str, client: str, *options: str) -> subprocess.Popen[bytes]:
        """A worker as a user would start it."""
        command = [sys.executable, "-m", "worker", "run", "--bootstrap", self.bootstrap, "--member", member, "--endpoint-port", "0"]
        assigned = [f"kafka.client={client}", f"service.group={settings.service.group}", *options]
        assigned += [f"topics.{kind}={name}" for kind, name in settings.topics.model_dump().items()]
        return self.run(member, [*command, *(part for one in assigned for part in ("--set", one))])

    def run(self, name: str, command: Sequence[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> subprocess.Popen[bytes]:
        """Any process; what it says goes into NAME.log."""
        with (self.folder / f"{name}.log").open("ab") as told:
            process = subprocess.Popen(command, stdout=told, stderr=told, env=environment, cwd=folder, start_new_session=True)
        self.processes.append(process)
        return process

    def said(self, name: str) -> str:
        """The last that a process said."""
        path = self.folder / f"{name}.log"
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()] if path.exists() else []
        return " / ".join(lines[-TAIL_LINES:])[:300]

    def wait_for(self, topic: str, count: int, within_s: float = 240.0) -> None:
        """Wait until so many records of a topic can be read."""
        tail, seen = self.log.tail(topic, "earliest"), 0
        deadline = time.monotonic() + within_s
        while seen < count:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{seen} of {count} records of {topic} within {within_s} s; the workers said: {[self.said(p.stem) for p in self.folder.glob('*.log')]}"
                )
            seen += len(tail.poll(5_000, 0.2))
        tail.close()

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process and what it started."""
        for pid in reversed(family(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """End the processes."""
        for process in self.processes:
            if process.poll() is None:
                self.end(process)
        self.log.close()


@contextmanager
def stand() -> Iterator[Stand]:
    """A broker of this run alone, gone at its end."""
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="clickscore-bench-", ignore_cleanup_errors=True)))
        source = find(say=lambda text: print(text, file=sys.stderr))
        if isinstance(source, Running):
            raise SystemExit("the bench starts a broker of its own: unset KAFKA_BOOTSTRAP")
        broker = closing.enter_context(Broker(source, folder / "broker"))
        made = Stand(broker.bootstrap, folder)
        closing.callback(made.close)
        yield made
