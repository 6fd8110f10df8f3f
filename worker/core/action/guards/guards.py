"""Guards: what stands between a crossing and a message, in one fixed order, with what each user's guards remember.

    consent, suppression, holdout, cap of the rule, cap over all rules, cooldown, quiet hours

The first one that objects decides. All but the last suppress; quiet hours hold, and when they end the rule is judged again with the score of that moment.
Days are calendar days of the user's time zone. Holdout comes before everything that depends on time, so that who is held out does not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from worker.core.action.guards.consent import Consent
from worker.core.action.guards.local_time import local_day, quiet_until
from worker.core.settings import DAY_MS
from worker.core.uplift.assignments import Assignment

Result = Literal["fired", "held", "suppressed"]
REASONS = (
    "consent_unknown",
    "consent_denied",
    "unsubscribed",
    "suppression_list",
    "holdout",
    "cap",
    "cap_of_all",
    "cooldown",
    "quiet_hours",
    "held_already",
    "purchased",
    "expired",
    "faded",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What guards must know of a rule."""

    name: str
    priority: int
    cap: int
    cap_days: int
    cooldown_ms: int
    expiry_ms: int
    holdout: float
    cancel_by_purchase: bool
    window_ms: int = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for all rules together."""

    cap: int
    cap_days: int
    quiet: tuple[int, int]  # minutes of the day
    suppressed: frozenset[str]
    seed: int


@dataclass(slots=True)
class Held:
    """A trigger that waits for the end of quiet hours."""

    rule: str
    trigger_id: str
    score_id: str
    crossed_ms: int  # the event time of the score that crossed the line
    decided_ms: int  # when that was known
    until_ms: int


@dataclass(slots=True)
class Memory:
    """What is remembered of one user's crossings: what fired, as long as a cap, a cooldown or an example asks, what is held, and the arms of experiments."""

    fired: list[tuple[int, str]] = field(default_factory=list)  # instant, rule
    held: list[Held] = field(default_factory=list)
    assigned: list[Assignment] = field(default_factory=list)
    let_go: list[int] = field(default_factory=list)  # instants that this turn has dropped from `fired`; not remembered beyond it

    def drop_fired(self, until_ms: int) -> None:
        """Forget what fired up to an instant."""
        if not self.fired or self.fired[0][0] > until_ms:  # in the order of time
            return
        self.let_go += [at for at, _ in self.fired if at <= until_ms]
        self.fired = [(at, name) for at, name in self.fired if at > until_ms]

    def __bool__(self) -> bool:
        return bool(self.fired or self.held or self.assigned)


class Person(NamedTuple):
    """A user as guards see them at one moment."""

    user_id: str
    consent: Consent
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Verdict:
    """What guards say: fired without a reason, held or suppressed with one; `until_ms` is when to judge again."""

    result: Result
    reason: str | None = None
    until_ms: int = 0


FIRED = Verdict("fired")
_SUPPRESSED = {reason: Verdict("suppressed", reason) for reason in REASONS}
_LASTING = frozenset(REASONS[: REASONS.index("holdout")])


def trigger_id(rule: str, user_id: str, score_id: str) -> str:
    """The id of what a rule made of one crossing: the same after any crash and in any run over the same input."""
    return blake2b("\0".join((rule, user_id, score_id)).encode(), digest_size=16).hexdigest()


def held_out(rule: Rule, user_id: str, seed: int) -> bool:
    """Whether a user belongs to those whom a rule never reaches: a stable hash, independent from rule to rule."""
    draw = _draw(rule.name, seed).copy()
    draw.update(user_id.encode())
    return int.from_bytes(draw.digest(), "little") < rule.holdout * 2**64


@lru_cache(maxsize=1024)
def _draw(rule: str, seed: int) -> blake2b:
    """The part of a rule's hash that is the same for all users."""
    return blake2b(f"holdout\0{seed}\0{rule}\0".encode(), digest_size=8)


def assigns(verdict: Verdict) -> bool:
    """Whether a crossing counts for the rule's experiment: nothing lasting but the holdout was in its way."""
    return verdict.reason not in _LASTING


class Guards:
    """Judges crossings, one user's in the order of time."""

    def __init__(self, rules: dict[str, Rule], limits: Limits, keep_ms: int = 0) -> None:
        """What fired is remembered for keep_ms, or longer where a cap or a cooldown asks."""
        self.rules = rules
        self.limits = limits
        days = max([limits.cap_days, *(rule.cap_days for rule in rules.values())])
        cooldown_ms = max((rule.cooldown_ms for rule in rules.values()), default=0)
        self._asked_ms = max((days + 2) * DAY_MS, cooldown_ms)  # a calendar day is at most 26 h from any instant of it
        self._keep_ms = max(self._asked_ms, keep_ms)

    def judge(self, rule: Rule, person: Person, memory: Memory, now_ms: int) -> Verdict:
        """Take a crossing through the guards; what fires is remembered."""
        verdict = self._lasting(rule, person) or self._timely(rule, person, memory, now_ms) or FIRED
        if verdict.result == "fired":
            memory.drop_fired(now_ms - self._keep_ms)
            memory.fired.append((now_ms, rule.name))
        return verdict

    def judge_again(self, rule: Rule, held: Held, person: Person, memory: Memory, now_ms: int, *, stands: bool, purchased_ms: int) -> Verdict:
        """Take a held trigger through the guards as its quiet hours end: `stands` says whether the rule's line for staying on still holds."""
        if rule.cancel_by_purchase and purchased_ms > held.crossed_ms:
            return _SUPPRESSED["purchased"]
        if now_ms > held.decided_ms + rule.expiry_ms:
            return _SUPPRESSED["expired"]
        if not stands:
            return _SUPPRESSED["faded"]
        verdict = self.judge(rule, person, memory, now_ms)
        return _SUPPRESSED["quiet_hours"] if verdict.result == "held" else verdict  # the user's zone is another by now

    def _lasting(self, rule: Rule, person: Person) -> Verdict | None:
        """Guards that do not depend on the time of day or on what fired before."""
        if person.consent == "unsubscribed":
            return _SUPPRESSED["unsubscribed"]
        if person.consent != "granted":
            return _SUPPRESSED[f"consent_{person.consent}"]
        if person.user_id in self.limits.suppressed:
            return _SUPPRESSED["suppression_list"]
        if held_out(rule, person.user_id, self.limits.seed):
            return _SUPPRESSED["holdout"]
        return None

    def _timely(self, rule: Rule, person: Person, memory: Memory, now_ms: int) -> Verdict | None:
        if memory.fired:
            today = local_day(now_ms, person.zone)
            days = [(today - local_day(at, person.zone), name) for at, name in memory.fired if at > now_ms - self._asked_ms]
            if sum(ago < rule.cap_days for ago, name in days if name == rule.name) >= rule.cap:
                return _SUPPRESSED["cap"]
            if sum(ago < self.limits.cap_days for ago, _ in days) >= self.limits.cap:
                return _SUPPRESSED["cap_of_all"]
            if any(now_ms - at < rule.cooldown_ms for at, name in memory.fired if name == rule.name):
                return _SUPPRESSED["cooldown"]
        until_ms = quiet_until(now_ms, person.zone, *self.limits.quiet)
        if until_ms is None:
            return None
        if any(held.rule == rule.name for held in memory.held):
            return _SUPPRESSED["held_already"]
        return Verdict("held", "quiet_hours", until_ms)
