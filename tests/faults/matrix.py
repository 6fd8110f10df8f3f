"""The whole fault matrix on a real broker: `make faults`, or python -m tests.faults.matrix.

CASES=zombie,commit runs those whose name or group contains one of the words; FAULT_SEED=… repeats a run. Prints a table, and writes docs/faults.md when
nothing was left out. Exit code 1 when a case is not as it must be.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from tests.faults.cases import broken, brokers, commit, death, inputs, long, members, models, operation, states
from tests.faults.cases.case import CASES, Case, Ground, Outcome
from tests.faults.processes import Nursery
from tests.faults.report import page, table
from tests.kafka.fixtures import IMPATIENT, PROXIED
from tests.kafka.proxy import Proxy
from worker.demo.broker import Broker, BrokerOptions, Image, Jars, Listener, find

CLIENTS = ("kafka-python", "librdkafka")
MODULES = (death, commit, brokers, members, inputs, states, models, operation, long, broken)  # their cases are in CASES, in this order
DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table: a case over a client, what came of it, and why it failed, if it did."""

    case: Case
    client: str
    outcome: Outcome
    failure: str
    took_s: float

    @property
    def passed(self) -> bool:
        """All is as it must be."""
        return not self.failure and (self.outcome.verdict is None or self.outcome.verdict.clean)


class Brokers:
    """The broker of the run, with a proxy before it, and those that cases ask for."""

    def __init__(self, source: Jars | Image, folder: Path) -> None:
        self._source, self._folder = source, folder
        self._started: list[Broker] = []
        self.proxy = Proxy()
        self.shared = self.start(BrokerOptions((Listener(PROXIED, "PLAINTEXT", self.proxy.address),)))
        self.proxy.target = self.shared.address(PROXIED)

    def start(self, options: BrokerOptions | None = None) -> Broker:
        """One more broker."""
        options = options or BrokerOptions()
        impatient = replace(options, properties={**IMPATIENT, **options.properties})
        broker = Broker(self._source, self._folder / f"broker-{len(self._started)}", impatient)
        self._started.append(broker)
        broker.start()
        return broker

    def mend(self) -> None:
        """Start the shared one again, if a case has left it dead."""
        if not self.shared.running:
            self.shared.start()

    def close(self) -> None:
        """Kill all."""
        for broker in self._started:
            broker.kill()
        self.proxy.close()


def run(case: Case, client: str, brokers: Brokers, nursery: Nursery, folder: Path, seed: int) -> Result:
    """One case over one client. Its draws depend on the seed, its name and the client alone, so that it can be repeated by itself."""
    chance = random.Random(f"{seed} {case.name} {client}")
    ground = Ground(nursery, brokers.shared, brokers.proxy, brokers.start, client, folder, chance, case.name)
    began_s, outcome, failure = time.monotonic(), Outcome(), ""
    try:
        outcome = case.run(ground)
    except Exception as error:  # noqa: BLE001 - a case that fails is a row of the table, and the next one runs
        failure = str(error).strip() or repr(error)
        traceback.print_exc()
    finally:
        ground.close()
        brokers.mend()
    return Result(case, client, outcome, failure, time.monotonic() - began_s)


def chosen(words: list[str]) -> list[tuple[Case, str]]:
    """The cases to run, each with the clients to run it over."""
    order = [module.__name__ for module in MODULES]
    cases = [
        case
        for case in sorted(CASES, key=lambda case: order.index(case.run.__module__))
        if not words or any(word in case.name or word in case.group for word in words)
    ]
    alternating = cycle(CLIENTS)
    return [(case, client) for case in cases for client in (CLIENTS if case.both else (next(alternating),))]


def run_lane(todo: list[tuple[Case, str]], source: Jars | Image, folder: Path, seed: int) -> list[Result]:
    """Some cases, one after the other, with a broker and a nursery of their own."""
    results: list[Result] = []
    nursery, grounds = Nursery(folder), Brokers(source, folder)
    try:
        for number, (case, client) in enumerate(todo):
            result = run(case, client, grounds, nursery, folder / str(number), seed)
            results.append(result)
            print(f"{'ok  ' if result.passed else 'FAIL'} {case.group}: {case.name}, {client}, {result.took_s:.0f} s", flush=True)
    finally:
        nursery.close()
        grounds.close()
    return results


def main() -> int:
    """Run what was asked for; see the top of this file."""
    words = [word.strip() for word in os.environ.get("CASES", "").split(",") if word.strip()]
    seed = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(10**6)))
    todo = chosen(words)
    if not todo:
        print(f"no case has {' or '.join(words)} in its name or group; there are:\n" + "\n".join(f"  {case.group}: {case.name}" for case in CASES))
        return 2
    print(f"to repeat this run: FAULT_SEED={seed}{f' CASES={chr(44).join(words)}' if words else ''}; {len(todo)} runs", flush=True)
    source = find({name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP"}, say=print)
    assert isinstance(source, Jars | Image)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clickscore-faults-") as temporary, ThreadPoolExecutor(len(CLIENTS)) as lanes:
        under_way = []
        for client in CLIENTS:  # most of a case is waiting: both clients' cases go side by side
            folder = Path(temporary) / client
            folder.mkdir()
            mine = [(case, name) for case, name in todo if name == client]
            under_way.append(lanes.submit(run_lane, mine, source, folder, seed))
        results = [result for lane in under_way for result in lane.result()]
    results.sort(key=lambda result: todo.index((result.case, result.client)))
    took_s = time.monotonic() - began_s
    print(f"\n{table(results)}\n{sum(result.passed for result in results)} of {len(results)} as they must be, {took_s / 60:.0f} min, FAULT_SEED={seed}")
    if not words:
        DOCUMENT.write_text(page(results, seed, took_s))
        print(f"written: {DOCUMENT.relative_to(DOCUMENT.parents[1])}")
    return int(not all(result.passed for result in results))


if __name__ == "__main__":
    sys.exit(main())
