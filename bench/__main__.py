"""`python -m bench [PART …] [--events FILE] [--count N]`: figures of this machine, as one table against the aims. `python -m bench page` writes them down.

Each part's figures are kept (build/bench/results), so parts may be run one at a time; the table of aims takes the last run of each, and compares only
figures of the same run. Figures of two machines, or of two runs, are not to be compared.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence

from bench import core_alone, core_users, kafka_latency, kafka_rate, kafka_restart, learning, startup, telemetry_cost
from bench.aims import table
from bench.figures import Figure, Run, machine, saved
from bench.page import write_page
from worker.files import open_events
from worker.service.memory import collect_rarely

Part = Callable[[Sequence[bytes]], Iterator[Figure]]

PARTS: dict[str, tuple[Part, str]] = {
    "startup": (startup.startup, "how long the program takes to start"),
    "core": (core_alone.by_batch_size, "the core by step, at turns of 1 to 5,000 events"),
    "users": (core_users.by_users, "the core with 10,000 to 1,000,000 users, their spread, and memory a user"),
    "trainer": (learning.trainer, "examples a second"),
    "replay": (learning.replay, "a replay with learning"),
    "telemetry": (telemetry_cost.cost, "what telemetry costs"),
    "kafka-rate": (kafka_rate.rate, "events a second over Kafka, with echoes and peers"),
    "kafka-rate-others": (kafka_rate.others_rate, "the same of further peers"),
    "kafka-latency": (kafka_latency.latency, "end to end at 500, 2,000 and 8,000 events a second"),
    "kafka-latency-peers": (kafka_latency.peers_latency, "the same of echoes and peers, at 2,000"),
    "kafka-restart": (kafka_restart.restart, "SIGKILL to the first new score"),
    "kafka-workers": (kafka_rate.two_workers, "two workers against one"),
}


def main() -> None:
    """Run the parts asked for, or all of them, and hold them against the aims."""
    parts = "; ".join(f"{name}: {about}" for name, (_, about) in PARTS.items())
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{parts}; aims: only the table, of what was measured before; page: write docs/performance.md")
    parser.add_argument("--events", help="a file of events for the parts core, trainer and replay, instead of made ones")
    parser.add_argument("--count", type=int, default=100_000, help="how many of the file's events")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - {*PARTS, "aims", "page"}:
        parser.error(f"unknown part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}, aims, page")
    lines: list[bytes] = []
    if arguments.events:
        with open_events(arguments.events) as file:
            lines = list(itertools.islice(file.lines(), arguments.count))
    collect_rarely()
    for name in arguments.parts or PARTS:
        if name in PARTS:
            _measure(name, lines, "-file" if lines else "")
    if "page" in arguments.parts:
        print(f"wrote {', '.join(write_page())}")
    if not set(arguments.parts) <= {"page"} or not arguments.parts:
        print(table(saved([*PARTS, *(f"{part}-file" for part in PARTS)])))


def _measure(name: str, lines: Sequence[bytes], suffix: str) -> None:
    """One part: its figures are shown and kept as they come."""
    about, figures = machine(), []
    print(f"\n{name}: {PARTS[name][1]}\n" + "; ".join(f"{key} {value}" for key, value in about.items()))
    for figure in PARTS[name][0](lines):
        figures.append(figure)
        print(f"  {figure.label:84}{figure.text():>24}")
        sys.stdout.flush()
        Run(name + suffix, about, figures).save()


if __name__ == "__main__":
    main()
