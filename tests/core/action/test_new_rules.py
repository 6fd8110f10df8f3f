"""A rule that is new in a running system is armed where it holds already, and triggers where it begins to hold from then on; so is one whose line was moved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.core.action.action_runs import ActionRun, plan
from tests.core.runs import DEFAULTS, scorecards
from tests.core.shops import DAY_MS, HOUR_MS, START_MS
from worker.core.action.plan import Plan
from worker.core.pipeline import Pipeline

ALWAYS = {"quiet_from": "00:00", "quiet_until": "00:00"}
HERE = {"here": {"when": "days_since_seen < 0.5", "holdout": 0.0, "cap": 9}}
IN_SEGMENT = {"here": {"when": "segments.lately", "holdout": 0.0, "cap": 9}}


def made(triggers: dict[str, Any], segments: dict[str, Any] | None = None) -> Plan:
    return plan(segments or {}, triggers, ALWAYS)


BEFORE: dict[str, Plan | None] = {
    "nothing": None,
    "segments": made({}, {"all": {"when": "true"}}),
    "another rule": made({"other": {"when": "days_since_seen < 0.5"}}),
    "the rule with another line": made({"here": {"when": "days_since_seen < 0.0"}}),
    "the rule over another segment": made(IN_SEGMENT, {"lately": {"when": "spend > 5.0"}}),
}


def event(user: str, time_ms: int) -> bytes:
    return json.dumps({"event": "page_view", "user_id": user, "timestamp": time_ms, "consent": "granted"}).encode()


def ran(before: Plan | None, after: Plan, values: list[bytes]) -> list[tuple[str, int]]:
    """The first value under one plan, the rest under another, each in a turn of its own; who fired at which value."""
    cards, run = scorecards(), ActionRun(Pipeline(DEFAULTS, plan=before), before)
    out = []
    for number, value in enumerate(values):
        run.take(run.pipeline.turn([value], [number], cards, START_MS + 30 * DAY_MS))
        if number:
            out += [(record["user_id"], number) for record in run.in_order if record["result"] == "fired"]
        run.in_order.clear()
        if number == 0:
            run.plan = after
        run.restart()
    return out


@pytest.mark.parametrize("before", BEFORE)
def test_it_does_not_trigger_for_everybody_for_whom_it_holds(before: str) -> None:
    after = made(IN_SEGMENT, {"lately": {"when": "days_since_seen < 0.5"}}) if "segment" in before.split() else made(HERE)
    values = [
        event("old", START_MS),
        event("old", START_MS + HOUR_MS),  # holds already
        event("new", START_MS + 2 * HOUR_MS),  # somebody new is no reason to be silent
        event("old", START_MS + 3 * DAY_MS),  # silence let it fall in between
    ]
    assert ran(BEFORE[before], after, values) == [("new", 2), ("old", 3)]


def test_another_line_for_staying_on_makes_no_new_rule() -> None:
    before, after = (made({"here": HERE["here"] | {"when": "days_since_seen < 0.5 && active_days > 1", "stay": stay}}) for stay in ("", "true"))
    assert ran(before, after, [event("old", START_MS), event("old", START_MS + DAY_MS)]) == [("old", 1)]


def test_one_score_in_silence_is_enough_to_know_it() -> None:
    """Silence is judged too: what does not hold then is armed, over a restart as well."""
    after = made({"here": {"when": "days_since_seen < 0.5 && days_known > 1.0", "holdout": 0.0}})
    values = [event("old", START_MS), event("other", START_MS + 2 * DAY_MS), event("old", START_MS + 2 * DAY_MS)]
    assert ran(None, after, values) == [("old", 2)]
