"""A configuration of segments and rules is checked as a whole, and what another one remembered is read as far as it still means something."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.core.action.action_runs import plan
from tests.core.runs import DEFAULTS
from worker.core.action.guards.guards import Held, Memory
from worker.core.action.plan import PlanError, plan_of
from worker.core.action.settings import ActionSettings
from worker.core.action.state import ActionState, read
from worker.core.state.changelog import Restored, StateRefused


@pytest.mark.parametrize(
    ("segments", "triggers", "action", "path", "message"),
    [
        ({"vip": {"when": "spend"}}, {}, {}, ("segments", "vip", "when"), "not a condition"),
        ({"vip": {"when": "spend > 1", "stay": "spnd > 1"}}, {}, {}, ("segments", "vip", "stay"), "did you mean spend?"),
        ({"vip": {"when": "segments.vip"}}, {}, {}, ("segments", "vip", "when"), "no field"),
        ({}, {"go": {"when": "segments.vip"}}, {}, ("triggers", "go", "when"), "no field"),
        ({f"s{number}": {"when": "true"} for number in range(63)}, {}, {}, ("segments",), "more than 62"),
        ({"vip": {"when": "true"}}, {}, {"at_risk_after": "30 d"}, ("action", "lost_after"), "longer than"),
    ],
)
def test_what_does_not_hold_together_is_refused_with_its_place(
    segments: dict[str, Any], triggers: dict[str, Any], action: dict[str, Any], path: tuple[str, ...], message: str
) -> None:
    with pytest.raises(PlanError) as refused:
        plan(segments, triggers, action)
    assert (refused.value.path, message in str(refused.value)) == (path, True)


def test_without_segments_and_rules_there_is_no_plan() -> None:
    assert plan_of(DEFAULTS.targets, {}, {}, ActionSettings()) is None


@pytest.mark.parametrize("wrong", [{"timezone": "Berlin"}, {"timezones": {"DE": "CET+1"}}, {"quiet_from": "24:00"}, {"quiet_until": "8"}])
def test_a_setting_that_is_no_zone_or_time_of_day_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ActionSettings.model_validate(wrong)


def test_another_configurations_record_is_read_by_name() -> None:
    state = ActionState(["a", "b"], {"x": "01", "y": "02"})
    state.reserve(1)
    state.segments_on[0], state.rules_on[0] = 0b10, 0b11
    state.memory[0] = Memory([(5, "x")], [Held(rule, "t", "0-1", 1, 2, 3) for rule in ("x", "y")])
    other = ActionState(["b", "c"], {"y": "02", "z": "03"})
    other.restore({2: read(state.values([0])[0])})
    assert (int(other.segments_on[2]), int(other.rules_on[2]), int(other.rules_new[2])) == (0b01, 0b1, 0b10)
    assert other.memory[2] == Memory([(5, "x")], [Held("y", "t", "0-1", 1, 2, 3)])


@pytest.mark.parametrize("value", [b"{", b"[]", b'{"schema":2}', b'{"schema":1,"interests":1,"row":"AAAA"}', b'{"schema":1,"interests":9,"row":""}'])
def test_a_record_that_cannot_be_read_is_refused_unless_another_follows(value: bytes) -> None:
    changelog = Restored()
    changelog.apply(b"a:u1", value)
    with pytest.raises(StateRefused):
        changelog.action_records()
    changelog.apply(b"a:u1", None)
    assert changelog.action_records() == {}
