"""What the fault tests on Kafka share: one nursery in a test run, one stand a test, and the seed of every draw."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.cases.case import Ground, StartBroker
from tests.faults.processes import Nursery
from tests.kafka.proxy import Proxy
from worker.demo.broker import Broker

CLIENTS = ("kafka-python", "librdkafka")
MakeGround = Callable[[str], Ground]


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
def make_ground(
    nursery: Nursery,
    broker: Broker,
    proxy: Proxy,
    start_broker: StartBroker,
    tmp_path: Path,
    fault_chance: random.Random,
    request: pytest.FixtureRequest,
) -> Iterator[MakeGround]:
    """Makes the ground of a case over a client."""
    made: list[Ground] = []

    def make(client: str) -> Ground:
        ground = Ground(nursery, broker, proxy, start_broker, client, tmp_path / client, fault_chance, request.node.name.removeprefix("test_"))
        made.append(ground)
        return ground

    yield make
    for ground in made:
        ground.close()


@pytest.fixture(params=CLIENTS)
def ground(request: pytest.FixtureRequest, make_ground: MakeGround) -> Ground:
    """The ground of a case over each client."""
    return make_ground(request.param)
