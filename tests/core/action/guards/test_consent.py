"""Consent as events say it, in three forms: what each means, which counts, and that an event's word depends on no other event."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.action.action_runs import acted, plan
from tests.core.shops import cuts
from worker.core.action.guards.consent import Forms, in_own_form, source_of, state_of
from worker.core.action.portraits import interests
from worker.core.events.decoding import decode
from worker.core.events.hashing import stable_hash

FORMS = Forms(("ad_user_data", "ad_personalization"), ("Marketing", "Email"))
USER_DATA, PERSONAL, EXPORTED = "consent.ad_user_data", "consent.ad_personalization", "privacy_info.ad_user_data"
MARKETING, EMAIL = (f"context.consent.categoryPreferences.{name}" for name in ("Marketing", "Email"))
OTHER = "context.consent.categoryPreferences.Functional"

PLAN = plan()


def codes(events: list[dict[str, Any]], forms: Forms = FORMS) -> list[int]:
    values = [orjson.dumps({"event": "page_view", "user_id": "u", "timestamp": 1_700_000_000_000 + number} | event) for number, event in enumerate(events)]
    batch, rejected = decode(values, further=forms.fields)
    assert not rejected
    out: list[int] = forms.codes(batch.further, np.arange(len(events))).tolist()
    return out


def said(event: dict[str, Any], forms: Forms = FORMS) -> str:
    """The state and its source, in two words."""
    (code,) = codes([event], forms)
    return f"{state_of(code)} {source_of(code)}" if code else state_of(code)


@pytest.mark.parametrize(
    ("event", "means"),
    [
        ({"consent": "granted"}, "granted own"),
        ({"consent": False}, "denied own"),
        ({"consent": "unsubscribed"}, "unsubscribed own"),
        ({"consent": "perhaps"}, "unknown"),
        ({"consent": 1}, "unknown"),
        ({USER_DATA: "granted", PERSONAL: "granted"}, "granted ga4"),
        ({USER_DATA: "GRANTED", PERSONAL: "DENIED"}, "denied ga4"),
        ({PERSONAL: "denied"}, "denied ga4"),
        ({PERSONAL: "granted"}, "unknown"),  # an update of one purpose says nothing of the other
        ({USER_DATA: "granted", PERSONAL: "unset"}, "unknown"),
        ({USER_DATA: True, PERSONAL: True}, "granted ga4"),
        ({"consent.ad_storage": "denied"}, "unknown"),  # a purpose that the configuration does not name
        ({MARKETING: True, EMAIL: True}, "granted segment"),
        ({MARKETING: True, EMAIL: False}, "denied segment"),
        ({MARKETING: True}, "denied segment"),  # what the preferences leave out counts as refused
        ({MARKETING: True, EMAIL: None}, "denied segment"),
        ({MARKETING: "true", EMAIL: "true"}, "granted segment"),
        ({OTHER: False}, "unknown"),
        ({"consent": "granted", MARKETING: False, EMAIL: True}, "granted own"),  # the own form speaks of messages, and comes first
        ({USER_DATA: "granted", PERSONAL: "granted", MARKETING: False}, "denied segment"),  # of the others a no
        ({PERSONAL: "denied", MARKETING: True, EMAIL: True}, "denied ga4"),
        ({"consent": "denied", MARKETING: True, EMAIL: True}, "denied own"),
        ({"consent": "unsubscribed", MARKETING: True, EMAIL: True}, "unsubscribed own"),
        ({"consent": "perhaps", USER_DATA: "granted", PERSONAL: "granted"}, "granted ga4"),
    ],
)
def test_what_an_event_says(event: dict[str, Any], means: str) -> None:
    assert said(event) == means


def test_the_export_of_ga4_has_names_of_its_own() -> None:
    stored = Forms(("ads_storage",))
    assert [said({"privacy_info.ads_storage": word}, stored) for word in ("Yes", "No", "Unset")] == ["granted ga4", "denied ga4", "unknown"]


def test_a_form_that_is_not_configured_is_not_read() -> None:
    everything = {USER_DATA: "granted", PERSONAL: "granted", MARKETING: True, EMAIL: True}
    assert said(everything, Forms()) == "unknown"
    assert Forms().fields == ("consent",)
    batch, _ = decode([orjson.dumps({"event": "x", "user_id": "u", "timestamp": 0} | everything)], further=Forms().fields)
    assert sum(batch.unknown_fields.values()) == 4
    batch, _ = decode([orjson.dumps({"event": "x", "user_id": "u", "timestamp": 0} | everything)], further=FORMS.fields)
    assert not batch.unknown_fields


WORDS = st.sampled_from(["granted", "denied", "Granted", "unset", True, False, None, 0, 1, 1.0, ""])
EVENTS = st.dictionaries(st.sampled_from(["consent", USER_DATA, PERSONAL, EXPORTED, MARKETING, EMAIL, OTHER]), WORDS)


@given(st.lists(EVENTS, max_size=8))
def test_an_events_word_depends_on_that_event_alone(events: list[dict[str, Any]]) -> None:
    assert codes(events) == [codes([event])[0] for event in events]


def test_rows_of_the_time_before_sources_read_as_said_in_the_own_form() -> None:
    for word in ("granted", "denied", "unsubscribed"):
        assert (state_of(stable_hash(word)), source_of(stable_hash(word))) == (word, "own")


def test_conditions_see_the_state_whatever_its_source() -> None:
    events: list[dict[str, Any]] = [
        {"consent": "granted"},
        {USER_DATA: "granted", PERSONAL: "granted"},
        {MARKETING: True, EMAIL: True},
        {PERSONAL: "denied"},
        {},
    ]
    granted, denied = stable_hash("granted"), stable_hash("denied")
    assert in_own_form(np.array(codes(events), dtype=np.float64)).tolist() == [granted, granted, granted, denied, 0]


def row_after(events: list[dict[str, Any]], sizes: list[int], restarts: set[int]) -> tuple[str, str, int] | None:
    """What a user's row says at the end of events at their `timestamp`s: state, source, time."""
    values = [orjson.dumps({"event": "page_view", "user_id": "u"} | event) for event in events]
    run = acted(values, sizes, PLAN, restarts)
    action = run.pipeline.action
    assert action is not None
    said, said_ms = action.state.interests[0, [interests.CONSENT, interests.CONSENT_MS]]
    return (state_of(said), source_of(said), int(said_ms)) if said else None


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(range(6))), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_own_form_counts_before_the_others_and_then_what_was_said_last(spoken: list[tuple[int, int]], chance: random.Random) -> None:
    words: list[dict[str, Any]] = [
        {},
        {"consent": "granted"},
        {"consent": "unsubscribed"},
        {USER_DATA: "granted", PERSONAL: "granted"},
        {PERSONAL: "denied"},
        {MARKETING: True},
    ]
    times = [1_700_000_000_000 + 1_000 * second for second, _ in spoken]
    events = [{"timestamp": time_ms} | words[word] for time_ms, (_, word) in zip(times, spoken, strict=True)]
    expected, best = None, (False, -1)
    for event, time_ms in zip(events, times, strict=True):
        (code,) = codes([event], Forms(("ad_user_data", "ad_personalization"), ("Marketing",)))
        if code and (weight := (code > 0, time_ms)) >= best:
            expected, best = (state_of(code), source_of(code), time_ms), weight
    sizes = cuts(chance, len(events), 4)
    assert row_after(events, sizes, {n for n in range(1, len(sizes)) if chance.random() < 0.5}) == expected


def test_a_banners_yes_does_not_undo_an_unsubscribing() -> None:
    yes = {USER_DATA: "granted", PERSONAL: "granted"}
    start_ms = 1_700_000_000_000
    said: list[tuple[int, dict[str, Any]]] = [(0, yes), (9_000, yes), (5_000, {"consent": "unsubscribed"}), (10_000, yes)]  # the third comes late
    events = [{"timestamp": start_ms + after_ms} | words for after_ms, words in said]
    assert row_after(events, [4], set()) == row_after(events, [1, 1, 1, 1], {2, 3}) == ("unsubscribed", "own", start_ms + 5_000)
