"""Pending decisions come back as they were, from records of this program and of the one before."""

from __future__ import annotations

import numpy as np

from tests.core.older_state import decision_of_schema_1
from tests.core.runs import Run, restored, run
from tests.core.shops import shop
from worker.core.labels.decisions import EVENT, Decisions

FIELDS = ("time_ms", "offset", "mark", "draw", "final_ms", "weight", "raw", "p", "outcome", "seen", "level", "announced", "bins")


def by_key(decisions: Decisions, users: list[str | None]) -> dict[tuple[object, ...], tuple[object, ...]]:
    """All that is known of each pending decision."""
    places = np.flatnonzero(decisions.serial)
    return {
        (users[decisions.row[place]], decisions.offset[place], decisions.mark[place]): (
            decisions.models[decisions.model[place]],
            *(getattr(decisions, name)[place].tolist() for name in FIELDS),
        )
        for place in places
    }


def known(done: Run) -> dict[tuple[object, ...], tuple[object, ...]]:
    return by_key(done.pipeline.decisions, done.pipeline.profiles.user_of)


def test_decisions_come_back_as_they_were() -> None:
    done = run(shop(21, 500), [25] * 20, finish=False)
    assert {key[2] == EVENT for key in known(done)} == {True, False}
    assert known(Run(restored(done))) == known(done)


def test_decisions_that_an_earlier_program_wrote_are_read() -> None:
    done = run(shop(21, 500), [25] * 20, finish=False)
    done.changelog |= {key: decision_of_schema_1(value) for key, value in done.changelog.items() if key.startswith(b"d:")}
    assert known(Run(restored(done))) == known(done)
