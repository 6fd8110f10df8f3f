"""How the files of tests are dealt to the processes of `make test`: the longest first, and those that share a costly fixture to one process.

What is long at the end is waited for by the other processes. A file that is missing here is dealt after those, in the order of its name.
tests/conftest.py loads this file as a plugin.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
# Each process that a test with `secure_broker` runs in starts that broker: six seconds of the processor, and it stays to the end.
WITH_SECURE_BROKER = (
    "tests/commands/test_kafka_security.py",
    "tests/commands/test_kafka_failures.py",
    "tests/deploy/test_kafka_access.py",
    "tests/kafka/test_kafka_python_security.py",
    "tests/kafka/test_librdkafka_security.py",
    "tests/kafka/test_relearn.py",
    "tests/kafka/test_secure_broker.py",
)
LONGEST = (
    *WITH_SECURE_BROKER,
    "tests/faults/test_kafka_members.py",
    "tests/service/scoring/test_scorer.py",
    "tests/faults/test_kafka_steps.py",
    "tests/faults/test_kafka_input.py",
    "tests/test_docs.py",
    "tests/service/reprocessing/test_rescore.py",
    "tests/service/scoring/test_unsound_models.py",
    "tests/kafka/test_clients_faults.py",
    "tests/commands/test_demo_kafka.py",
    "tests/commands/test_demo.py",
    "tests/service/training/test_trainers.py",
    "tests/deploy/test_upgrade.py",
    "tests/core/event_time/test_outage_shops.py",
)
RANKS = {name: rank for rank, name in enumerate(LONGEST)}


def dealt_with(node_id: str) -> str:
    """What all tests share that one process has to run: their file, or what several files are dealt as."""
    file = node_id.partition("::")[0]
    return "with the secure broker" if file in WITH_SECURE_BROKER else file


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: RANKS.get(item.nodeid.partition("::")[0], len(RANKS)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Callable[..., Any]) -> Any:
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    dealing = LoadFileScheduling(config, log)
    dealing._split_scope = dealt_with  # which tests go together; xdist has no other way to say it
    return dealing
