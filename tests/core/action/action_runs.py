"""Streams with consent and time zones, and pipelines with segments and rules run over them: cut into turns at will, restored at will."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.core.runs import DEFAULTS, scorecards
from tests.core.shops import Value, shops
from worker.core.action.plan import Plan, plan_of
from worker.core.action.settings import ActionSettings, SegmentSettings, TriggerSettings
from worker.core.labels.examples import Example
from worker.core.pipeline import Pipeline, Turn
from worker.core.state.changelog import Restored

SEGMENTS = {
    "shoppers": {"when": "purchases > 0 && days_since_purchase < 7.0"},
    "keen": {"when": "purchase.p > 0.06", "stay": "purchase.p > 0.04"},
    "quiet": {"when": "stage in ['at_risk', 'lost'] || days_since_seen >= 2.0"},
    "hatters": {"when": "favourite_category == 'hats' && favourite_share > 0.5"},
}
TRIGGERS: dict[str, dict[str, Any]] = {
    "hurry": {"when": "segments.keen && cart_value >= 0.0", "stay": "purchase.p > 0.045", "priority": 5, "holdout": 0.2, "cap": 2},
    "return": {"when": "segments.quiet", "holdout": 0.0, "expiry": "6 h", "cap_days": 3},
    "churning": {"when": "churn.p > 0.3", "stay": "churn.p > 0.2", "holdout": 0.0, "cooldown": "5 h", "cap": 5},
    "leaving": {"when": "!segments.shoppers", "holdout": 0.5, "cancel_by_purchase": False},
}
ACTION = {
    "quiet_from": "20:00",
    "quiet_until": "07:30",
    "timezone": "Europe/Berlin",
    "timezones": {"FR": "Pacific/Auckland"},
    "cap": 3,
    "cap_days": 2,
    "suppressed": ["u6"],
    "consent_ga4": ["ad_user_data", "ad_personalization"],
    "consent_segment": ["Marketing"],
}
ZONES = ("America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "no/where", 5)
MODES = ("granted", "DENIED", "Granted", "unset", True, 1)
SAID = ("granted", "granted", "granted", "granted", "denied", "unsubscribed", True, False, "perhaps", 1)


def plan(segments: dict[str, Any] = SEGMENTS, triggers: dict[str, Any] = TRIGGERS, action: dict[str, Any] = ACTION, seed: int = 0) -> Plan:
    """A plan over the default targets."""
    made = plan_of(
        DEFAULTS.targets,
        {name: SegmentSettings.model_validate(table) for name, table in segments.items()},
        {name: TriggerSettings.model_validate(table) for name, table in triggers.items()},
        ActionSettings.model_validate(action),
        seed,
    )
    assert made is not None
    return made


def spoken(values: Sequence[Value], choices: Sequence[int]) -> list[Value]:
    """The records, some with a word on consent or a time zone; records that are no objects stay as they are."""
    out: list[Value] = []
    for number, value in enumerate(values):
        choice = choices[number % len(choices)] if choices else 0
        if value is None or not value.endswith(b"}") or b"nested" in value:
            out.append(value)
            continue
        record = json.loads(value)
        if choice % 3:
            record["consent"] = SAID[choice % len(SAID)]
        if choice % 7 == 1:
            record["consent.ad_user_data"] = record["consent.ad_personalization"] = MODES[choice % len(MODES)]
        if choice % 7 == 2:
            record["context.consent.categoryPreferences.Marketing"] = choice % 2 == 0
        if choice % 5 == 1:
            record["timezone"] = ZONES[choice % len(ZONES)]
        out.append(json.dumps(record).encode())
    return out


def streams(max_size: int = 50) -> st.SearchStrategy[list[Value]]:
    """Streams of up to `max_size` records with consent and time zones."""
    return st.builds(spoken, shops(max_size), st.lists(st.integers(0, 89), min_size=1, max_size=20))


@dataclass
class ActionRun:
    """All that a pipeline published of segments and triggers, by user, and its changelog."""

    pipeline: Pipeline
    plan: Plan | None
    segments: dict[str, list[bytes | None]] = field(default_factory=lambda: defaultdict(list))
    triggers: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    scores: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    changelog: dict[bytes, bytes] = field(default_factory=dict)
    in_order: list[dict[str, Any]] = field(default_factory=list)
    learnable: dict[str, list[Example]] = field(default_factory=lambda: defaultdict(list))  # by pseudonym

    def take(self, turn: Turn) -> None:
        """Note what a turn publishes."""
        for user, value in turn.segments:
            self.segments[user].append(value)
        for user, record in turn.triggers:
            self.triggers[user].append(json.loads(record))
            self.in_order.append(json.loads(record))
        for example in turn.examples:
            if isinstance(example, Example):
                self.learnable[example.user].append(example)
        for user, record in turn.scores:
            self.scores[user].append(record)
        for key, changed in turn.changes:
            if changed is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = changed

    def restart(self) -> None:
        """Let a new pipeline go on from the changelog."""
        changelog = Restored()
        for key, value in self.changelog.items():
            changelog.apply(key, value)
        self.pipeline = Pipeline(self.pipeline.settings, plan=self.plan)
        self.pipeline.restore(changelog)

    def learnt(self) -> dict[str, list[bytes]]:
        """The examples; in which order those of a late event's silence come, which mature at once, depends on the cut."""
        return {user: sorted(example.encode() for example in examples) for user, examples in self.learnable.items()}

    def of_action(self) -> dict[bytes, bytes]:
        """The changelog's records of segments, triggers and experiments."""
        return {key: value for key, value in self.changelog.items() if key.startswith((b"a:", b"r:"))}


def acted(
    values: Sequence[Value],
    sizes: Sequence[int] | None = None,
    made: Plan | None = None,
    restarts: Collection[int] = (),
    spread: float = 0.6,
) -> ActionRun:
    """Take a stream in turns of these sizes (all at once where none are given), restored before the turns in `restarts`."""
    cards = scorecards(spread=spread)
    out = ActionRun(Pipeline(DEFAULTS, plan=made), made)
    position = 0
    for number, size in enumerate(sizes if sizes is not None else [len(values)]):
        if number in restarts:
            out.restart()
        out.take(out.pipeline.turn(values[position : position + size], range(position, position + size), cards))
        position += size
    out.take(out.pipeline.finish(cards))
    return out
