"""Deaths: processes that end at a chosen step, at any moment, in order, or for want of memory."""

from __future__ import annotations

import signal

from tests.faults.cases.case import Ground, Outcome, case, judged
from tests.faults.deaths import STEPS
from tests.faults.inputs import Stream
from tests.faults.processes import Worker
from tests.faults.stand import Stand

ROLES = ("scorer", "trainer")


@case("death")
def killed_at_each_step(ground: Ground) -> Outcome:
    """A scorer and a trainer side by side; each is killed at one step, started again under its name, killed at the next."""
    stand, chance = ground.stand(), ground.chance
    stream = Stream(chance.randrange(1_000))
    stand.feed(stream.take(len(stream.lines) // 3))  # of more than a day: then there are outcomes to learn
    to_come = {role: [(step, 2 if role == "scorer" else 1) for step in STEPS] for role in ROLES}
    for steps in to_come.values():
        chance.shuffle(steps)
    alive = {role: _next_life(stand, role, to_come[role]) for role in ROLES}
    for part in stream.parts(len(STEPS) + 4):
        stand.feed(part)
        for role in ROLES:
            victim, mortal = alive[role]
            if mortal and (role == "scorer" or victim.ended(0.3)):
                buried(victim)
                alive[role] = _next_life(stand, role, to_come[role])
    while alive["trainer"][1]:  # it has fallen behind
        buried(alive["trainer"][0])
        alive["trainer"] = _next_life(stand, "trainer", to_come["trainer"])
    return judged(stand, f"{2 * len(STEPS)} kills")


def _next_life(stand: Stand, role: str, steps: list[tuple[str, int]]) -> tuple[Worker, bool]:
    """A process that is to die at the next step, or where none is left to live on."""
    member = role[0]
    if not steps:
        return stand.start(member, roles=role), False
    step, turn = steps.pop()
    return stand.start(member, roles=role, plan={"role": role, "step": step, "turn": turn}), True


def buried(victim: Worker) -> None:
    """Wait for the death of a worker that kills itself."""
    code = victim.wait()
    assert code == -signal.SIGKILL, f"{victim.member} should have been killed; it ended with {code} and said:\n{victim.said()[-2_000:]}"


@case("death")
def killed_and_started_under_its_name(ground: Ground) -> Outcome:
    """SIGKILL in the middle of work; the successor has the same member id."""
    return _succeeded(ground, "m")


@case("death")
def killed_and_another_takes_over(ground: Ground) -> Outcome:
    """SIGKILL in the middle of work; the successor has another id, and has to wait for the session timeout of 3 s."""
    return _succeeded(ground, "other")


def _succeeded(ground: Ground, successor: str) -> Outcome:
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(600))
    victim = stand.start("m")
    stand.must_score(ground.chance.randrange(50, 300))
    with stand.recovery(stream.take(300)):
        victim.kill()
        stand.start(successor)
    stand.feed(stream.rest())
    return judged(stand)


@case("death")
def told_to_end(ground: Ground) -> Outcome:
    """SIGTERM, three times in the middle of work: exit code 0, and the next one goes on."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(300))
    for part in [stream.take(250) for _ in range(3)]:
        stand.scores(0)
        worker = stand.start()
        stand.feed(part)
        stand.must_score(ground.chance.randrange(1, 200))
        assert worker.stop() == 0, worker.said()
    with stand.recovery(stream.rest()):
        stand.start()
    return judged(stand)


@case("death")
def out_of_memory(ground: Ground) -> Outcome:
    """The address space is closed in the middle of a turn: allocations fail, the process ends by itself or hangs and is killed by its supervisor."""
    stand, stream = ground.stand(turn_events=600), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(600))
    victim = stand.start(plan={"role": "scorer", "step": "after poll", "turn": 1, "action": "starve"})
    code = "hung, and was killed"
    if victim.ended(20):
        code = f"ended with {victim.wait()}"
        assert victim.wait() != 0, victim.said()
    victim.kill()
    with stand.recovery(stream.rest()):
        stand.start()
    return judged(stand, f"the starved process {code}")
