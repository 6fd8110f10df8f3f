"""Input that no shop should send, and state that must be refused: once over each client, or over one where the client has no part in it."""

from __future__ import annotations

import pytest

from tests.faults.cases import inputs, models, states
from tests.faults.cases.case import Ground, Run
from tests.faults.conftest import MakeGround

CORE: list[tuple[str, Run]] = [
    ("kafka-python", inputs.poisoned_input),
    ("librdkafka", inputs.events_that_contradict_each_other),
    ("kafka-python", states.newer_than_the_program),
    ("librdkafka", states.corrupt_record),
    ("kafka-python", models.damaged_snapshot),
]


@pytest.mark.parametrize(("client", "run"), CORE, ids=[run.__name__.replace("_", "-") for _, run in CORE])
def test_nothing_is_lost_or_repeated(make_ground: MakeGround, client: str, run: Run) -> None:
    ground: Ground = make_ground(client)
    verdict = run(ground).verdict
    assert verdict is not None
    assert verdict.clean, str(verdict)
    assert verdict.scores > 150
