"""The configuration's segments and rules, checked and made ready: what a turn works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from zoneinfo import ZoneInfo

from worker.core.action.guards.consent import Forms
from worker.core.action.guards.guards import Limits, Rule
from worker.core.action.guards.local_time import zone_named
from worker.core.action.language.expressions import ExpressionError, Tree, Type, Value, names_in, parse
from worker.core.action.portraits.fields import Portraits, Stages
from worker.core.action.portraits.interests import Wanted
from worker.core.action.settings import ActionSettings, SegmentSettings, TriggerSettings, minute_of
from worker.core.events.hashing import stable_hash
from worker.core.settings import TargetSettings
from worker.core.uplift.assignments import Experiment

MOST_LATCHES = 62  # segments and rules of a configuration, each: a user's are the bits of one number


@dataclass(frozen=True, slots=True)
class Latch:
    """A condition with its two lines, the fields that `when` reads, the targets that it speaks of, and its mark: that of another condition is another."""

    name: str
    when: Tree
    stay: Tree
    reads: tuple[str, ...]
    targets: tuple[int, ...]
    mark: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that segments and rules need, ready to work."""

    portraits: Portraits
    segments: tuple[Latch, ...]
    latches: tuple[Latch, ...]  # of the rules, by falling priority, then by name
    rules: dict[str, Rule]
    limits: Limits
    forms: Forms  # of consent
    zone: ZoneInfo
    zone_of_country: dict[int, ZoneInfo]  # by hash

    @property
    def reads(self) -> frozenset[str]:
        """The fields that any line names."""
        return frozenset(name for latch in (*self.segments, *self.latches) for tree in (latch.when, latch.stay) for name in names_in(tree))

    @property
    def wanted(self) -> Wanted:
        """What of interests has to be known at every score."""
        reads = self.reads
        return Wanted(not reads.isdisjoint(("favourite_category", "favourite_share")), "usual_hour" in reads)

    @property
    def experiments(self) -> list[Experiment]:
        """One of each rule, in the order of the latches: whether it helps."""
        ruled = [(self.rules[latch.name], latch.mark) for latch in self.latches]
        return [Experiment(rule.name, rule.window_ms, rule.holdout, self.limits.seed, mark) for rule, mark in ruled]


class PlanError(ValueError):
    """A segment or rule that does not hold together: the keys that it stands at, what is wrong, what to do, and the place within a condition."""

    def __init__(self, path: tuple[str, ...], what: str, todo: str = "", place: str = "") -> None:
        super().__init__(what + (f": {todo}" if todo else "") + (f", at {place}" if place else ""))
        self.path, self.what, self.todo, self.place = path, what, todo, place


def plan_of(
    targets: Mapping[str, TargetSettings],
    segments: Mapping[str, SegmentSettings],
    triggers: Mapping[str, TriggerSettings],
    action: ActionSettings,
    seed: int = 0,
) -> Plan | None:
    """Check and compile a configuration's segments and rules; None where there are none. Raises PlanError, the first of `faults_of`."""
    rules = {name: rule for name, rule in triggers.items() if rule.enabled}
    if not segments and not rules:
        return None
    compiler = _Compiler(targets, segments, rules, action)
    for fault in compiler.faults:
        raise fault
    return Plan(
        compiler.portraits,
        tuple(compiler.segments),
        tuple(compiler.latches),
        {name: _rule(name, rule) for name, rule in rules.items()},
        Limits(action.cap, action.cap_days, (minute_of(action.quiet_from), minute_of(action.quiet_until)), frozenset(action.suppressed), seed),
        Forms(action.consent_ga4, action.consent_segment),
        _zone(action.timezone),
        {stable_hash(country): _zone(zone) for country, zone in action.timezones.items()},
    )


def faults_of(
    targets: Mapping[str, TargetSettings], segments: Mapping[str, SegmentSettings], triggers: Mapping[str, TriggerSettings], action: ActionSettings
) -> list[PlanError]:
    """Everything that does not hold together in a configuration's segments and rules, those that are turned off included."""
    return _Compiler(targets, segments, triggers, action).faults


class _Compiler:
    """Conditions become latches; what is wrong with them is gathered."""

    def __init__(
        self,
        targets: Mapping[str, TargetSettings],
        segments: Mapping[str, SegmentSettings],
        rules: Mapping[str, TriggerSettings],
        action: ActionSettings,
    ) -> None:
        self.faults: list[PlanError] = []
        self.targets = [name for name, target in targets.items() if target.enabled]
        self.portraits = Portraits(self.targets, Stages(action.new_for_ms, action.at_risk_after_ms, action.lost_after_ms))
        self.of_segment: dict[str, Latch] = {}
        self._check(segments, rules, action)
        types = self.portraits.types()
        self.segments = [self._latch(name, segment, types, "segments") for name, segment in segments.items()]
        self.of_segment = {latch.name: latch for latch in self.segments}
        ordered = sorted(rules.items(), key=lambda item: (-item[1].priority, item[0]))
        types = self.portraits.types(segments)
        self.latches = [self._latch(name, rule, types, "triggers") for name, rule in ordered]

    def _check(self, segments: Mapping[str, SegmentSettings], rules: Mapping[str, TriggerSettings], action: ActionSettings) -> None:
        for table, configured in (("segments", len(segments)), ("triggers", len(rules))):
            if configured > MOST_LATCHES:
                self.faults.append(PlanError((table,), f"more than {MOST_LATCHES} of them are configured", "take some out"))
        if action.lost_after_ms <= action.at_risk_after_ms:
            self.faults.append(PlanError(("action", "lost_after"), "a user is at risk before being lost", "make lost_after longer than at_risk_after"))

    def _latch(self, name: str, settings: SegmentSettings | TriggerSettings, types: Mapping[str, Type], table: str) -> Latch:
        when = self._parsed(settings.when, types, (table, name, "when"))
        stay = self._parsed(settings.stay, types, (table, name, "stay")) if settings.stay.strip() else when
        read = tuple(dict.fromkeys(names_in(when)))
        every = {*read, *names_in(stay)}
        spoken = {number for number, target in enumerate(self.targets) if f"{target}.p" in every or f"{target}.lift" in every}
        lines = [name, settings.when]
        for segment, latch in self.of_segment.items():
            if f"segments.{segment}" in every:
                spoken.update(latch.targets)
                lines.append(latch.mark)
        return Latch(name, when, stay, read, tuple(sorted(spoken)), _mark(lines if table == "triggers" else [*lines, settings.stay]))

    def _parsed(self, text: str, types: Mapping[str, Type], path: tuple[str, ...]) -> Tree:
        try:
            return parse(text, types)
        except ExpressionError as error:
            self.faults.append(PlanError(path, error.what, error.todo, error.place))
            return Value(False, "flag")


def _mark(lines: list[str]) -> str:
    """What tells a condition from what it was before: eight hexadecimal digits of a hash. A rule's line for staying on decides nothing about who crosses."""
    return blake2b("\0".join(lines).encode(), digest_size=4).hexdigest()


def _zone(name: str) -> ZoneInfo:
    zone = zone_named(name)
    assert zone is not None, "the settings let only known zones through"
    return zone


def _rule(name: str, rule: TriggerSettings) -> Rule:
    return Rule(name, rule.priority, rule.cap, rule.cap_days, rule.cooldown_ms, rule.expiry_ms, rule.holdout, rule.cancel_by_purchase, rule.window_ms)
