"""Crossings of rules and triggers held over quiet hours, taken through the guards: one user after another, each in the order of time.

Few scores cross a line, so this is plain Python over them. What has to be computed (the scores at the ends of quiet hours) is known before the guards are
asked, because when quiet hours end depends on the instant and the zone alone; it is computed for all users at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from worker.core.action.crossings.latches import flags_of
from worker.core.action.guards.consent import state_of
from worker.core.action.guards.guards import Guards, Held, Memory, Person, Rule, Verdict, assigns, trigger_id
from worker.core.action.guards.local_time import quiet_until, zone_named
from worker.core.action.language.evaluation import Column, evaluate
from worker.core.action.plan import Plan
from worker.core.action.portraits import interests
from worker.core.action.portraits.fields import Moments
from worker.core.action.portraits.moments import Followed, Turned, of_instants, score_ids
from worker.core.action.records import Because, trigger_record
from worker.core.action.state import ActionState
from worker.core.labels.history import History
from worker.core.labels.timers import Timers
from worker.core.profiles import layout as at
from worker.core.profiles.event_columns import PURCHASE
from worker.core.profiles.profiles import Profiles
from worker.core.scoring.scorecard import Scorecards
from worker.core.uplift.assignments import Assignment, Experiments

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Outcome = tuple[str, str, str | None]  # rule, result, reason
_ORDER_TIMES = list(range(at.ORDER_TIMES, at.ORDER_TIMES + at.ORDER_RING))
_Entry = tuple[int, int, str, bytes]  # instant, row, user id, record
BORN = -1  # instead of a crossing: somebody new begins


@dataclass(slots=True)
class Scene:
    """A turn as crossings see it: n moments of scores."""

    turned: Turned
    followed: Followed
    moments: Moments
    new: Flags  # n: the first event of somebody new
    decided_ms: Ints  # n
    user_of: Sequence[str | None]
    labels: Mapping[int, str]
    cards: Scorecards
    absent: Flags  # of each target


@dataclass(slots=True)
class Decided:
    """What a turn's crossings came to, and the rows whose memory changed."""

    entries: list[_Entry] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    touched: set[int] = field(default_factory=set)

    def add(self, now_ms: int, row: int, user: str, rule: str, verdict: Verdict, record: bytes) -> None:
        """One more decision."""
        self.entries.append((now_ms, row, user, record))
        self.outcomes[rule, verdict.result, verdict.reason] += 1

    @property
    def records(self) -> list[tuple[str, bytes]]:
        """User ids and records, in the order of time."""
        return [(user, record) for _, _, user, record in sorted(self.entries, key=lambda entry: entry[:2])]


class _Crossed(NamedTuple):
    """The turn's k crossings, each of one rule at one score, in the order of scores and of the rules' priority."""

    moments: list[int]
    rules: list[Rule]
    people: list[Person]
    scores: list[str]  # ids
    times_ms: list[int]  # event time of the score
    decided_ms: list[int]  # when it was known
    because: list[dict[str, Any]]


