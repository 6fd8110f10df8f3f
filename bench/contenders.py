"""Who is measured over Kafka: clickscore with each client, bare echoes with the same clients, and other stream processors at the job of peers/job.py.

Each reads the same topic of events in a group of its own and writes to topics of its own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.core_alone import lessons, trainers
from bench.kafka_stand import Stand
from bench.peers import install
from worker.log.contract import Message, Topic

HERE = Path(__file__).parent / "peers"
EVENTS = "bench.events"


@dataclass(frozen=True, slots=True)
class Contender:
    """One of them. `start` takes the stand and returns the process; `output` tells the topic whose end shows progress where the group's position does not."""

    key: str
    label: str
    guarantee: str
    start: Callable[[Stand], subprocess.Popen[bytes]]
    commits: bool = True  # its group's committed position is its progress

    @property
    def output(self) -> str:
        """The topic of its scores."""
        return f"{self.key}.scores"


def clickscore(client: str, emission: str) -> Contender:
    """The worker as `clickscore run` starts it, scoring and learning, with models that have learned already."""
    key = f"clickscore-{client}-{emission}"

    def start(here: Stand) -> subprocess.Popen[bytes]:
        settings = here.settings(key, events=EVENTS)
        snapshots = {name: trainer.snapshot().encode() for name, trainer in trainers(lessons()).items()}
        here.log.append(settings.topics.models, [Message(value, name.encode(), (), 0) for name, value in snapshots.items()])
        return here.worker(settings, key, client, f"service.emission={emission}")

    return Contender(key, f"clickscore, {client}, {emission}", "exactly once, model too", start)


def echo(client: str, script: str) -> Contender:
    """Records copied and nothing else."""
    key = f"echo-{client}"
    return Contender(
        key, f"bare transactional echo, {client}", "exactly once", lambda here: here.run(key, [sys.executable, str(HERE / script), *_four(here, key)])
    )


def quix(commit_s: float) -> Contender:
    """Quix Streams, with its own state store."""
    key = f"quix-{commit_s:g}"

    def start(here: Stand) -> subprocess.Popen[bytes]:
        arguments = [*_four(here, key), str(here.folder / key), str(commit_s)]
        return here.run(key, [str(install.environment("quix")), str(HERE / "quix.py"), *arguments])

    return Contender(key, f"Quix Streams + River, commit {commit_s:g} s", "exactly once", start)


def streams() -> Contender:
    """Kafka Streams, in Java."""
    key = "streams"

    def start(here: Stand) -> subprocess.Popen[bytes]:
        return here.run(key, [*install.streams(), *_four(here, key), str(here.folder / key), "100"])

    return Contender(key, "Kafka Streams (Java, no River), commit 0.1 s", "exactly once", start)


def bytewax() -> Contender:
    """Bytewax with its recovery store."""
    key = "bytewax"

    def start(here: Stand) -> subprocess.Popen[bytes]:
        python, store = install.environment("bytewax"), here.folder / key
        store.mkdir()
        subprocess.run([str(python), "-m", "bytewax.recovery", str(store), "1"], check=True)
        command = [str(python), "-m", "bytewax.run", "bytewax_flow:flow", "-r", str(store), "-s", "1", "-b", "0"]
        return here.run(key, command, _environment(_four(here, key), store), HERE)

    return Contender(key, "Bytewax + River, snapshot 1 s", "at least once", start, commits=False)


def faust() -> Contender:
    """Faust with a table and its changelog."""
    key = "faust"

    def start(here: Stand) -> subprocess.Popen[bytes]:
        command = [str(install.environment("faust")), str(HERE / "faust_app.py"), "worker", "-l", "warn"]
        return here.run(key, command, _environment(_four(here, key), here.folder / key), here.folder)

    return Contender(key, "Faust + River", "at least once", start, commits=False)


def flink() -> Contender:
    """PyFlink on a cluster of its own in one process."""
    key = "flink"

    def start(here: Stand) -> subprocess.Popen[bytes]:
        python, folder = install.environment("flink"), here.folder / key
        folder.mkdir()
        four = _four(here, key)
        command = [str(python), str(HERE / "flink_job.py"), *four, str(folder), str(install.flink_connector())]
        environment = {**_environment(four, folder), "PATH": f"{python.parent}:{os.environ.get('PATH', '')}"}  # it looks for its Python there
        return here.run(key, command, environment)

    return Contender(key, "PyFlink + River, thread mode, checkpoint 1 s", "exactly once", start)


def ours() -> list[Contender]:
    """clickscore over every client that is installed, each after its echo."""
    found = [echo("kafka-python", "echo_kafka_python.py"), clickscore("kafka-python", "every"), clickscore("kafka-python", "latest")]
    if importlib.util.find_spec("confluent_kafka"):
        found += [echo("librdkafka", "echo_librdkafka.py"), clickscore("librdkafka", "every"), clickscore("librdkafka", "latest")]
    return found


def peers() -> list[Contender]:
    """Those that the aims are set against."""
    return [quix(0.1), quix(1.0), streams()]


def others() -> list[Contender]:
    """Those that guarantee less, or are slower."""
    return [bytewax(), flink(), faust()]


def _four(here: Stand, key: str) -> list[str]:
    """What every script begins with: brokers, group, source, target."""
    here.log.create([Topic(f"{key}.scores", 1)])
    return [here.bootstrap, key, EVENTS, f"{key}.scores"]


def _environment(four: list[str], folder: Path) -> dict[str, str]:
    """The same for scripts that are started by their framework, which has no place for arguments."""
    given = dict(zip(("BOOTSTRAP", "GROUP", "SOURCE", "TARGET", "FOLDER"), [*four, str(folder)], strict=True))
    return {**os.environ, "PYTHONPATH": str(HERE), **{f"BENCH_{name}": value for name, value in given.items()}}
