"""`python -m bench [core] [steps] [trainer] [replay] [--events FILE] [--count N]`: figures of this machine as one table.

Without --events the synthetic shop of the demo is the input. Figures are of one process; compare those of one run, not of two machines.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import sys
from collections.abc import Callable, Iterable

import numpy as np

from bench import core_alone, learning
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


def main() -> None:
    """Run the parts asked for, or all of them."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--events", help="a file of events instead of the synthetic shop")
    parser.add_argument("--count", type=int, default=100_000, help="events to measure with")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    if arguments.events:
        with open_events(arguments.events) as file:
            lines = list(itertools.islice(file.lines(), arguments.count))
    else:
        shop = Shop(ShopSettings(users=max(1_000, arguments.count // 10)))
        lines = list(itertools.islice((value for chunk in shop.chunks() for value in chunk.values), arguments.count))
    collect_rarely()
    source = arguments.events or "the synthetic shop"
    print(f"clickscore {__version__}, Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, {len(lines):,} events of {source}")
    for part in arguments.parts or PARTS:
        for name, figure in PARTS[part](lines):
            print(f"{name:58}{figure:>20}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
