"""What a case is: a fault made on purpose on a ground of brokers and processes, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.processes import Nursery, Worker
from tests.faults.stand import Stand
from tests.faults.verifier import Verdict
from tests.kafka.proxy import Proxy
from worker.demo.broker import Broker

StartBroker = Callable[..., Broker]


@dataclass(slots=True)
class Outcome:
    """What came of a case. `verdict` None: there was nothing to judge, as where a worker has to refuse its work."""

    verdict: Verdict | None = None
    recovered_s: list[float] = field(default_factory=list)
    remark: str = ""


@dataclass(slots=True)
class Ground:
    """What a case works on. The broker is shared: who stops it starts it again."""

    nursery: Nursery
    broker: Broker
    proxy: Proxy  # before the broker
    start_broker: StartBroker  # makes one of the case's own, with BrokerOptions
    client: str
    folder: Path
    chance: random.Random
    name: str = "case"
    stands: list[Stand] = field(default_factory=list)

    def stand(self, **options: Any) -> Stand:
        """A stand on the broker, or on another one: `bootstrap`."""
        bootstrap = options.pop("bootstrap", self.broker.bootstrap)
        stand = Stand(self.nursery, bootstrap, self.client, self.folder / str(len(self.stands)), name=self.name, **options)
        self.stands.append(stand)
        return stand

    def close(self) -> None:
        """End whatever the case has left running."""
        for stand in self.stands:
            stand.close()
        self.proxy.reset()


Run = Callable[[Ground], Outcome]


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the matrix. `both` False: nothing of it depends on the client, so it runs over one."""

    group: str
    name: str
    run: Run
    both: bool


CASES: list[Case] = []


def case(group: str, *, both: bool = True) -> Callable[[Run], Run]:
    """Put a function into the matrix, under its own name."""

    def put(run: Run) -> Run:
        CASES.append(Case(group, str(getattr(run, "__name__", run)).replace("_", " "), run, both))
        return run

    return put


def judged(stand: Stand, remark: str = "", **how: Any) -> Outcome:
    """Let the stand's workers finish, and judge."""
    return Outcome(stand.finish(**how), stand.recovered_s, remark)


def refusal(worker: Worker, code: int, *words: str) -> str:
    """Wait for a worker that must refuse to work, in these words; returns its one error."""
    ended = worker.wait()
    said = worker.said()
    errors = [line for line in said.splitlines() if line.startswith("Error: ")]
    assert (ended, len(errors)) == (code, 1), f"it ended with {ended}, expected was {code} and one error; it said:\n{said[-2_000:]}"
    assert "Traceback" not in said, said[-2_000:]
    assert all(word in said for word in words), f"{words} are not all in:\n{said[-2_000:]}"
    return errors[0].removeprefix("Error: ")
