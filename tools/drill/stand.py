"""What the drill is held on: a real broker, two scorers, a trainer and who delivers, a shop that never pauses, and a Prometheus with shortened rules."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from tools.alerting.rules import groups
from tools.drill.messages import SECRET, Firing, Receiver, patient_producer
from tools.drill.scraping import Prometheus, free_port
from tools.yaml_text import yaml_text
from worker.demo.broker import Broker, Jars, find
from worker.demo.shop import Shop, ShopSettings
from worker.log.partitioner import partition_of

SCALE = 1 / 60  # a minute of the rules is a second of the drill
OVER_S = 15.0
LONG_AGO_MS = 1_294_012_800_000  # Monday 3 January 2011, 0:00 UTC
PARTITIONS, EVENTS = 4, "clickstream.events"
CONFIGURATION = """\
[targets.purchase]
horizon = "1 d"
abstain_below = 20
[targets.intent]
abstain_below = 20
[targets.churn]
horizon = "1 d"
abstain_below = 20
[service]
log_format = "json"
snapshot_wait = "1 s"
[kafka]
session_timeout = "30 s"
[destinations.shop]
url = "{shop}"
secret = "{secret}"
networks = ["127.0.0.1/32"]
timeout = "2 s"
[deliver] # pauses are shortened as the rules are
backoff = "200 ms"
longest_backoff = "2 s"
breaker_pause = "200 ms"
longest_breaker_pause = "5 s"
"""


class Feeder:
    """Sends the shop's events at a rate, in a thread. What it sends can be spoiled while it runs."""

    def __init__(self, bootstrap: str, rate: float) -> None:
        self.rate, self.rubbish, self.without_purchases = rate, False, False
        self._events = self._stream()
        self._producer = patient_producer(bootstrap)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _stream(self) -> Iterator[bytes]:
        """Good events alone, what is bad comes when it is asked for: some two million, more than any drill sends, and all of them of the past.

        A minute of the drill is some two months of the shop: one that began lately would be in the future before the drill is over.
        """
        return (event for event, truth in Shop(ShopSettings(users=180_000, days=3_600, start_ms=LONG_AGO_MS)).stream() if truth is not None)

    def _send(self) -> None:
        while not self._over.wait(0.05):
            for number in range(max(1, round(self.rate * 0.05))):
                event = next(self._events)
                if self.without_purchases and b'"purchase"' in event:
                    continue
                if self.rubbish and number % 5 == 0:
                    event = b"{" + event
                user = event.partition(b'"user_id":"')[2].partition(b'"')[0]
                try:
                    self._producer.send(EVENTS, event, user, partition=partition_of(user, PARTITIONS))
                except KafkaError:  # the broker is away: an event that cannot be sent is not sent
                    break

    @property
    def sends(self) -> bool:
        """Whether it still does."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop sending."""
        self._over.set()
        self._thread.join()
        with contextlib.suppress(KafkaError):  # what the broker did not take is not missed
            self._producer.close(timeout=5)


class Worker:
    """A worker's process, to be killed, stopped for a while and started again under its name."""

    def __init__(self, name: str, roles: str, bootstrap: str, folder: Path) -> None:
        self.port = free_port()
        self._line = [sys.executable, "-m", "worker", "run", "--bootstrap", bootstrap, "--member", name, "--roles", roles, "--endpoint-port", str(self.port)]
        self._folder, self._log = folder, (folder / f"{name}.log").open("a")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: str) -> None:
        """Start it, if it does not run; with settings, as environment variables, that hold for this time."""
        if self._process is None or self._process.poll() is not None:
            given = {**environment(), **settings}
            self._process = subprocess.Popen(self._line, cwd=self._folder, env=given, stdout=self._log, stderr=self._log)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; after SIGKILL it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            if number == signal.SIGKILL:
                self._process.wait()


def environment() -> dict[str, str]:
    """No configuration from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLICKSCORE_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2])}


class Stand:
    """All of it, in one folder, from the start to the end of the with block."""

    def __init__(self, folder: Path, program: Path, rate: float) -> None:
        self.folder, self._program, self._rate = folder, program, rate
        source = find(say=print)
        if not isinstance(source, Jars):
            raise SystemExit("the drill stops and starts its broker, and needs Java and Maven for one of its own")
        self.broker = Broker(source, folder / "broker")

    def __enter__(self) -> Stand:
        (self.folder / "broker").mkdir(parents=True)
        self.receiver = Receiver()
        (self.folder / "clickscore.toml").write_text(CONFIGURATION.replace("{shop}", self.receiver.url).replace("{secret}", SECRET))
        self.broker.start()
        bootstrap = self.broker.bootstrap
        line = [sys.executable, "-m", "worker", "topics", "create", "--bootstrap", bootstrap, "--partitions", str(PARTITIONS)]
        subprocess.run(line, cwd=self.folder, env=environment(), check=True, capture_output=True)
        self.scorers = [Worker(f"scorer-{number}", "scorer", bootstrap, self.folder) for number in (1, 2)]
        self.trainer = Worker("trainer-1", "trainer", bootstrap, self.folder)
        self.deliverer = Worker("deliverer-1", "deliver", bootstrap, self.folder)
        self.workers = [*self.scorers, self.trainer, self.deliverer]
        for worker in self.workers:
            worker.start()
        self.feeder, self.firing_triggers = Feeder(bootstrap, self._rate), Firing(bootstrap, PARTITIONS)
        targets = [f"127.0.0.1:{worker.port}" for worker in self.workers]
        self.prometheus = Prometheus(self._program, self.folder / "prometheus", targets, yaml_text(groups(SCALE)))
        self.prometheus.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.prometheus.__exit__(kind, error, trace)
        for worker in self.workers:
            worker.send(signal.SIGKILL)
        self.broker.resume()
        self.feeder.close()
        self.firing_triggers.close()
        self.receiver.close()
        self.broker.kill()

    def firing(self, alert: str) -> bool:
        """Whether an alert fires; `alert` may carry matchers: Name{window="1m"}."""
        name, _, matchers = alert.partition("{")
        more = f", {matchers}" if matchers else "}"
        return bool(self.prometheus.query(f'ALERTS{{alertname="{name}", alertstate="firing"{more}'))

    def until(self, alert: str, firing: bool, within_s: float) -> float:
        """Wait until an alert fires, or no longer does; the moment (of time.monotonic) at which it was seen, NaN where it did not within the time.

        Over is what stays over for OVER_S: while a trainer starts again, there is nothing that an alert could be about.
        """
        deadline_s, since_s = time.monotonic() + within_s, math.nan
        while time.monotonic() < deadline_s or not math.isnan(since_s):
            if not self.feeder.sends:
                raise SystemExit("the shop sends no events any more, so that nothing that was seen from here on would count")
            now_s = time.monotonic()
            if self.firing(alert) != firing:
                since_s = math.nan
            elif firing or now_s - since_s >= OVER_S:
                return now_s if firing else since_s
            elif math.isnan(since_s):
                since_s = now_s
            time.sleep(0.5)
        return math.nan

    def hold_transaction(self) -> Any:
        """Somebody's transaction on the changelog that is left open: readers wait at it. Returns the producer that can end it."""
        producer = KafkaProducer(bootstrap_servers=self.broker.bootstrap, transactional_id="somebody", transaction_timeout_ms=300_000)
        producer.init_transactions()
        producer.begin_transaction()
        for partition in range(PARTITIONS):
            producer.send("clickscore.profiles", b"{}", b"x:held", partition=partition)
        producer.flush()
        return producer
