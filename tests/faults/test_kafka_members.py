"""Members of the group that come, go, sleep, or bear one name; connections cut at the commit; a broker that is killed.

Each over one client, to keep `make test` short; `make faults` runs each over both.
"""

from __future__ import annotations

import pytest

from tests.faults.cases import brokers, commit, members
from tests.faults.cases.case import Run
from tests.faults.conftest import MakeGround

CORE: list[tuple[Run, str]] = [
    (members.rebalance_storm, "librdkafka"),
    (members.zombie, "kafka-python"),
    (members.zombie_trainer, "librdkafka"),
    (members.two_workers_with_one_id, "kafka-python"),
    (commit.ambiguous_commit, "kafka-python"),
    (commit.ambiguous_commit, "librdkafka"),
    (brokers.killed_and_started_again, "librdkafka"),
]


@pytest.mark.parametrize(("run", "client"), CORE, ids=lambda one: one if isinstance(one, str) else one.__name__.replace("_", "-"))
def test_nothing_is_lost_or_repeated(make_ground: MakeGround, run: Run, client: str) -> None:
    verdict = run(make_ground(client)).verdict
    assert verdict is not None
    assert verdict.clean, str(verdict)
    assert verdict.scores > 1_000
