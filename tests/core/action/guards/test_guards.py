"""Guards: caps in calendar days of any zone, the order in which they object, and holdouts that depend on nothing but rule and user."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.core.action.guards.consent import Consent
from worker.core.action.guards.guards import FIRED, Guards, Held, Limits, Memory, Person, Rule, held_out, trigger_id
from worker.core.action.guards.local_time import local_day
from worker.core.settings import HOUR_MS

START_MS = 1_616_800_000_000  # 26 March 2021: two days later clocks change in Europe
RULES = {name: Rule(name, 0, 2, 1, 0, 24 * HOUR_MS, 0.0, cancel_by_purchase=True) for name in ("a", "b")}
LIMITS = Limits(3, 2, (0, 0), frozenset(), 0)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Auckland", "UTC"])


def person(user: str = "u1", consent: Consent = "granted", zone: str = "UTC") -> Person:
    return Person(user, consent, ZoneInfo(zone))


@settings(max_examples=100)
@given(ZONES, st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=4, max_size=60))
def test_a_cap_is_reached_and_never_exceeded_in_any_calendar_day(zone: str, crossings: list[tuple[str, int]]) -> None:
    guards, memory, now_ms = Guards(RULES, LIMITS), Memory(), START_MS
    fired: Counter[tuple[int, str]] = Counter()
    for name, hours in crossings:
        now_ms += hours * HOUR_MS
        day = local_day(now_ms, ZoneInfo(zone))
        both = sum(fired[other, rule] for other in (day - 1, day) for rule in RULES)
        room = fired[day, name] < 2 and both < 3
        verdict = guards.judge(RULES[name], person(zone=zone), memory, now_ms)
        assert (verdict.result == "fired") == room
        assert room or verdict.reason == ("cap" if fired[day, name] >= 2 else "cap_of_all")
        fired[day, name] += verdict.result == "fired"


def test_the_first_guard_that_objects_decides() -> None:
    night = replace(LIMITS, cap=1, quiet=(0, 1439), suppressed=frozenset({"u1"}))
    rule = replace(RULES["a"], holdout=0.999999, cooldown_ms=HOUR_MS, cap=1)
    full = Memory([(START_MS, "a")])

    def verdict(guards: Guards, rule: Rule, memory: Memory, consent: Consent = "granted") -> str | None:
        return guards.judge(rule, person(consent=consent), memory, START_MS + 1).reason

    consents: tuple[Consent, ...] = ("unknown", "denied", "unsubscribed", "granted")
    assert [verdict(Guards(RULES, night), rule, full, consent) for consent in consents] == [
        "consent_unknown",
        "consent_denied",
        "unsubscribed",
        "suppression_list",
    ]
    night = replace(night, suppressed=frozenset())
    assert verdict(Guards(RULES, night), rule, full) == "holdout"
    rule = replace(rule, holdout=0.0)
    assert verdict(Guards(RULES, night), rule, full) == "cap"
    rule = replace(rule, cap=2)
    assert verdict(Guards(RULES, night), rule, full) == "cap_of_all"
    night = replace(night, cap=2)
    assert verdict(Guards(RULES, night), rule, full) == "cooldown"
    assert verdict(Guards(RULES, night), replace(rule, cooldown_ms=0), full) == "quiet_hours"
    held = Memory([], [Held("a", "t", "0-1", START_MS, START_MS, START_MS + HOUR_MS)])
    assert verdict(Guards(RULES, night), rule, held) == "held_already"
    assert Guards(RULES, replace(night, quiet=(0, 0))).judge(rule, person(), Memory(), START_MS) == FIRED


@pytest.mark.parametrize(
    ("now_ms", "stands", "purchased_ms", "reason"),
    [
        (START_MS + HOUR_MS, True, 0, None),
        (START_MS + HOUR_MS, True, START_MS, None),  # the purchase was what crossed the line
        (START_MS + HOUR_MS, True, START_MS + 1, "purchased"),
        (START_MS + HOUR_MS, False, 0, "faded"),
        (START_MS + 24 * HOUR_MS, True, 0, None),
        (START_MS + 24 * HOUR_MS + 1, True, 0, "expired"),
    ],
)
def test_a_held_trigger_is_judged_by_the_moment_at_which_quiet_hours_end(now_ms: int, stands: bool, purchased_ms: int, reason: str | None) -> None:
    held = Held("a", "t", "0-1", START_MS, START_MS, now_ms)
    verdict = Guards(RULES, LIMITS).judge_again(RULES["a"], held, person(), Memory(), now_ms, stands=stands, purchased_ms=purchased_ms)
    assert (verdict.result, verdict.reason) == ("suppressed" if reason else "fired", reason)


def test_a_holdout_is_a_share_of_users_and_of_each_rule_another() -> None:
    users = [f"u{number}" for number in range(4000)]
    out = {name: {user for user in users if held_out(replace(rule, holdout=0.25), user, 7)} for name, rule in RULES.items()}
    assert all(abs(len(group) - 1000) < 120 for group in out.values())
    assert abs(len(out["a"] & out["b"]) - 250) < 75
    assert not any(held_out(RULES["a"], user, 7) for user in users)


def test_a_triggers_id_tells_rule_user_and_crossing_apart() -> None:
    parts = [(rule, user, score) for rule in ("a", "b") for user in ("u1", "u2") for score in ("0-1", "0-1.1")]
    assert len({trigger_id(*part) for part in parts}) == len(parts)
    assert trigger_id("a", "u1", "0-1") == trigger_id("a", "u1", "0-1")
