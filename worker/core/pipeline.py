"""One partition's whole path: a turn takes records in, and gives scores, examples, changes of state and dead letters out.

`turn` reads top to bottom in the order of the flow. Nothing here knows of a log or a clock: the caller passes the records, their offsets and, for
live input, the time. Every result depends on the records and their order alone, not on how they were cut into turns; only the
scorecards, which the caller passes in, may differ from turn to turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from worker.core.action.crossings.crossings import Outcome
from worker.core.action.plan import Plan
from worker.core.action.portraits.moments import Turned
from worker.core.action.portraits.traces import fields_read, traces_of
from worker.core.action.turn import Action
from worker.core.event_time.holiday_calendar import HolidayCalendar
from worker.core.event_time.outage import Outage, OutageDetector
from worker.core.event_time.watermark import UNSET, Admitted, Watermark
from worker.core.events.decoding import Batch, Rejected, decode
from worker.core.labels.announcements import Announcements
from worker.core.labels.decisions import EVENT, Decisions, Scored, decided_ms
from worker.core.labels.examples import Example
from worker.core.labels.history import History
from worker.core.labels.judged import examples_of
from worker.core.labels.outcomes import Outcomes, Settled
from worker.core.labels.tallies import Tally
from worker.core.labels.watched import Watched, watched_events
from worker.core.privacy.pseudonyms import Pseudonyms
from worker.core.profiles import layout as at
from worker.core.profiles.event_columns import Rules, event_columns
from worker.core.profiles.profiles import Profiles
from worker.core.scoring.bin_names import BinNames
from worker.core.scoring.records import ScoreRecords
from worker.core.scoring.scorecard import Scorecards
from worker.core.scoring.scoring import Scoring
from worker.core.scoring.silence import Silence, join
from worker.core.scoring.slots import SLOTS
from worker.core.settings import LONGEST_MS, CoreSettings
from worker.core.state.changelog import Change, Restored
from worker.core.state.partition import PartitionState

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(slots=True)
class DeadLetter:
    """A record that could not be scored: its offset, the bytes as they came, and why."""

    offset: int
    value: bytes | None
    reason: str
    detail: str


@dataclass(slots=True)
class Turn:
    """What one turn publishes, all of it or nothing."""

    scores: list[tuple[str, bytes]] = field(default_factory=list)  # user id, record
    scored: Scored | None = None  # the same scores as columns
    examples: list[Example | Tally] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    read: int = 0
    events: int = 0  # events scored
    silent: int = 0  # silent scores
    voided: int = 0  # outcomes that an outage cut: no examples
    dropped: Counter[str] = field(default_factory=Counter)  # events that count for nothing: "late", "duplicate"
    forgotten: Counter[str] = field(default_factory=Counter)  # users: "expired", "evicted"
    outages: list[Outage] = field(default_factory=list)  # found to have ended in this turn
    segments: list[tuple[str, bytes | None]] = field(default_factory=list)  # user id, record; None is a tombstone
    triggers: list[tuple[str, bytes]] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)  # of the triggers: rule, result, reason
    memberships: Counter[tuple[str, str]] = field(default_factory=Counter)  # segment, "entered" or "left"


class Pipeline:
    """The state of one input partition and the turns over it."""

    def __init__(
        self, settings: CoreSettings, partition: int = 0, keep_changes: bool = True, plan: Plan | None = None, pseudonyms: Pseudonyms | None = None
    ) -> None:
        """`plan` holds segments and triggers; without one there are none, and nothing is spent on them. `pseudonyms` name users in examples."""
        self.settings = settings
        self.partition = partition
        self.keep_changes = keep_changes
        self.pseudonyms = pseudonyms or Pseudonyms(None)
        self.targets = {name: target for name, target in settings.targets.items() if target.enabled}
        profiles = settings.profiles
        self.silence = Silence(settings.silence.marks_ms, profiles.time_to_live_ms)
        self.decisions = Decisions(len(SLOTS), len(self.targets))
        self.outcomes = Outcomes(self.targets, settings.seed)
        self.announcements = Announcements(self.outcomes)
        further = watched_events(self.targets)
        self.profiles = Profiles(Rules(profiles.session_gap_ms, profiles.time_to_live_ms, Watched.first(further).codes(further)))
        self.watermark = Watermark(settings.events.jump_ms, settings.events.allowed_lateness_ms, settings.events.future_tolerance_ms)
        self.outages = OutageDetector(settings.outage.detect, settings.outage.declared_ms, keep_ms=LONGEST_MS)  # months in a turn need old ones
        self.state = PartitionState(self.watermark, self.outages, self.outcomes.looks, further)
        self.names = BinNames(self.state.labels)
        features = settings.features
        holidays = HolidayCalendar(self.state.labels, features.holiday_country) if features.holidays else None
        self.scoring = Scoring(profiles.session_gap_ms, features.season, holidays, settings.reasons)
        self.action = Action(plan, list(self.targets.values()), partition) if plan else None
        self._further = fields_read(plan.forms) if plan else ()
        self.unknown_fields: Counter[str] = Counter()
        self._records: ScoreRecords | None = None

    # ---- turns

    def turn(self, values: Sequence[bytes | None], offsets: Sequence[int], scorecards: Scorecards, now_ms: int | None = None) -> Turn:
        """Take records through the whole path. `now_ms` is the clock for live input, None in a replay."""
        held = self.state.held
        batch, rejected = decode([value for _, value in held] + list(values), self.settings.events.names, self._further)
        all_offsets = [offset for offset, _ in held] + list(offsets)
        all_values = [value for _, value in held] + list(values)
        self.unknown_fields.update(batch.unknown_fields)
        if held:  # those who waited were counted when they came
            self.unknown_fields.subtract(decode([value for _, value in held], self.settings.events.names, self._further)[0].unknown_fields)
        self._recall(batch)
        start_ms = self.watermark.value
        admitted = self.watermark.admit(batch.user_id, batch.time_ms, now_ms, start=len(held))
        turn = self._process(batch, all_offsets, admitted, start_ms, scorecards)
        turn.read = len(values)
        turn.dead_letters = self._dead_letters(rejected, batch, admitted, all_offsets, all_values)
        self.state.hold([(all_offsets[p], all_values[p] or b"") for p in batch.position[[h.position for h in self.watermark.held]].tolist()])
        self._write_partition(turn)
        return turn

    def idle(self, elapsed_ms: int, scorecards: Scorecards) -> Turn:
        """Nothing came for `elapsed_ms`: silence goes on, windows close."""
        batch, _ = decode([], further=self._further)
        start_ms = self.watermark.value
        self.watermark.advance(elapsed_ms)
        nothing = np.zeros(0, dtype=np.int64)
        turn = self._process(batch, [], Admitted(nothing, nothing), start_ms, scorecards)
        self._write_partition(turn)
        return turn

    def finish(self, scorecards: Scorecards) -> Turn:
        """The input has ended: events that still waited for confirmation are judged."""
        held = self.state.held
        batch, _ = decode([value for _, value in held], self.settings.events.names, self._further)
        self._recall(batch)
        start_ms = self.watermark.value
        admitted = self.watermark.finish(batch.time_ms)
        offsets, values = [offset for offset, _ in held], [value for _, value in held]
        turn = self._process(batch, offsets, admitted, start_ms, scorecards)
        turn.dead_letters = self._dead_letters([], batch, admitted, offsets, values)
        self.state.hold([])
        self._write_partition(turn)
        return turn

    def _process(self, batch: Batch, offsets: Sequence[int], admitted: Admitted, start_ms: int, scorecards: Scorecards) -> Turn:
        turn = Turn()
        order, reached, end_ms = admitted.order, admitted.watermark_ms, self.watermark.value
        turn.dropped["late"] += len(admitted.late)
        turn.outages = self.outages.observe(batch.time_ms[order])
        turn.changes += self.state.learn_labels(batch.labels)

        # profiles: every event through its user's row
        user_ids = [batch.user_id[i] for i in order.tolist()]
        rows = self.profiles.rows_for(user_ids)
        offset = np.array([offsets[p] for p in batch.position[order].tolist()], dtype=np.int64)
        applied = self.profiles.apply(rows, event_columns(batch, order, reached, offset))
        history = History(self.profiles, applied, rows, reached)
        turn.dropped["duplicate"] += int(applied.duplicate.sum())

        # what is to be scored: the events, and the silences between and after them
        fresh = np.flatnonzero(~applied.duplicate)
        turn.events = len(fresh)
        within = self.silence.within(history.intervals(end_ms), applied.states, start_ms, end_ms)
        due, expired = self.silence.due(self.profiles, applied.users, end_ms)
        silent = join([within, due])
        turn.silent = len(silent)

        # features and scores
        time_ms = batch.time_ms[order]
        scored, points, codes, sources = self.scoring.score(time_ms, reached, rows, offset, applied, fresh, silent, scorecards)
        turn.scored = scored
        decided = decided_ms(scored, sources, reached, start_ms)

        # segments and triggers; examples then say who was treated
        if self.action:
            traces, labels = traces_of(batch, order, self.action.plan.forms)
            turn.changes += self.state.learn_labels(labels)
            chances = self.scoring.chances_with(scorecards)
            turned = Turned(traces, reached, applied, history, scored, sources, silent, chances, decided, end_ms)
            acted = self.action.take(turned, self.profiles, self.state.labels, scorecards)
            turn.segments, turn.triggers, turn.outcomes, turn.memberships = acted.segments, acted.triggers, acted.outcomes, acted.memberships

        # decisions, and the outcomes of earlier ones
        silent_at = np.flatnonzero(scored.mark != EVENT)
        in_day = np.flatnonzero((scored.mark == EVENT) & (sources >= 0))
        in_day = in_day[scored.time_ms[in_day] // 86_400_000 == reached[sources[in_day]] // 86_400_000]
        last_ms = applied.states[at.LAST, applied.state_of_event[sources[in_day]]]
        in_day = in_day[scored.time_ms[in_day] == last_ms]  # a late event's score knows what came after it, its own outcome perhaps
        everything = np.ones(len(self.targets), dtype=np.bool_)
        new = [
            self.decisions.draw_days(scored, in_day, self.settings.seed, everything),
            self.decisions.draw_silent(scored, silent_at, decided, self.settings.silence.share, self.settings.seed, self.outcomes.silent),
        ]
        self.outcomes.wait_for(self.decisions, np.concatenate(new))
        self.announcements.wait_for(self.decisions, np.concatenate(new))
        for settled in self.announcements.announce(self.decisions, history, applied.users, end_ms):
            turn.examples += self._examples(settled)
        voided = self.outcomes.voided
        turn.examples += self._examples(self.outcomes.settle(self.decisions, history, self.outages.overlaps, end_ms))
        turn.voided = self.outcomes.voided - voided
        self.outcomes.release(self.decisions)
        turn.examples += self.outcomes.looks.publish(self.partition, end_ms)

        # records
        row_users = self.profiles.user_of
        ids = [row_users[row] or "" for row in scored.row.tolist()]
        event_ids = [batch.event_id[i] if i >= 0 else None for i in np.append(order, -1)[sources].tolist()]  # -1, silence, is the last
        turn.scores = list(zip(ids, self._encoder(scorecards).encode(scored, codes, points, ids, event_ids), strict=True))
        self._forget(turn, "expired", expired)
        self._forget(turn, "evicted", self._surplus())
        if self.keep_changes:
            turn.changes += self.state.profile_changes(self.profiles, applied.users)
            turn.changes += self.state.decision_changes(self.profiles, self.decisions)
            turn.changes += self.action.changes(self.profiles) if self.action else []
        elif self.action:
            self.action.written()
        return turn

    # ---- steps

    def _recall(self, batch: Batch) -> None:
        """Events that waited are decoded with the batch, before its own: their positions, users and times are read from there."""
        for position, waiting in enumerate(self.watermark.held):
            waiting.position, waiting.user, waiting.time_ms = position, batch.user_id[position], int(batch.time_ms[position])

    def _encoder(self, scorecards: Scorecards) -> ScoreRecords:
        if self._records is None or self._records.scorecards is not scorecards:
            absence = [target.absence for target in self.targets.values()]
            self._records = ScoreRecords(scorecards, absence, self.names, self.settings.reasons, self.partition)
        return self._records

    def _examples(self, settled: Settled) -> list[Example]:
        treated = self.action.treated if self.action else None
        return examples_of(settled, self.decisions, self.outcomes, self.profiles.user_of, self.pseudonyms, self.partition, treated)

    def _dead_letters(
        self, rejected: Iterable[Rejected], batch: Batch, admitted: Admitted, offsets: Sequence[int], values: Sequence[bytes | None]
    ) -> list[DeadLetter]:
        letters = [DeadLetter(offsets[r.position], values[r.position], r.reason, r.detail) for r in rejected]
        for i in admitted.future:
            position = int(batch.position[i])
            letters.append(DeadLetter(offsets[position], values[position], "from_the_future", f"timestamp {int(batch.time_ms[i])} is ahead of any known time"))
        return sorted(letters, key=lambda letter: letter.offset)

    def _forget(self, turn: Turn, why: str, rows: Ints) -> None:
        if len(rows):
            turn.forgotten[why] += len(rows)
            self.decisions.forget_users(rows)
            turn.changes += self.state.tombstones(self.profiles, self.decisions)
            turn.changes += self.action.forget(rows, self.profiles, turn.segments) if self.action else []
            turn.changes += [(key, None) for key in self.state.profile_keys(self.profiles.forget(rows))]

    def _surplus(self) -> Ints:
        """The rows that the byte budget has no room for."""
        over = self.profiles.bytes - self.settings.profiles.byte_budget
        return self.profiles.longest_silent(-(-over // (at.WIDTH * 8))) if over > 0 else np.zeros(0, dtype=np.int64)

    # ---- state

    def _write_partition(self, turn: Turn) -> None:
        if self.keep_changes:
            turn.changes.append(self.state.partition_change())
        else:
            turn.changes.clear()
            self.decisions.touched.clear()
            self.decisions.removed.clear()

    def restore(self, changelog: Restored) -> None:
        """Go on where the changelog ends. The pipeline must be new."""
        self.state.restore(changelog)
        watched = self.state.watched
        self.outcomes.watch(watched)
        self.profiles.rules = replace(self.profiles.rules, watched=watched.codes(self.state.outcomes))
        self.profiles.reserve(len(changelog.profiles))
        rows = self.profiles.rows_for(list(changelog.profiles))
        found = changelog.profile_rows()
        watched.clear(found)
        self.profiles.rows[rows] = found
        if self.watermark.value != UNSET:
            self.silence.plan(rows, self.profiles.rows[rows, at.LAST].astype(np.int64), self.watermark.value)
        row_of = self.profiles.row_of
        places = self.decisions.restore(*changelog.decision_columns(row_of, list(self.targets)))
        self.outcomes.resume(self.decisions, places, self.watermark.value)
        if self.action:
            self.action.restore(row_of, changelog.action_records(), changelog.totals)
        self.announcements.wait_for(self.decisions, places)
