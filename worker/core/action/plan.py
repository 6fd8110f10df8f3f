"""The configuration's segments and rules, checked and made ready: what a turn works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from worker.core.action.expressions import ExpressionError, Tree, Type, names_in, parse
from worker.core.action.guards import Limits, Rule
from worker.core.action.local_time import zone_named
from worker.core.action.portraits import Portraits, Stages
from worker.core.action.settings import ActionSettings, SegmentSettings, TriggerSettings, minute_of
from worker.core.events.hashing import stable_hash
from worker.core.settings import TargetSettings

MOST_LATCHES = 62  # segments and rules of a configuration, each: a user's are the bits of one number


@dataclass(frozen=True, slots=True)
class Latch:
    """A condition with its two lines, the fields that `when` reads, and the targets that it speaks of."""

    name: str
    when: Tree
    stay: Tree
    reads: tuple[str, ...]
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that segments and rules need, ready to work."""

    portraits: Portraits
    segments: tuple[Latch, ...]
    latches: tuple[Latch, ...]  # of the rules, by falling priority, then by name
    rules: dict[str, Rule]
    limits: Limits
    zone: ZoneInfo
    zone_of_country: dict[int, ZoneInfo]  # by hash


class PlanError(ValueError):
    """A segment or rule that does not hold together, with the keys that it stands at."""

    def __init__(self, path: tuple[str, ...], what: str) -> None:
        super().__init__(what)
        self.path = path


def plan_of(
    targets: Mapping[str, TargetSettings],
    segments: Mapping[str, SegmentSettings],
    triggers: Mapping[str, TriggerSettings],
    action: ActionSettings,
    seed: int = 0,
) -> Plan | None:
    """Check and compile a configuration's segments and rules; None where there are none. Raises PlanError."""
    rules = {name: rule for name, rule in triggers.items() if rule.enabled}
    if not segments and not rules:
        return None
    if max(len(segments), len(rules)) > MOST_LATCHES:
        raise PlanError(("segments",) if len(segments) > MOST_LATCHES else ("triggers",), f"more than {MOST_LATCHES} of them are configured")
    if action.lost_after_ms <= action.at_risk_after_ms:
        raise PlanError(("action", "lost_after"), "a user is at risk before being lost: make lost_after longer than at_risk_after")
    enabled = [name for name, target in targets.items() if target.enabled]
    portraits = Portraits(enabled, Stages(action.new_for_ms, action.at_risk_after_ms, action.lost_after_ms))
    types = portraits.types()
    compiled = [_latch(name, segment, types, enabled, "segments", {}) for name, segment in segments.items()]
    of_segment = {latch.name: latch.targets for latch in compiled}
    ordered = sorted(rules.items(), key=lambda item: (-item[1].priority, item[0]))
    with_segments = portraits.types(segments)
    return Plan(
        portraits,
        tuple(compiled),
        tuple(_latch(name, rule, with_segments, enabled, "triggers", of_segment) for name, rule in ordered),
        {name: _rule(name, rule) for name, rule in rules.items()},
        Limits(action.cap, action.cap_days, (minute_of(action.quiet_from), minute_of(action.quiet_until)), frozenset(action.suppressed), seed),
        _zone(action.timezone),
        {stable_hash(country): _zone(zone) for country, zone in action.timezones.items()},
    )


def _zone(name: str) -> ZoneInfo:
    zone = zone_named(name)
    assert zone is not None, "the settings let only known zones through"
    return zone


def _rule(name: str, rule: TriggerSettings) -> Rule:
    return Rule(name, rule.priority, rule.cap, rule.cap_days, rule.cooldown_ms, rule.expiry_ms, rule.holdout, rule.cancel_by_purchase)


def _latch(
    name: str,
    settings: SegmentSettings | TriggerSettings,
    types: Mapping[str, Type],
    targets: list[str],
    table: str,
    of_segment: Mapping[str, tuple[int, ...]],
) -> Latch:
    when = _parsed(settings.when, types, (table, name, "when"))
    stay = _parsed(settings.stay, types, (table, name, "stay")) if settings.stay.strip() else when
    read = tuple(dict.fromkeys(names_in(when)))
    every = {*read, *names_in(stay)}
    spoken = {number for number, target in enumerate(targets) if f"{target}.p" in every or f"{target}.lift" in every}
    for segment, numbers in of_segment.items():
        if f"segments.{segment}" in every:
            spoken.update(numbers)
    return Latch(name, when, stay, read, tuple(sorted(spoken)))


def _parsed(text: str, types: Mapping[str, Type], path: tuple[str, ...]) -> Tree:
    try:
        return parse(text, types)
    except ExpressionError as error:
        raise PlanError(path, str(error)) from None
