"""The stand on which a worker is tried: topics of its own on a real broker, an input, processes, and the judgement of what they have left behind."""

from __future__ import annotations

import re
import secrets
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from kafka import KafkaAdminClient, KafkaProducer
from kafka import TopicPartition as Partition

from tests.faults import readback, verifier
from tests.faults.processes import PATIENCE_S, Nursery, Worker
from worker.configuration import load
from worker.log.partitioner import partition_of
from worker.service.topics import topic_plan

Line = tuple[bytes | None, bytes | None]  # key and value of an input record

CONFIGURATION = """\
[targets.purchase]
horizon = "1 d"
[targets.churn]
horizon = "1 d"
[topics]
{topics}
{more}
[service]
group = "{group}"
log_format = "json"
turn_events = {turn_events}
snapshot_examples = {snapshot_examples}
snapshot_wait = "{snapshot_wait}"
patience = "90 s"
[endpoint]
port = 0
[kafka]
bootstrap = "{bootstrap}"
client = "{client}"
linger = "1 ms"
request_timeout = "1500 ms"
delivery_timeout = "2 s"
transaction_timeout = "2500 ms"
watchdog = "4 s"
heartbeat = "300 ms"
session_timeout = "3 s"
"""


class Stand:
    """One case's topics and processes. `bootstrap` is where the tests themselves connect to; `through` where the workers do, a proxy's address perhaps."""

    def __init__(
        self,
        nursery: Nursery,
        bootstrap: str,
        client: str,
        folder: Path,
        *,
        through: str = "",
        partitions: int = 2,
        turn_events: int = 40,
        snapshot_examples: int = 30,
        snapshot_wait: str = "200 ms",
        name: str = "faults",
        more: str = "",
        topic_configs: Mapping[str, Mapping[str, str]] | None = None,
        leave_out: Sequence[str] = (),
        spread: Mapping[str, int] | None = None,
    ) -> None:
        self.bootstrap, self.client, self.folder, self.partitions = bootstrap, client, folder, partitions
        self._nursery = nursery
        self.name = f"{re.sub(r'[^a-z0-9]+', '-', name.lower())[:50]}-{secrets.token_hex(4)}"
        folder.mkdir(parents=True, exist_ok=True)
        self.configuration = folder / "clickscore.toml"
        short = ("events", "scores", "profiles", "examples", "models", "segments", "triggers", "deadletter", "privacy", "receipts")
        self.configuration.write_text(
            CONFIGURATION.format(
                topics="\n".join(f'{one} = "{self.name}.{one}"' for one in short),
                more=more,
                group=self.name,
                bootstrap=through or bootstrap,
                client=client,
                turn_events=turn_events,
                snapshot_examples=snapshot_examples,
                snapshot_wait=snapshot_wait,
            )
        )
        self.settings = load(self.configuration, environ={}).settings
        self.workers: list[Worker] = []
        self.ends: dict[int, int] = {}  # by partition of the input, the offset after the last record
        self.recovered_s: list[float] = []
        self.sent = 0
        self._make_topics(topic_configs or {}, leave_out, spread or {})
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=2, max_request_size=4 * 1024 * 1024, reconnect_backoff_max_ms=1_000)
        self._scores: Any = None
        self._examples: Any = None
        self._learn_to: dict[int, int] = {}

    def _make_topics(self, further: Mapping[str, Mapping[str, str]], leave_out: Sequence[str], spread: Mapping[str, int]) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            new = {}
            for topic in topic_plan(self.settings, self.partitions):
                configs: dict[str, str] = {"cleanup.policy": topic.cleanup}
                if topic.record_bytes:
                    configs["max.message.bytes"] = str(topic.record_bytes)
                if topic.name in (self.settings.topics.events, self.settings.topics.deadletter):  # what is too large for an event must come, and go again
                    configs["max.message.bytes"] = str((4 if topic.name == self.settings.topics.events else 8) * 1024 * 1024)
                short = topic.name.rpartition(".")[2]
                configs.update(further.get(short, {}))
                if short in leave_out:
                    continue
                new[topic.name] = {"num_partitions": spread.get(short, topic.partitions), "replication_factor": 1, "configs": configs}
            admin.create_topics(new, wait_for_metadata=True)
        finally:
            admin.close()

    # ---- input

    def feed(self, lines: Iterable[bytes | Line], astray: int = 0) -> int:
        """Write input; plain values go under the user's id, as a shop would send them. Returns how many. `astray`: so many partitions off."""
        futures: list[Any] = []
        for line in lines:
            key, value = line if isinstance(line, tuple) else (key_of(line), line)
            partition = (partition_of(key, self.partitions) + astray) % self.partitions if key is not None else len(futures) % self.partitions
            futures.append(self._producer.send(self.settings.topics.events, value, key, partition=partition))
        self._producer.flush()
        for future in futures:
            written = future.get(PATIENCE_S)
            self.ends[written.partition] = max(self.ends.get(written.partition, 0), written.offset + 1)
        self.sent += len(futures)
        return len(futures)

    def put(self, topic: str, key: bytes | None, value: bytes | None, partition: int) -> int:
        """Write one record where the worker would write; returns its offset."""
        return int(self._producer.send(topic, value, key, partition=partition).get(PATIENCE_S).offset)

    # ---- processes

    def start(self, member: str = "m", *, roles: str = "scorer,trainer", options: Sequence[str] = (), **more: Any) -> Worker:
        """Start `clickscore run`. `options` are further ones; `more` is what nursery.Order has besides, such as `plan`."""
        arguments = ["run", "--config", str(self.configuration), "--member", member, "--roles", roles, *options]
        worker = self._nursery.start(arguments, self.folder / f"{len(self.workers)}-{member}.log", member, **more)
        self.workers.append(worker)
        return worker

    def die(self, role: str, step: str, turn: int, member: str = "m", **more: Any) -> None:
        """Start a worker that kills itself there, and wait for that."""
        worker = self.start(member, plan={"role": role, "step": step, "turn": turn}, **more)
        code = worker.wait()
        assert code == -9, f"{member} should have died {step} in turn {turn} of the {role}; it ended with {code} and said:\n{worker.said()[-2_000:]}"

    # ---- waiting

    def scores(self, count: int, within_s: float = PATIENCE_S) -> int:
        """Wait until so many more scores can be read (0: those that are there); returns how many were. Fewer only when the time is over."""
        if self._scores is None:
            self._scores = readback.consumer(self.bootstrap)
            self._scores.assign([Partition(self.settings.topics.scores, number) for number in range(self.partitions)])
            self._scores.seek_to_beginning()
        found, deadline_s = 0, time.monotonic() + within_s
        while True:
            found += sum(map(len, self._scores.poll(50, max_records=max(1, count - found) if count else 5_000).values()))
            if (found >= count and count) or time.monotonic() > deadline_s:
                return found
            if not count and all(self._scores.position(name) >= end for name, end in self._scores.end_offsets(list(self._scores.assignment())).items()):
                return found

    def must_score(self, count: int = 1) -> None:
        """Wait for so many more scores."""
        found = self.scores(count)
        assert found >= count, f"{found} of {count} scores came; the workers said:\n{self.said()}"

    @contextmanager
    def recovery(self, after: Iterable[bytes | Line] = ()) -> Iterator[None]:
        """Measure from here, the fault, to the first score that becomes readable after the block; `after` is fed at its end, so that there is any."""
        began_s = time.monotonic()
        yield
        self.scores(0)
        self.feed(after)
        self.must_score()
        self.recovered_s.append(time.monotonic() - began_s)

    def settled(self) -> bool:
        """Whether all that was fed is scored, and all examples of it are learned."""
        done = readback.positions(self.bootstrap, self.settings.service.group, self.settings.topics.events)
        if any(done.get(partition, 0) < end for partition, end in self.ends.items()):
            return False
        if self._examples is None:
            self._examples = readback.consumer(self.bootstrap)
            self._examples.assign([Partition(self.settings.topics.examples, number) for number in range(len(self.settings.targets))])
            self._examples.seek_to_beginning()
        ends = self._examples.end_offsets(list(self._examples.assignment()))
        deadline_s = time.monotonic() + PATIENCE_S
        while any(self._examples.position(name) < end for name, end in ends.items()) and time.monotonic() < deadline_s:
            found = self._examples.poll(50, max_records=5_000)
            self._learn_to.update((name.partition, records[-1].offset + 1) for name, records in found.items())
        learned = readback.positions(self.bootstrap, f"{self.settings.service.group}.trainer", self.settings.topics.examples)
        return all(learned.get(partition, 0) >= end for partition, end in self._learn_to.items())

    def settle(self, within_s: float = PATIENCE_S) -> None:
        """Wait until all is done."""
        deadline_s = time.monotonic() + within_s
        while not self.settled():
            assert time.monotonic() < deadline_s, f"not all was done within {within_s:g} s; the workers said:\n{self.said()}"
            self.scores(5_000, 0.05)

    def finish(self, within_s: float = PATIENCE_S, **how: Any) -> verifier.Verdict:
        """Wait until all is done, stop the workers, judge what they have left; `how` is what verifier.judge() takes besides."""
        self.settle(within_s)
        for worker in self.workers:
            if not worker.ended():
                code = worker.stop()
                assert code == 0, f"{worker.member} ended with {code} and said:\n{worker.said()[-2_000:]}"
        return verifier.judge(self.bootstrap, self.settings, **how)

    def said(self) -> str:
        """The last words of all workers, and where they are now."""
        for worker in self.workers:
            if not worker.ended():
                worker.send(signal.SIGUSR1)
                worker.ended(0.5)
        return "\n".join(f"--- {worker.stderr.name}\n{worker.said()[-4_000:]}" for worker in self.workers[-4:])

    def close(self) -> None:
        """Kill the workers, close the connections."""
        for worker in self.workers:
            worker.kill()
        for one in (self._producer, self._scores, self._examples):
            if one is not None:
                one.close()


def key_of(line: bytes) -> bytes | None:
    """The user's id, as the key that a shop would send it under; None where none can be read."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    user = event.get("user_id") if isinstance(event, dict) else None
    return user.encode("utf-8", "replace") if isinstance(user, str) and user else None
