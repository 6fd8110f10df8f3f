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
from worker.core.action.crossings.latches import Users, flags_of, names_of
from worker.core.action.crossings.lines import Lines
from worker.core.action.plan import Plan
from worker.core.action.portraits.fields import Moments
from worker.core.action.portraits.moments import Turned, born, follow_events, of_scores, score_ids
from worker.core.action.records import Because, segment_record
from worker.core.action.state import ActionState, Remembered, action_key
from worker.core.profiles import layout as at
from worker.core.profiles.profiles import Profiles
from worker.core.scoring.scorecard import Scorecards
from worker.core.settings import DAY_MS, TargetSettings
from worker.core.uplift.assignments import Totals

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
FINAL_MS = 3 * DAY_MS  # more than passes until nothing takes a decision's place any more: the rest of its day
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

    def __init__(self, plan: Plan, targets: Sequence[TargetSettings], partition: int = 0) -> None:
        self.plan = plan
        self.partition = partition
        self.absent = np.array([target.absence for target in targets], dtype=np.bool_)
        self.state = ActionState([latch.name for latch in plan.segments], {latch.name: latch.mark for latch in plan.latches})
        self.types = plan.portraits.types(self.state.segments)
        judged_ms = max((target.delay_ms + target.horizon_ms for target in targets), default=0) + FINAL_MS
        self.crossings = Crossings(plan, self.state, partition, keep_ms=judged_ms)
        self._lines, self._rules = (Lines(latches, plan.portraits) for latches in (plan.segments, plan.latches))
        self._wanted = plan.wanted
        self._named = [(name, number) for number, name in enumerate(self.state.segments) if f"segments.{name}" in plan.reads]
        self._touched: list[Ints] = []  # rows

    def take(self, turned: Turned, profiles: Profiles, labels: Mapping[int, str], cards: Scorecards) -> Acted:
        """Work on a turn after its scores."""
        state, scored = self.state, turned.scored
        state.reserve(len(profiles.rows))
        followed = follow_events(state, turned, self._wanted)
        moments = of_scores(turned, followed, cards, self.absent)
        new = born(turned, moments.profile)

        out = Acted()
        users = Users(scored.row, new)
        members = self._segments(out, turned, moments, users, new, profiles, labels)
        moments.segments = {name: (members >> number & 1).astype(np.bool_) for name, number in self._named}
        rules = users.follow(*self._rules.of(moments, len(scored.row)), state.rules_on[scored.row])
        scene = Scene(turned, followed, moments, new, turned.decided_ms, profiles.user_of, labels, cards, self.absent)
        crossed = rules.on & ~rules.before & ~self._unheard_of(turned, users, new)
        decided = self.crossings.of_turn(crossed, scene)
        out.triggers, out.outcomes = decided.records, decided.outcomes

        state.rules_on[scored.row[rules.last]] = rules.on[rules.last]
        state.interests[turned.applied.users] = followed.states[turned.applied.last]
        self._touched += [turned.applied.users, scored.row[rules.on != rules.before], np.array(list(decided.touched), dtype=np.int64)]
        return out

    def _segments(self, out: Acted, turned: Turned, moments: Moments, users: Users, new: Flags, profiles: Profiles, labels: Mapping[int, str]) -> Ints:
        """Follow membership and publish its changes; gives who is in each segment at every moment, as bits."""
        state, scored = self.state, turned.scored
        members = users.follow(*self._lines.of(moments, len(scored.row)), state.segments_on[scored.row])
        again = self._again(turned, users, new)
        changed = np.flatnonzero((members.on != members.before) | again)
        if len(changed):
            self._publish(out, turned, moments, members, changed, again, profiles, labels)
        state.segments_on[scored.row[members.last]] = members.on[members.last]
        self._touched.append(scored.row[changed])
        return members.on

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
        scored, names, on, before = turned.scored, self.state.segments, members.on[changed], members.before[changed]
        because = Because(self.types, labels, self.plan.portraits.columns(moments))
        entered: list[dict[str, Any]] = [{} for _ in changed]
        left: list[dict[str, Any]] = [{} for _ in changed]
        for change, where, bits in (("entered", entered, on & ~before), ("left", left, before & ~on)):
            flags = flags_of(bits, len(names))
            for number in np.flatnonzero(flags.any(axis=1)).tolist():
                latch, places = self.plan.segments[number], np.flatnonzero(flags[number])
                for place, why in zip(places.tolist(), because.at(changed[places], latch.reads), strict=True):
                    where[place][latch.name] = why
                out.memberships[latch.name, change] += len(places)
        starts_anew = again[changed].tolist()
        ids, times_ms = score_ids(self.partition, scored, changed), scored.time_ms[changed].tolist()
        masks = on.tolist()
        named = {mask: names_of(names, mask) for mask in set(masks)}
        for place, row in enumerate(scored.row[changed].tolist()):
            user = profiles.user_of[row] or ""
            if starts_anew[place]:  # what was published of the one before is taken back
                out.segments.append((user, None))
            if entered[place] or left[place]:
                record = segment_record(user, ids[place], times_ms[place], named[masks[place]], entered[place], left[place])
                out.segments.append((user, record))

    def _unheard_of(self, turned: Turned, users: Users, new: Flags) -> Ints:
        """Where a rule holds for the first time that anybody looked: it is new in a running system, and not the user. It is armed, and does not trigger."""
        state, row = self.state, turned.scored.row
        out = np.zeros(len(row), dtype=np.int64)
        rows = row[users.first]
        if state.rules_new[rows].any():
            out[users.first] = np.where(new[users.first], 0, state.rules_new[rows])
            self._touched.append(rows[state.rules_new[rows] != 0])
            state.rules_new[rows] = 0
        return out

    def _again(self, turned: Turned, users: Users, new: Flags) -> Flags:
        """Which of the scores `new` are of users who were there before the turn, or have an earlier score in it."""
        out = new.copy()
        row, applied = turned.scored.row, turned.applied
        first = users.first[new[users.first]]  # all of them are of events, whose users `applied` holds
        place = np.searchsorted(applied.users, row[first])
        out[first] = applied.states[at.TOTAL, applied.before[place]] > 0
        return out

    # ---- state

    def changes(self, profiles: Profiles) -> list[tuple[bytes, bytes | None]]:
        """The changelog records of everybody whose memory a turn changed."""
        touched = np.unique(np.concatenate(self._touched)).tolist() if self._touched else []
        users = [(row, user) for row in touched if (user := profiles.user_of[row]) is not None]
        totals = self.crossings.experiments.changes()
        self.written()
        keys = [b"a:" + user.encode() for _, user in users]  # action_key, without the calls
        return [*zip(keys, self.state.values([row for row, _ in users]), strict=True), *totals]

    def treated(self, rows: Ints, from_ms: Ints, to_ms: Ints) -> list[bool]:
        """Whether a trigger fired for the users of these rows from one instant to another, both included, the turn's own triggers among them.

        For spans of decisions whose examples this turn publishes: what fired is remembered for as long as those may wait.
        """
        return self.state.fired_within(rows, from_ms, to_ms)

    def members(self) -> dict[str, int]:
        """How many users are in each segment."""
        return {name: int((self.state.segments_on >> number & 1).sum()) for number, name in enumerate(self.state.segments)}

    def written(self) -> None:
        """What has changed so far need not be written any more."""
        self._touched.clear()
        self.state.let_go.clear()
        self.crossings.experiments.changed.clear()

    def forget(self, rows: Ints, profiles: Profiles, out: list[Keyed]) -> list[tuple[bytes, bytes | None]]:
        """Drop what is remembered of rows whose users are about to be forgotten; gives the tombstones of the changelog, adds those of segments to `out`."""
        self.state.reserve(len(profiles.rows))
        self.crossings.forget(rows, profiles)
        self.state.forget(rows)
        self._touched = [touched[~np.isin(touched, rows)] for touched in self._touched]
        users = [user for row in rows.tolist() if (user := profiles.user_of[row]) is not None]
        if self.plan.segments:
            out += [(user, None) for user in users]
        return [(action_key(user), None) for user in users]

    def restore(self, rows: Mapping[str, int], records: Mapping[str, Remembered], totals: Mapping[str, Totals]) -> None:
        """Take over what the changelog says of users, given the rows of their profiles, and of experiments."""
        self.crossings.experiments.restore(totals)
        self.state.restore({row: records.get(user) for user, row in rows.items()})
        self.crossings.resume()
