"""Members of the group that come, go, sleep, or bear one name; connections cut at the commit; a broker that is killed: over both clients."""

from __future__ import annotations

import pytest

from tests.faults.cases import brokers, commit, members
from tests.faults.cases.case import Ground, Run

CORE: list[Run] = [
    members.rebalance_storm,
    members.zombie,
    members.two_workers_with_one_id,
    commit.ambiguous_commit,
    brokers.killed_and_started_again,
]


@pytest.mark.parametrize("run", CORE, ids=lambda run: run.__name__.replace("_", "-"))
def test_nothing_is_lost_or_repeated(ground: Ground, run: Run) -> None:
    verdict = run(ground).verdict
    assert verdict is not None
    assert verdict.clean, str(verdict)
    assert verdict.scores > 1_000