class Crossings:
    """The guards of one partition, and the triggers that they hold."""

    def __init__(self, plan: Plan, state: ActionState, partition: int, keep_ms: int = 0) -> None:
        self.plan = plan
        self.state = state
        self.partition = partition
        self.guards = Guards(plan.rules, plan.limits, keep_ms)
        self.types = plan.portraits.types(state.segments)
        self.reads = {latch.name: latch.reads for latch in plan.latches}
        self.rules = [plan.rules[latch.name] for latch in plan.latches]
        self.order = {latch.name: number for number, latch in enumerate(plan.latches)}
        self.timers = Timers()
        self.experiments = Experiments(plan.experiments)
        state.experiments = frozenset(self.experiments.by_id)

    def resume(self) -> None:
        """Set the timers of what a restored state holds."""
        self._wait_for([(trigger.until_ms, row) for row, memory in self.state.memory.items() for trigger in memory.held])
        for row, memory in self.state.memory.items():
            self.experiments.wait_for(row, memory.assigned)

    def forget(self, rows: Ints, profiles: Profiles) -> None:
        """Users in these rows are about to be forgotten: their outcomes are judged by what is known."""
        for row in rows.tolist():
            if assigned := self._assigned(row):
                self.experiments.end(row, assigned, lambda rows, _: _latest(profiles.rows[rows[:, None], _ORDER_TIMES]), 2**62)

    def _wait_for(self, held: list[tuple[int, int]]) -> None:
        """Set timers for the ends of quiet hours, each with the row of its user."""
        if held:
            due, rows = np.array(held, dtype=np.int64).T
            self.timers.add(due, rows, np.zeros(len(due), dtype=np.int64))

    def of_turn(self, crossed: Ints, scene: Scene) -> Decided:
        """Judge the turn's crossings (n scores, a bit a rule), and the held triggers whose quiet hours end before its watermark."""
        found = self._crossed(crossed, scene)
        by_row = self._by_row(found, scene)
        instants = self._instants(found, scene)
        ends = _Ends(self, sorted(instants), scene) if instants else None

        out, held = Decided(), list[tuple[int, int]]()
        purchases = partial(_purchases, scene.turned.history)
        for row in sorted({*by_row, *(row for row, _ in instants)}):
            user = scene.user_of[row] or ""
            memory = self.state.memory.get(row)
            if memory is None:
                memory = Memory()
            for moment, crossing in by_row.get(row, ()):
                now_ms = int(scene.decided_ms[moment]) if crossing == BORN else found.decided_ms[crossing]
                if ends is not None and memory.held:
                    ends.judge(row, user, memory, now_ms, out)
                if crossing == BORN:
                    self.experiments.end(row, memory.assigned, purchases, now_ms)
                    memory.drop_fired(now_ms)
                    memory.held, memory.assigned = [], []
                else:
                    self._judge(crossing, row, memory, found, out)
            if ends is not None and memory.held:
                ends.judge(row, user, memory, scene.turned.end_ms, out)
            if memory.let_go:
                self.state.let_go[row], memory.let_go = memory.let_go, []
            if memory:
                self.state.memory[row] = memory
                if memory.held:
                    held += [(trigger.until_ms, row) for trigger in memory.held]
                out.touched.add(row)
            elif self.state.memory.pop(row, None) is not None:
                out.touched.add(row)
        self._wait_for(held)
        out.touched.update(self.experiments.close(self._assigned, purchases, scene.turned.end_ms))
        return out

    def _by_row(self, found: _Crossed, scene: Scene) -> dict[int, list[tuple[int, int]]]:
        """Each user's crossings in order, as moment and place among the crossings; BORN where somebody new begins, whom guards know nothing of."""
        row_of = scene.turned.scored.row
        by_row: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for crossing, (moment, row) in enumerate(zip(found.moments, row_of[found.moments].tolist(), strict=True)):
            by_row[row].append((moment, crossing))
        born = np.flatnonzero(scene.new)
        for moment, row in zip(born.tolist(), row_of[born].tolist(), strict=True):
            if row in by_row or row in self.state.memory:
                by_row[row].append((moment, BORN))
                by_row[row].sort()
        return by_row

    def _crossed(self, crossed: Ints, scene: Scene) -> _Crossed:
        """All that is to be known of the crossings, given which rules are crossed at each of the turn's scores (a bit a rule)."""
        moments = np.flatnonzero(crossed)
        if not len(moments):
            return _Crossed([], [], [], [], [], [], [])
        places, numbers = np.nonzero(flags_of(crossed[moments], len(self.plan.latches)).T)
        scored, column, chosen = scene.turned.scored, self.plan.portraits.columns(scene.moments), moments[places]
        users = [scene.user_of[row] or "" for row in scored.row[chosen].tolist()]
        said = (scene.moments.interest(interests.CONSENT)[chosen], scene.moments.interest(interests.ZONE)[chosen], column("country")[chosen])
        because = Because(self.types, scene.labels, column)
        why: list[dict[str, Any]] = [{} for _ in users]
        for number in np.unique(numbers).tolist():
            own = np.flatnonzero(numbers == number)
            for place, values in zip(own.tolist(), because.at(chosen[own], self.plan.latches[number].reads), strict=True):
                why[place] = values
        return _Crossed(
            chosen.tolist(),
            [self.rules[number] for number in numbers.tolist()],
            self.people(users, *said, scene.labels),
            score_ids(self.partition, scored, chosen),
            scored.time_ms[chosen].tolist(),
            scene.decided_ms[chosen].tolist(),
            why,
        )

    def _instants(self, found: _Crossed, scene: Scene) -> set[tuple[int, int]]:
        """Rows and ends of quiet hours before the turn's watermark: of triggers that are held, and those that crossings may be held for."""
        end_ms = scene.turned.end_ms
        due_ms, due_row, _ = self.timers.take(end_ms)
        instants = {(row, due) for row, due in zip(due_row.tolist(), due_ms.tolist(), strict=True) if self._holds(row, due)}
        for moment, person, decided_ms in zip(found.moments, found.people, found.decided_ms, strict=True):
            if person.consent == "granted":
                until_ms = quiet_until(decided_ms, person.zone, *self.plan.limits.quiet)
                if until_ms is not None and until_ms < end_ms:
                    instants.add((int(scene.turned.scored.row[moment]), until_ms))
        return instants

    def _judge(self, crossing: int, row: int, memory: Memory, found: _Crossed, out: Decided) -> None:
        """Take one crossing through the guards."""
        rule, person, score, now_ms = found.rules[crossing], found.people[crossing], found.scores[crossing], found.decided_ms[crossing]
        verdict = self.guards.judge(rule, person, memory, now_ms)
        trigger = Held(rule.name, trigger_id(rule.name, person.user_id, score), score, found.times_ms[crossing], now_ms, verdict.until_ms)
        if verdict.result == "held":
            memory.held.append(trigger)
        if assigns(verdict):
            self.experiments.cross(memory.assigned, row, rule.name, now_ms, held_out=verdict.reason == "holdout")
        if verdict.result == "fired":
            self.experiments.fire(memory.assigned, rule.name, now_ms)
        out.add(now_ms, row, person.user_id, rule.name, verdict, trigger_record(rule, person, trigger, verdict, now_ms, found.because[crossing]))

    def _assigned(self, row: int) -> list[Assignment]:
        memory = self.state.memory.get(row)
        return memory.assigned if memory else []

    def _holds(self, row: int, due_ms: int) -> bool:
        memory = self.state.memory.get(row)
        return memory is not None and any(held.until_ms == due_ms for held in memory.held)

    def people(self, users: list[str], consent: Column, zone: Column, country: Column, labels: Mapping[int, str]) -> list[Person]:
        """Some users at one moment each. Their zone is the one that their events name, else the country's, else the configured one."""
        places = list(zip(zone.tolist(), country.tolist(), strict=True))
        zones = {place: self._zone(*place, labels) for place in set(places)}
        return [Person(user, state_of(said), zones[place]) for user, said, place in zip(users, consent.tolist(), places, strict=True)]

    def _zone(self, zone: float, country: float, labels: Mapping[int, str]) -> ZoneInfo:
        named = zone_named(labels.get(int(zone), "")) if zone else None
        return named or self.plan.zone_of_country.get(int(country)) or self.plan.zone


