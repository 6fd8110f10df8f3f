"""SIGKILL at each step of a turn, on a real broker, over both clients: nothing is lost, repeated, reordered or learned twice."""

from __future__ import annotations

import random

from tests.faults.cases.death import killed_at_each_step
from tests.faults.stand import Stand


def test_a_scorer_and_a_trainer_killed_at_each_step_of_their_turns(stand: Stand, fault_chance: random.Random) -> None:
    killed_at_each_step(stand, fault_chance)
    verdict = stand.finish()
    assert verdict.clean, str(verdict)
    assert verdict.scores > 1_000
    assert verdict.examples > 300
    assert verdict.models > 3
