"""The program broken on purpose: here the verifier must find something, or nothing that it says of the other cases means anything."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable

from tests.faults.cases.case import Ground, Outcome, case
from tests.faults.cases.members import fell_asleep
from tests.faults.inputs import Stream
from tests.faults.verifier import Verdict

GROUP = "verifier"


def noticed(verdict: Verdict, *kinds: str) -> Outcome:
    """The verdict must name all of these faults."""
    missed = [kind for kind in kinds if not getattr(verdict, kind)]
    assert not missed, f"the verifier has not noticed: {missed} of {verdict}"
    found = {kind: count for kind, count in verdict.faults.items() if count}
    return Outcome(None, [], "noticed: " + ", ".join(f"{kind} {count}" for kind, count in found.items()))


def nameless(lines: Iterable[bytes]) -> list[bytes]:
    """Without their event ids: by those, an event that is read twice would be known for a duplicate, and do less harm."""
    return [re.sub(rb'"event_id":"[^"]*",', b"", line) for line in lines]


def _killed(ground: Ground, patch: str, role: str, step: str, turn: int, *kinds: str) -> Outcome:
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(nameless(stream.take(700)))
    stand.die(role, step, turn, patch=f"tests.faults.patches:{patch}")
    stand.start(patch=f"tests.faults.patches:{patch}")
    stand.feed(nameless(stream.rest()))
    return noticed(stand.finish(), *kinds)


@case(GROUP)
def positions_after_the_records(ground: Ground) -> Outcome:
    """Killed between the two transactions."""
    return _killed(ground, "positions_after_the_records", "scorer", "after commit", 3, "duplicated")


@case(GROUP)
def positions_before_the_records(ground: Ground) -> Outcome:
    """Killed between the two transactions."""
    return _killed(ground, "positions_before_the_records", "scorer", "after commit", 3, "lost")


@case(GROUP)
def scores_outside_of_the_transaction(ground: Ground) -> Outcome:
    """Killed between the scores and the commit."""
    return _killed(ground, "scores_outside_of_the_transaction", "scorer", "after send", 3, "duplicated")


@case(GROUP)
def state_not_read_back(ground: Ground) -> Outcome:
    """Killed between two turns."""
    return _killed(ground, "state_not_read_back", "scorer", "after the turn", 3, "strange")


@case(GROUP)
def examples_committed_before_they_are_published(ground: Ground) -> Outcome:
    """A trainer killed before its snapshot."""
    stand, stream = ground.stand(snapshot_examples=10_000, snapshot_wait="3 s"), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.rest())
    patch = "tests.faults.patches:examples_committed_before_they_are_published"
    worker = stand.start(patch=patch)
    stand.must_score(2_000)
    worker.kill()
    stand.start(patch=patch)
    return noticed(stand.finish(), "mislearned")


@case(GROUP, both=False)
def membership_unchecked(ground: Ground) -> Outcome:
    """A zombie wakes and commits. Over kafka-python, whose positions can be committed in nobody's name."""
    ground.client = "kafka-python"
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(nameless(stream.take(800)))
    patch, plan = "tests.faults.patches:membership_unchecked", {"role": "scorer", "step": "after send", "turn": 3, "signal": signal.SIGSTOP}
    sleeper = stand.start("a", roles="scorer", patch=patch, plan=plan)
    fell_asleep(sleeper, stand)
    stand.start("b", patch=patch)
    stand.settle()
    sleeper.send(signal.SIGCONT)
    stand.scores(100_000, 3.0)
    sleeper.kill()
    stand.feed(nameless(stream.rest()))
    return noticed(stand.finish(), "duplicated")
