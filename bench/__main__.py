"""`python -m bench [PART …] [--events FILE] [--count N]`: figures of this machine as one table.

Without --events the synthetic shop of the demo is the input. Figures are of one process; compare those of one run, not of two machines.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import platform
import sys
from collections.abc import Callable, Iterable

import numpy as np

from bench import core_alone, kafka_latency, kafka_restart, learning
from worker import __version__
from worker.demo.shop import Shop, ShopSettings
from worker.files import open_events
from worker.service.memory import collect_rarely

PARTS: dict[str, Callable[[list[bytes]], Iterable[tuple[str, str]]]] = {
    "core": core_alone.by_batch_size,
    "steps": core_alone.by_step,
    "trainer": learning.trainer,
    "replay": learning.replay,
}


# These start a broker of their own, and workers as processes, over each client that is installed.
KAFKA_PARTS: dict[str, Callable[[str], Iterable[tuple[str, str]]]] = {
    "kafka-latency": kafka_latency.latency,
    "kafka-restart": kafka_restart.restart,
}


def main() -> None:
    """Run the parts asked for, or all of them."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join([*PARTS, *KAFKA_PARTS]))
    parser.add_argument("--events", help="a file of events instead of the synthetic shop")
    parser.add_argument("--count", type=int, default=100_000, help="events to measure with")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - {*PARTS, *KAFKA_PARTS}
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}: choose from {', '.join([*PARTS, *KAFKA_PARTS])}")
    if arguments.events:
        with open_events(arguments.events) as file:
            lines = list(itertools.islice(file.lines(), arguments.count))
    else:
        shop = Shop(ShopSettings(users=max(1_000, arguments.count // 10)))
        lines = list(itertools.islice((value for chunk in shop.chunks() for value in chunk.values), arguments.count))
    collect_rarely()
    source = arguments.events or "the synthetic shop"
    print(f"clickscore {__version__}, Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, {len(lines):,} events of {source}")
    for part in arguments.parts or [*PARTS, *KAFKA_PARTS]:
        for name, figure in PARTS[part](lines) if part in PARTS else over_clients(KAFKA_PARTS[part]):
            print(f"{name:74}{figure:>20}")
            sys.stdout.flush()


def over_clients(measure: Callable[[str], Iterable[tuple[str, str]]]) -> Iterable[tuple[str, str]]:
    """A measurement over every client library that is installed."""
    yield from measure("kafka-python")
    if importlib.util.find_spec("confluent_kafka"):
        yield from measure("librdkafka")


if __name__ == "__main__":
    main()