def _purchases(history: History, rows: Ints, time_ms: Ints) -> Ints:
    """The latest purchase of users (m) as known when the watermark had come to the given instants (m)."""
    return _latest(history.columns_at(rows, time_ms, _ORDER_TIMES))


def _latest(times: NDArray[np.float64]) -> Ints:
    return np.asarray(times.max(axis=1), dtype=np.int64)


class _Ends:
    """The ends of quiet hours within a turn, with the scores of then."""

    def __init__(self, crossings: Crossings, instants: list[tuple[int, int]], scene: Scene) -> None:
        self.crossings = crossings
        self.place = {instant: number for number, instant in enumerate(instants)}
        rows, time_ms = (np.array(column, dtype=np.int64) for column in zip(*instants, strict=True))
        moments = of_instants(rows, time_ms, scene.turned, scene.followed, scene.cards, scene.absent)
        plan, count = crossings.plan, len(instants)
        column = plan.portraits.columns(moments)
        moments.segments = {latch.name: evaluate(latch.stay, column, count) for latch in plan.segments}
        column = plan.portraits.columns(moments)
        warm = {latch.name: not any(moments.warming_up[target] for target in latch.targets) for latch in plan.latches}
        self.stands = {latch.name: evaluate(latch.stay, column, count) & warm[latch.name] for latch in plan.latches}
        self.purchased_ms = moments.profile(at.LAST_OF + PURCHASE)
        users = [scene.user_of[row] or "" for row in rows.tolist()]
        said = (moments.interest(interests.CONSENT), moments.interest(interests.ZONE), moments.profile(at.COUNTRY))
        self.people = crossings.people(users, *said, scene.labels)
        self.because = Because(crossings.types, scene.labels, column)
        self.why: dict[str, list[dict[str, Any]]] = {}  # by rule: the values that its condition read, at each instant

    def judge(self, row: int, user: str, memory: Memory, before_ms: int, out: Decided) -> None:
        """Judge a user's held triggers whose quiet hours end before an instant again, in the order of time and priority."""
        crossings = self.crossings
        while due := [held for held in memory.held if held.until_ms < before_ms]:
            held = min(due, key=lambda held: (held.until_ms, crossings.order[held.rule]))
            memory.held.remove(held)
            moment, rule = self.place[row, held.until_ms], crossings.plan.rules[held.rule]
            person = self.people[moment]
            stands, purchased_ms = bool(self.stands[held.rule][moment]), int(self.purchased_ms[moment])
            verdict = crossings.guards.judge_again(rule, held, person, memory, held.until_ms, stands=stands, purchased_ms=purchased_ms)
            if verdict.result == "fired":
                crossings.experiments.fire(memory.assigned, held.rule, held.until_ms)
            if held.rule not in self.why:
                self.why[held.rule] = self.because.at(np.arange(len(self.place)), crossings.reads[held.rule])
            because = self.why[held.rule][moment]
            out.add(held.until_ms, row, user, rule.name, verdict, trigger_record(rule, person, held, verdict, held.until_ms, because))
