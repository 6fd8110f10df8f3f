"""The demo on a real Kafka broker: two workers share four partitions of a shop's events, one is killed and replaced, and everything is counted.

1 a broker is found or started (worker/demo/broker), the topics are made
2 two workers start as processes of their own; once every partition is scored, the clock starts
3 at two fifths of the time one is killed with SIGKILL in the middle of its work, and started again under its name
4 the sending ends, what was sent is scored to the end, the workers are stopped
5 lost and repeated scores are counted from the topics alone (kafka_count.py)
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Thread

from worker.demo.broker import Broker, Running, find
from worker.demo.kafka_count import Count, count
from worker.demo.kafka_view import KafkaView
from worker.demo.kafka_watch import KafkaState, Watched, WorkerView
from worker.demo.kafka_workers import WorkerProcess
from worker.demo.run import asked_to_end
from worker.demo.shop import Shop, ShopSettings
from worker.errors import ClickscoreError
from worker.log.contract import Record, Tail
from worker.log.errors import LogUnavailable
from worker.log.kafka.administration import Administration
from worker.log.kafka.log import KafkaLog
from worker.service.clock import SystemClock
from worker.service.kafka_topics import make_missing
from worker.service.sender import send_lines
from worker.service.topics import connect, names_of
from worker.settings import Settings

MEMBERS = ("worker-1", "worker-2")
PARTITIONS = 4
RATE = 1_000.0
KILL_AFTER = 0.4  # of the time
START_WITHIN_S, SCORED_WITHIN_S = 60.0, 30.0
LOOK_S, READ_AT_ONCE, OWNERS_EVERY_S = 0.05, 10_000, 0.5
CONFIGURATION = """\
[service]
group = "{group}"
log_format = "json"
snapshot_wait = "5 s"
[endpoint]
port = 0
[topics]
"""


@dataclass(frozen=True, slots=True)
class KafkaDemo:
    """What to play: `seconds` from the first scores on, `rate` events a second."""

    shop: ShopSettings
    seconds: float = 60.0
    rate: float = RATE


@dataclass(frozen=True, slots=True)
class Played:
    """How it went. `recovered_s` is None where nobody was killed or no new score came."""

    count: Count
    sent: int
    recovered_s: float | None
    latency_p50_ms: float
    latency_p99_ms: float
    stopped: bool
    unscored: int
    """Records that no worker had taken in when the workers were stopped."""


def play_on_kafka(demo: KafkaDemo, open_view: Callable[[], KafkaView], say: Callable[[str], None]) -> Played:
    """Play it to its end, or until q or Ctrl-C; whatever happens, all that was started is stopped. Raises BrokerMissing and other ClickscoreErrors."""
    with tempfile.TemporaryDirectory(prefix="clickscore-demo-") as folder, asked_to_end() as asked, ExitStack() as running:
        settings = _broker(Path(folder), running, say)
        file = Path(folder) / "clickscore.toml"
        file.write_text(CONFIGURATION.format(group=settings.service.group) + "".join(f'{k} = "{v}"\n' for k, v in settings.topics.model_dump().items()))
        cluster = running.enter_context(closing(Administration(settings.kafka.connection())))
        make_missing(cluster, settings, PARTITIONS)
        workers = [WorkerProcess(member, settings.kafka.bootstrap, file) for member in MEMBERS]
        log = running.enter_context(closing(connect(settings)))
        try:
            with open_view() as view:
                stage = _Stage(demo, settings, log, cluster, workers, view, asked)
                stage.play()
        finally:
            for worker in workers:
                worker.stop()
        say("Counting: each event of the input against the scores …")
        p50_ms, p99_ms = stage.watched.latencies_ms()
        counted = count(log, settings.topics)
        return Played(counted, stage.watched.sent, stage.recovered_s, p50_ms, p99_ms, stage.stopped, stage.waiting())


def _broker(folder: Path, running: ExitStack, say: Callable[[str], None]) -> Settings:
    """Settings with a broker that answers; on somebody else's the demo has topics of its own, which it removes."""
    source = find(say=say)
    if isinstance(source, Running):
        own = f"clickscore-demo-{token_hex(4)}"
        topics = {short: f"{own}.{short}" for short in Settings().topics.model_dump()}
        settings = Settings.model_validate({"kafka": {"bootstrap": source.bootstrap}, "topics": topics, "service": {"group": own}})
        running.callback(_remove, settings)
        say(f"Using the broker at {source.bootstrap}; the demo's topics are called {own}.… and go when it ends.")
        return settings
    began_s = time.monotonic()
    say("Starting a Kafka broker …")
    broker = Broker(source, folder / "broker")
    running.callback(broker.kill)
    broker.start()
    say(f"Kafka answers at {broker.bootstrap} after {time.monotonic() - began_s:.1f} s.")
    return Settings.model_validate({"kafka": {"bootstrap": broker.bootstrap}})


