"""Deaths: processes killed at a chosen step, or at any moment."""

from __future__ import annotations

import random

from tests.faults.deaths import STEPS
from tests.faults.inputs import Stream
from tests.faults.processes import PATIENCE_S, Worker
from tests.faults.stand import Stand

ROLES = ("scorer", "trainer")


def killed_at_each_step(stand: Stand, chance: random.Random) -> None:
    """A scorer and a trainer side by side; each is killed at one step, started again under its name, killed at the next."""
    stream = Stream(chance.randrange(1_000))
    stand.feed(stream.take(len(stream.lines) // 3))  # of more than a day: then there are outcomes to learn
    to_come = {role: [(step, 2 if role == "scorer" else 1) for step in STEPS] for role in ROLES}
    for steps in to_come.values():
        chance.shuffle(steps)
    parts = stream.parts(len(STEPS) + 4)
    alive = {role: _next_life(stand, role, to_come[role]) for role in ROLES}
    for part in parts:
        stand.feed(part)
        for role in ROLES:
            victim, mortal = alive[role]
            if mortal and (role == "scorer" or victim.ended(0.3)):
                _buried(victim)
                alive[role] = _next_life(stand, role, to_come[role])
    while alive["trainer"][1]:  # it has fallen behind
        _buried(alive["trainer"][0])
        alive["trainer"] = _next_life(stand, "trainer", to_come["trainer"])


def _next_life(stand: Stand, role: str, steps: list[tuple[str, int]]) -> tuple[Worker, bool]:
    """A process that is to die at the next step, or where none is left to live on."""
    member = role[0]
    if not steps:
        return stand.start(member, roles=role), False
    step, turn = steps.pop()
    return stand.start(member, roles=role, plan={"role": role, "step": step, "turn": turn}), True


def _buried(victim: Worker) -> None:
    code = victim.wait(PATIENCE_S)
    assert code == -9, f"{victim.member} should have been killed; it ended with {code} and said:\n{victim.said()[-2_000:]}"
