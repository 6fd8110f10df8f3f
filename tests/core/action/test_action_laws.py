"""Segments and triggers come out the same however the input is cut, also after a restart from the changelog; and guards hold whatever comes."""

from __future__ import annotations

import random
from datetime import datetime

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.core.action.action_runs import TRIGGERS, ZONES, ActionRun, acted, plan, spoken, streams
from tests.core.shops import Value, cuts, shop
from worker.core.action.guards.guards import REASONS

PLAN = plan()
PHASES = tuple(phase for phase in Phase if phase != Phase.shrink)  # a stream of whole turns takes minutes to shrink


def assert_same(one: ActionRun, other: ActionRun) -> None:
    assert one.segments == other.segments
    assert one.triggers == other.triggers
    assert one.of_action() == other.of_action()
    assert one.scores == other.scores
    assert one.learnt() == other.learnt()


@settings(max_examples=15, phases=PHASES)
@given(streams(), st.randoms(use_true_random=False))
def test_turns_of_any_size_come_out_as_one_turn(values: list[Value], chance: random.Random) -> None:
    whole = acted(values, made=PLAN)
    assert_same(whole, acted(values, cuts(chance, len(values), 12), PLAN))
    assert_same(whole, acted(values, [1] * len(values), PLAN))


@settings(max_examples=15, phases=PHASES)
@given(streams(), st.randoms(use_true_random=False))
def test_a_restored_pipeline_goes_on_as_if_nothing_had_happened(values: list[Value], chance: random.Random) -> None:
    sizes = cuts(chance, len(values), 5)
    assert_same(acted(values, made=PLAN), acted(values, sizes, PLAN, restarts={n for n in range(1, len(sizes)) if chance.random() < 0.6}))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_longer_stream_with_everything_in_it(seed: int) -> None:
    chance = random.Random(seed)
    values = spoken(shop(seed, 800), [chance.randrange(90) for _ in range(97)])
    whole = acted(values, made=PLAN)
    reasons = {record["reason"] for record in whole.in_order if record["result"] == "suppressed"}
    assert reasons <= set(REASONS)
    assert {"consent_unknown", "consent_denied", "unsubscribed", "holdout", "faded", "expired"} <= reasons
    sizes = cuts(chance, len(values), 70)
    assert_same(whole, acted(values, sizes, PLAN, restarts=set(range(1, len(sizes), 3))))


@settings(max_examples=15, phases=PHASES)
@given(streams())
def test_a_cap_is_never_exceeded_in_any_calendar_day_of_the_users_zone(values: list[Value]) -> None:
    settled = [value if value is None else value.replace(b'"timezone"', b'"elsewhere"').replace(b'"country"', b'"land"') for value in values]
    limits = {name: (table.get("cap", 1), table.get("cap_days", 1)) for name, table in TRIGGERS.items()}
    for records in acted(settled, made=PLAN).triggers.values():
        days = [(datetime.fromisoformat(record["local_time"]).toordinal(), record["rule"]) for record in records if record["result"] == "fired"]
        for day, _ in days:
            for rule, (cap, span) in limits.items():
                assert sum(day - span < other <= day for other, name in days if name == rule) <= cap
            assert sum(day - 2 < other <= day for other, _ in days) <= 3


@settings(max_examples=15, phases=PHASES)
@given(streams())
def test_with_consent_unknown_nothing_fires_and_nothing_is_held(values: list[Value]) -> None:
    silent = [value if value is None else value.replace(b"consent", b"agreement") for value in values]
    results = {record["result"] for record in acted(silent, made=PLAN).in_order}
    assert results <= {"suppressed"}


@settings(max_examples=15, phases=PHASES)
@given(streams())
def test_nothing_fires_in_quiet_hours_and_what_was_held_is_judged_once_as_they_end(values: list[Value]) -> None:
    for records in acted(values, made=PLAN).triggers.values():
        assert len({(record["trigger_id"], record["result"] == "held") for record in records}) == len(records)
        held = {record["trigger_id"]: record["until_ms"] for record in records if record["result"] == "held"}
        for record in records:
            if record["result"] == "fired":
                assert "07:30" <= record["local_time"][11:16] < "20:00"
            if record["result"] != "held" and record["trigger_id"] in held:
                assert record["time_ms"] == held[record["trigger_id"]]


@settings(max_examples=10, phases=PHASES)
@given(streams())
def test_scores_and_the_rest_of_the_changelog_are_the_same_without_segments_and_triggers(values: list[Value]) -> None:
    plain, busy = acted(values), acted(values, made=PLAN)
    assert plain.scores == busy.scores
    assert (plain.segments, plain.triggers, plain.of_action()) == ({}, {}, {})
    zones = {key for key, value in busy.changelog.items() if value.strip(b'"').decode() in ZONES}
    assert plain.changelog == {key: value for key, value in busy.changelog.items() if not key.startswith((b"a:", b"r:")) and key not in zones}
