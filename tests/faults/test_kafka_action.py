"""SIGKILL at steps of a turn with segments and triggers on, on a real broker: all that is published is recomputed from the input, and a trigger fires once."""

from __future__ import annotations

from tests.faults import readback
from tests.faults.acting import CONFIGURATION, agreed, assert_each_once_and_no_cap_exceeded
from tests.faults.conftest import MakeGround
from tests.faults.inputs import Stream

STEPS = ("after send", "in commit", "after commit")


def test_a_scorer_killed_at_steps_of_its_turns_loses_and_repeats_no_trigger(make_ground: MakeGround) -> None:
    ground = make_ground("kafka-python")
    stand = ground.stand(more=CONFIGURATION, turn_events=60)
    lines = agreed(Stream(ground.chance.randrange(1_000), users=250, days=5).lines)
    parts = [lines[i * len(lines) // len(STEPS) : (i + 1) * len(lines) // len(STEPS)] for i in range(len(STEPS))]
    for step, part in zip(STEPS, parts, strict=True):
        stand.feed(part)
        stand.die("scorer", step, 2)
    stand.start()
    verdict = stand.finish()
    assert verdict.clean, str(verdict)
    triggers = readback.read(stand.bootstrap, stand.settings.topics.triggers).all()
    assert_each_once_and_no_cap_exceeded(record.value for record in triggers)
