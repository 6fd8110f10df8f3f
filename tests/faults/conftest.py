"""What the fault tests on Kafka share: one nursery in a test run, one stand a test, and the seed of every draw."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.processes import Nursery
from tests.faults.stand import Stand

CLIENTS = ("kafka-python", "librdkafka")
MakeStand = Callable[..., Stand]


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where all processes of the Kafka fault tests come from."""
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.close()


@pytest.fixture
def fault_chance() -> random.Random:
    """Every draw of a test; FAULT_SEED repeats a run."""
    seed = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(10**6)))
    print(f"to repeat this run: FAULT_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def make_stand(nursery: Nursery, bootstrap: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeStand]:
    """Makes stands on the broker of the run, closed with the test."""
    made: list[Stand] = []

    def make(client: str, **options: object) -> Stand:
        at = str(options.pop("bootstrap", bootstrap))
        stand = Stand(nursery, at, client, tmp_path / str(len(made)), name=request.node.name.removeprefix("test_"), **options)  # type: ignore[arg-type]
        made.append(stand)
        return stand

    yield make
    for stand in made:
        stand.close()


@pytest.fixture(params=CLIENTS)
def stand(request: pytest.FixtureRequest, make_stand: MakeStand) -> Stand:
    """A stand over each client."""
    return make_stand(request.param)