def _remove(settings: Settings) -> None:
    with closing(Administration(settings.kafka.connection())) as cluster:
        cluster.remove(names_of(settings))


class _Stage:
    """Starts, sends, kills and looks at what comes of it."""

    def __init__(
        self,
        demo: KafkaDemo,
        settings: Settings,
        log: KafkaLog,
        cluster: Administration,
        workers: list[WorkerProcess],
        view: KafkaView,
        asked: Callable[[], bool],
    ) -> None:
        self._demo, self._settings, self._log, self._cluster = demo, settings, log, cluster
        self._workers, self._view, self._asked = workers, view, asked
        self._owners: dict[int, str] = {}
        self._owners_due_s = 0.0
        self._started_s: dict[str, float] = {}
        self._clock = SystemClock()
        self._began_s: float | None = None
        self._states = dict.fromkeys(MEMBERS, "starting")
        self._trouble: BaseException | None = None
        self.watched = Watched(PARTITIONS)
        self.recovered_s: float | None = None
        self.stopped = False

    def play(self) -> None:
        """All of it, up to the last score of what was sent."""
        for worker in self._workers:
            self._start(worker)
        with closing(self._log.tail(self._settings.topics.scores, "earliest")) as tail:
            with self._sending():
                self._until(tail, self._all_at_work, START_WITHIN_S, "the workers did not score within {} s")
                self._began_s = self._clock.elapsed_s()
                self.watched.forget_latencies()
                self._tell("every partition is scored")
                if self._wait(tail, KILL_AFTER * self._demo.seconds):
                    self._kill_and_replace(tail)
                    self._wait(tail, self._demo.seconds)
                self.stopped = self._ended and self._elapsed_s < self._demo.seconds
            self._tell("the sending has ended; what is left is scored")
            self._until(tail, lambda: not self.waiting(), SCORED_WITHIN_S, "", stoppable=False)
            self._look(tail)

    def waiting(self) -> int:
        """Records of the input that the group has not committed."""
        topic = self._settings.topics.events
        committed = self._log.committed(self._settings.service.group, topic)
        ends, starts = self._log.end_offsets(topic), self._log.start_offsets(topic)
        # Each transaction of the sender ends in a marker, which takes an offset: one behind is all there is.
        return sum(max(0, end - committed.get(partition, starts[partition]) - 1) for partition, end in ends.items())

    @property
    def _ended(self) -> bool:
        return self._view.ended or self._asked()

    @property
    def _elapsed_s(self) -> float:
        return 0.0 if self._began_s is None else self._clock.elapsed_s() - self._began_s

    def _all_at_work(self) -> bool:
        return self.watched.active() and all(self._partitions(worker) for worker in self._workers)

    def _partitions(self, worker: WorkerProcess) -> list[int]:
        return sorted(partition for partition, member in self._owners.items() if member == worker.member)

    # ---- what is done

    def _start(self, worker: WorkerProcess) -> None:
        worker.start()
        self._started_s[worker.member] = time.monotonic()

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """Send the shop's events at the rate, on a thread of its own and over a connection of its own, until the block ends."""
        over: list[bool] = []

        def send() -> None:
            lines = (value for chunk in Shop(self._demo.shop).chunks() for value in chunk.values)
            try:
                with closing(connect(self._settings)) as log:
                    for sent in send_lines(log, self._settings.topics.events, self.watched.sending(lines), SystemClock(), self._demo.rate):
                        self.watched.sent = sent.lines
                        if over:
                            return
            except Exception as error:  # noqa: BLE001 - the stage raises it
                self._trouble = error

        thread = Thread(target=send, name="sending", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.append(True)
            thread.join()

    def _kill_and_replace(self, tail: Tail) -> None:
        victim = self._workers[0]
        mine, topic = self._partitions(victim), self._settings.topics.scores
        named = f"partition{'s' * (len(mine) > 1)} {', '.join(map(str, mine))}"
        victim.kill()
        killed_s = self._clock.elapsed_s()
        self._states[victim.member] = "killed with SIGKILL"
        self._tell(f"{victim.member} killed with SIGKILL in the middle of its work on {named}; its open transaction is nobody's now")
        self._look(tail)
        ends = self._log.end_offsets(topic)  # whatever is readable behind this, its successor has written
        self._start(victim)
        self._states[victim.member] = "killed, started again"
        self._tell(f"{victim.member} started again under its name, process {victim.pid}")
        while not self._ended and self._clock.elapsed_s() - killed_s < START_WITHIN_S:
            if any(record.partition in mine and record.offset >= ends[record.partition] for record in self._look(tail)):
                self.recovered_s = self._clock.elapsed_s() - killed_s
                self._tell(f"first new committed score of {named} {self.recovered_s:.1f} s after the kill")
                return

    # ---- what is seen

    def _until(self, tail: Tail, reached: Callable[[], bool], within_s: float, otherwise: str, stoppable: bool = True) -> None:
        """Look until it is so. Raises ClickscoreError with `otherwise`, if there is any, when it takes longer."""
        until_s = self._clock.elapsed_s() + within_s
        while not reached() and not (stoppable and self._ended):
            if self._clock.elapsed_s() > until_s:
                if otherwise:
                    raise ClickscoreError(
                        otherwise.format(f"{within_s:.0f}"), "the demo", "run it again; if it happens again, report what the workers' logs say"
                    )
                return
            self._look(tail)

    def _wait(self, tail: Tail, until_s: float) -> bool:
        """Look until so much of the time has passed; returns whether it goes on."""
        while self._elapsed_s < until_s and not self._ended:
            self._look(tail)
        return not self._ended

    def _look(self, tail: Tail) -> list[Record]:
        if self._trouble is not None:
            raise self._trouble
        records = tail.poll(READ_AT_ONCE, LOOK_S)
        self.watched.published(records)
        for worker in self._workers:
            if worker.pid:
                worker.refuse_dead()
                if self.watched.scored_since(self._partitions(worker), self._started_s[worker.member]):
                    self._states[worker.member] = "scoring"
        if time.monotonic() >= self._owners_due_s:
            with suppress(LogUnavailable):  # as while the broker makes its first group; the next look will do
                self._owners = self._cluster.owners(self._settings.service.group, self._settings.topics.events)
            self._owners_due_s = time.monotonic() + OWNERS_EVERY_S
        self._view.show(self._state())
        return records

    def _tell(self, words: str) -> None:
        seconds = int(self._elapsed_s)
        self.watched.happened.append(f"{seconds // 60}:{seconds % 60:02d} {words}")

    def _state(self) -> KafkaState:
        watched, (p50_ms, p99_ms) = self.watched, self.watched.latencies_ms()
        workers = tuple(WorkerView(w.member, w.pid, self._states[w.member], tuple(self._partitions(w))) for w in self._workers)
        return KafkaState(
            self._settings.kafka.bootstrap,
            self._elapsed_s,
            self._demo.seconds,
            watched.sent,
            watched.scored,
            watched.events_per_s(),
            p50_ms,
            p99_ms,
            watched.models,
            workers,
            watched.partition_views(self._owners),
            tuple(watched.happened),
        )
