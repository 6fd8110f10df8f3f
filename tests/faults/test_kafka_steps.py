"""SIGKILL at each step of a turn, on a real broker, over both clients: nothing is lost, repeated, reordered or learned twice."""

from __future__ import annotations

from tests.faults.cases import death
from tests.faults.cases.case import Ground


def test_a_scorer_and_a_trainer_killed_at_each_step_of_their_turns(ground: Ground) -> None:
    verdict = death.killed_at_each_step(ground).verdict
    assert verdict is not None
    assert verdict.clean, str(verdict)
    assert verdict.scores > 1_000
    assert verdict.examples > 300
    assert verdict.models > 3
