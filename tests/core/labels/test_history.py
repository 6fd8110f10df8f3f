"""The history of a turn: any user's state as it stood when the watermark had come to a time, against turns of one event."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from tests.core.runs import run, scorecards
from tests.core.shops import MINUTE_MS, START_MS, Value
from worker.core.labels.history import History
from worker.core.labels.outcomes import Outcomes
from worker.core.profiles import layout as at

COLUMNS = [at.LAST, at.TOTAL, at.OFFSET, *range(at.ORDER_TIMES, at.ORDER_TIMES + at.ORDER_RING)]


def visits(seed: int, size: int) -> list[Value]:
    chance, time_ms = random.Random(seed), START_MS
    out: list[Value] = []
    for number in range(size):
        time_ms += chance.choice([0, 0, 1, MINUTE_MS, 20 * MINUTE_MS])
        late_ms = chance.choice([0, 0, 0, 10 * MINUTE_MS])
        event = chance.choice(["view_item", "purchase", "refund"])
        out.append(json.dumps({"event": event, "user_id": f"u{chance.randrange(6)}", "timestamp": time_ms - late_ms, "event_id": str(number)}).encode())
    return out


@pytest.mark.parametrize("seed", range(3))
def test_a_state_is_that_of_the_last_event_before_the_time(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values, first = visits(seed, 160), 40
    whole = run(values[:first], finish=False).pipeline
    taken: list[History] = []
    settle = Outcomes.settle

    def keep_history(self: Outcomes, decisions: object, history: History, *rest: object) -> object:
        taken.append(history)
        return settle(self, decisions, history, *rest)  # type: ignore[arg-type]

    start_ms = whole.watermark.value
    with monkeypatch.context() as patched:
        patched.setattr(Outcomes, "settle", keep_history)
        whole.turn(values[first:], range(first, len(values)), scorecards())
    steps = run(values[:first], finish=False).pipeline
    users = list(steps.profiles.row_of)
    states = []  # the watermark after each event, with what each user's columns were then
    for offset in range(first, len(values)):
        states.append((steps.watermark.value, steps.profiles.rows[steps.profiles.rows_for(users)][:, COLUMNS].copy()))
        steps.turn(values[offset : offset + 1], [offset], scorecards())
    states.append((steps.watermark.value, steps.profiles.rows[steps.profiles.rows_for(users)][:, COLUMNS].copy()))
    rows = whole.profiles.rows_for(users)
    for time_ms in {*range(start_ms, whole.watermark.value, 7 * MINUTE_MS), *(reached_ms for reached_ms, _ in states)}:
        expected = [state for reached_ms, state in states if reached_ms <= time_ms][-1]
        found = taken[0].columns_at(rows, np.full(len(rows), time_ms, dtype=np.int64), COLUMNS)
        assert np.array_equal(found, expected)
