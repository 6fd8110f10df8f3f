"""A turn of segments and triggers: after its scores, who entered or left a segment, and what came of every rule that was crossed.

Action.take reads top to bottom:
    1 interests: every event through its user's row
    2 moments: each score with the state that it saw; conditions worked out in columns, latches followed
    3 changes of segments
    4 crossings and held triggers through the guards, a user at a time in the order of time
Like everything in core the outcome depends on the records and their order, not on the cut. A decision is made when its score is known: at the watermark
of its event, or at the mark in silence; so a partition's decisions never go back in time, whatever comes late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.action.crossings.crossings import Crossings, Outcome, Scene
from worker.core.action.crossings.latches import Followed as Latched
from worker.core.action.crossings.latches import Users
from worker.core.action.language.evaluation import evaluate
from worker.core.action.plan import Latch, Plan
from worker.core.action.portraits.fields import Moments
from worker.core.action.portraits.moments import Followed, Turned, born, decided_ms, follow_events, of_scores, score_ids
from worker.core.action.records import Because, segment_record
from worker.core.action.state import ActionState, Remembered, action_key, flags_of, names_of, packed
from worker.core.profiles import layout as at
from worker.core.profiles.profiles import Profiles
from worker.core.scoring.scorecard import Scorecards
from worker.core.uplift.assignments import Totals

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Keyed = tuple[str, bytes | None]  # user id and record; none is a tombstone


@dataclass(slots=True)
class Acted:
    """What a turn publishes of segments and triggers."""

    segments: list[Keyed] = field(default_factory=list)
    triggers: list[tuple[str, bytes]] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)  # of the triggers
    memberships: Counter[tuple[str, str]] = field(default_factory=Counter)  # segment, "entered" or "left"


class Action:
    """Segments and triggers of one partition."""

    def __init__(self, plan: Plan, absent: Sequence[bool], partition: int = 0) -> None:
        """`absent` says of each target whether it is published as the absence of its outcome."""
        self.plan = plan
        self.partition = partition
        self.absent = np.array(absent, dtype=np.bool_)
        self.state = ActionState([latch.name for latch in plan.segments], {latch.name: latch.mark for latch in plan.latches})
        self.types = plan.portraits.types(self.state.segments)
        self.crossings = Crossings(plan, self.state, partition)
        self._touched: set[int] = set()

    def take(self, turned: Turned, profiles: Profiles, labels: Mapping[int, str], cards: Scorecards) -> Acted:
        """Work on a turn after its scores."""
        state, scored = self.state, turned.scored
        state.reserve(len(profiles.rows))
        followed = follow_events(state, turned)
        moments = of_scores(turned, followed, cards, self.absent)
        new = born(turned, moments.profile)

        out = Acted()
        users = Users(scored.row, new)
        moments.segments = self._segments(out, turned, moments, users, new, profiles, labels)
        when, stay = self._lines(self.plan.latches, moments, len(scored.row))
        rules = users.follow(when, stay, flags_of(state.rules_on[scored.row], len(when)))
        scene = Scene(turned, followed, moments, new, decided_ms(turned), profiles.user_of, labels, cards, self.absent)
        decided = self.crossings.of_turn(rules.on & ~rules.before & ~self._unheard_of(turned, new), scene)
        out.triggers, out.outcomes = decided.records, decided.outcomes

        state.rules_on[scored.row[rules.last]] = packed(rules.on[:, rules.last])
        self._keep(turned, followed)
        self._touched.update(turned.applied.users.tolist(), scored.row[(rules.on != rules.before).any(axis=0)].tolist(), decided.touched)
        return out

    def _lines(self, latches: Sequence[Latch], moments: Moments, count: int) -> tuple[Flags, Flags]:
        """Both lines of latches for all moments, each L x n. What speaks of a target that is warming up holds for nobody."""
        column = self.plan.portraits.columns(moments)
        when, stay = np.zeros((len(latches), count), dtype=np.bool_), np.zeros((len(latches), count), dtype=np.bool_)
        for number, latch in enumerate(latches):
            if not any(moments.warming_up[target] for target in latch.targets):
                when[number] = evaluate(latch.when, column, count)
                stay[number] = when[number] if latch.stay is latch.when else evaluate(latch.stay, column, count)
        return when, stay

    def _segments(
        self, out: Acted, turned: Turned, moments: Moments, users: Users, new: Flags, profiles: Profiles, labels: Mapping[int, str]
    ) -> dict[str, Flags]:
        """Follow membership and publish its changes; gives who is in each segment at every moment."""
        state, scored = self.state, turned.scored
        when, stay = self._lines(self.plan.segments, moments, len(scored.row))
        members = users.follow(when, stay, flags_of(state.segments_on[scored.row], len(when)))
        again = new & self._known_before(turned)
        changed = np.flatnonzero((members.on != members.before).any(axis=0) | again)
        if len(changed):
            self._publish(out, turned, moments, members, changed, again, profiles, labels)
        state.segments_on[scored.row[members.last]] = packed(members.on[:, members.last])
        self._touched.update(scored.row[changed].tolist())
        return dict(zip(state.segments, members.on, strict=True))

    def _publish(
        self,
        out: Acted,
        turned: Turned,
        moments: Moments,
        members: Latched,
        changed: Ints,
        again: Flags,
        profiles: Profiles,
        labels: Mapping[int, str],
    ) -> None:
        """Publish the memberships that changed, at the moments `changed`; `again` says at which of all moments a user begins anew."""
        scored, names, on, before = turned.scored, self.state.segments, members.on[:, changed], members.before[:, changed]
        because = Because(self.types, labels, self.plan.portraits.columns(moments))
        entered: list[dict[str, Any]] = [{} for _ in changed]
        left: list[dict[str, Any]] = [{} for _ in changed]
        for number, latch in enumerate(self.plan.segments):
            for change, where, flags in (("entered", entered, on[number] & ~before[number]), ("left", left, before[number] & ~on[number])):
                places = np.flatnonzero(flags)
                for place, why in zip(places.tolist(), because.at(changed[places], latch.reads), strict=True):
                    where[place][latch.name] = why
                if len(places):
                    out.memberships[latch.name, change] += len(places)
        starts_anew = again[changed].tolist()
        ids, times_ms = score_ids(self.partition, scored, changed), scored.time_ms[changed].tolist()
        bits = packed(on).tolist()
        named = {mask: names_of(names, mask) for mask in set(bits)}
        for place, row in enumerate(scored.row[changed].tolist()):
            user = profiles.user_of[row] or ""
            if starts_anew[place]:  # what was published of the one before is taken back
                out.segments.append((user, None))
            if entered[place] or left[place]:
                record = segment_record(user, ids[place], times_ms[place], named[bits[place]], entered[place], left[place])
                out.segments.append((user, record))

    def _unheard_of(self, turned: Turned, new: Flags) -> Flags:
        """Where a rule holds for the first time that anybody looked: it is new in a running system, and not the user. It is armed, and does not trigger."""
        state, row = self.state, turned.scored.row
        if not state.rules_new[row].any():
            return np.zeros((1, len(row)), dtype=np.bool_)
        users, first = np.unique(row, return_index=True)
        out = np.zeros((len(state.rules), len(row)), dtype=np.bool_)
        out[:, first] = flags_of(state.rules_new[users], len(state.rules)) & ~new[first]
        self._touched.update(users[state.rules_new[users] != 0].tolist())
        state.rules_new[users] = 0
        return out

    def _known_before(self, turned: Turned) -> Flags:
        """Which scores are of users who were there before the turn, or have an earlier score in it."""
        row, applied = turned.scored.row, turned.applied
        known = np.zeros(len(row), dtype=np.bool_)
        if len(applied.users):
            place = np.minimum(np.searchsorted(applied.users, row), len(applied.users) - 1)
            known = (applied.users[place] == row) & (applied.states[at.TOTAL, applied.before[place]] > 0)
        first = np.zeros(len(row), dtype=np.bool_)
        first[np.unique(row, return_index=True)[1]] = True
        return np.asarray(known | ~first)

    def _keep(self, turned: Turned, followed: Followed) -> None:
        applied = turned.applied
        self.state.interests[applied.users] = followed.states[applied.last]

    # ---- state

    def changes(self, profiles: Profiles) -> list[tuple[bytes, bytes | None]]:
        """The changelog records of everybody whose memory a turn changed."""
        rows = sorted(row for row in self._touched if profiles.user_of[row] is not None)
        totals = self.crossings.experiments.changes()
        self.written()
        keys = [action_key(profiles.user_of[row] or "") for row in rows]
        return [*zip(keys, self.state.values(rows), strict=True), *totals]

    def members(self) -> dict[str, int]:
        """How many users are in each segment."""
        return {name: int((self.state.segments_on >> number & 1).sum()) for number, name in enumerate(self.state.segments)}

    def written(self) -> None:
        """What has changed so far need not be written any more."""
        self._touched.clear()
        self.crossings.experiments.changed.clear()

    def forget(self, rows: Ints, profiles: Profiles, out: list[Keyed]) -> list[tuple[bytes, bytes | None]]:
        """Drop what is remembered of rows whose users are about to be forgotten; gives the tombstones of the changelog, adds those of segments to `out`."""
        self.state.reserve(len(profiles.rows))
        self.crossings.forget(rows, profiles)
        self.state.forget(rows)
        self._touched.difference_update(rows.tolist())
        users = [user for row in rows.tolist() if (user := profiles.user_of[row]) is not None]
        if self.plan.segments:
            out += [(user, None) for user in users]
        return [(action_key(user), None) for user in users]

    def restore(self, rows: Mapping[str, int], records: Mapping[str, Remembered], totals: Mapping[str, Totals]) -> None:
        """Take over what the changelog says of users, given the rows of their profiles, and of experiments."""
        self.crossings.experiments.restore(totals)
        self.state.restore({row: records.get(user) for user, row in rows.items()})
        self.crossings.resume()
