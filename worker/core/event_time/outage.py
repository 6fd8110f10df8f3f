"""Outages of the collector: silence of the input that was not the users'.

A shop that never closes and a shop that closes at night, on Saturdays and over Christmas are told apart by one rule (docs/decisions/0003-outages.md):
a gap is an outage when its surprise, the active minutes that the input's own habit expected in it, is far beyond what its gaps usually hold.
Only a habit excuses: hours of the day in which the shop is always silent make a gap that reaches into them a closure, and of a closure only the
edges count (from its beginning to the first such hour, from the last such hour to its end), so that a day, a weekend or twelve days off weigh alike.

Counted are minutes with at least one event, not events: one visit's burst weighs little, and a crowd cannot make a short gap look impossible.
The file's constants are the rule; none of them knows a data set. Time comes with the events, and nothing depends on how they were cut into batches.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Floats = NDArray[np.float64]

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
WEEK_HOURS = 168
WEEK_MS = WEEK_HOURS * HOUR_MS
VERSION = 1

WEEKLY_FADE = 2.0 ** (-1 / 3)  # what a week ago counts against today: the habit's half-life is three weeks
BLEND = 2.0  # weeks that an hour of the week must be seen until it outweighs what its hour of the day says
QUIET_SHARE = 0.02  # an hour of the day is quiet when it has less than this share of the mean hour's active minutes
QUIET_HOURS = 3  # a closure needs so many quiet hours in a row; fewer are chance
KNOWN_HOURS = 0.5  # an hour that was watched for less than this is not known yet
LEVELS = ((30.0, 5.0), (300.0, 20.0))  # traffic against habit: over so many expected minutes, pulled to one by so many; the lowest counts
MEMORY_DAYS = 28  # daily largest surprises remembered
FLOOR = 10.0  # expected minutes that no outage falls below
FAR = 8.0  # spreads (interquartile ranges) above the median of the daily largest surprises; for exponential gaps e^-12 a gap
SPREAD_SHARE = 0.3  # the spread is at least this share of the median: a few equal days are luck, not precision
BEYOND = 1.75  # times the second largest surprise: the largest may have been a missed outage
FEW_DAYS = 7  # below this many days the largest counts, and young habits ask for more: see _threshold
YOUNG_FACTOR, YOUNG_FLOOR = 6.0, 40.0
EDGE_SHARE = 0.75  # a closure's edges may hold so much of a full day: shops close early before holidays and open late after them
REPEAT_TOLERANCE_MS = 2 * HOUR_MS  # a gap at the same time for the third day or week in a row is a new habit
LONG_WEEKS = 8  # of a longer gap the weeks before these are counted at once
FORGET_HOURS = 8 * WEEK_HOURS  # after silence this long that was accepted, the shop begins anew
MAX_OUTAGES = 256
PLAIN_STATE = ("newest_ms", "hour_minutes", "hour_lost", "levels", "usual", "usual_days", "usual_last", "surprises", "declared")
INSIDE, CLOSURE = 0, 1  # two kinds of gaps with their own usual surprise


@dataclass(frozen=True, slots=True)
class Outage:
    """Nothing arrived between start_ms and end_ms (epoch milliseconds, both exclusive); expected_minutes with an event would have been usual."""

    start_ms: int
    end_ms: int
    expected_minutes: float


class Habit:
    """Active minutes an hour by hour of the week, learned from complete hours; fades by weeks.

    `minutes` and `watched` (168 each) are sums over past weeks of the active minutes of an hour of the week and of the hours watched.
    They are kept rounded, so that the state written as text restores to the very same numbers.
    """

    def __init__(self) -> None:
        self.minutes = [0.0] * WEEK_HOURS
        self.watched = [0.0] * WEEK_HOURS
        self.refresh()

    def learn(self, hour: int, minutes: float, watched: float) -> None:
        """Add one complete hour (epoch hours) of which `watched` (0..1) was not lost to an outage."""
        if watched > 1e-6:
            cell = hour % WEEK_HOURS
            self.minutes[cell] = round(self.minutes[cell] * WEEKLY_FADE + minutes, 2)
            self.watched[cell] = round(self.watched[cell] * WEEKLY_FADE + watched, 3)

    def refresh(self) -> None:
        """Work out from the sums: rates by hour of the week, quiet hours of the day, a full day's minutes."""
        minutes, watched = np.array(self.minutes), np.array(self.watched)
        day_minutes, day_watched = minutes.reshape(7, 24).sum(axis=0), watched.reshape(7, 24).sum(axis=0)
        known = day_watched >= KNOWN_HOURS
        by_day_hour = np.divide(day_minutes, day_watched, out=np.zeros(24), where=known)
        silent = ~known | (by_day_hour <= QUIET_SHARE * by_day_hour.mean())
        runs = np.all([np.roll(silent, -shift) for shift in range(QUIET_HOURS)], axis=0)
        self.quiet: NDArray[np.bool_] = np.any([np.roll(runs, shift) for shift in range(QUIET_HOURS)], axis=0)
        rates = (minutes + BLEND * np.tile(by_day_hour, 7)) / (watched + BLEND)
        self.full_day = float(rates.reshape(7, 24).sum(axis=1).max())
        # A shop that closes may close on a day that was never seen: only hours of the week that were watched speak against it.
        self.rates: Floats = np.where(watched >= KNOWN_HOURS, rates, 0.0) if self.quiet.any() else rates
        self.closes = bool(self.quiet.any())
        self._rate_list, self._quiet_list = self.rates.tolist(), self.quiet.tolist()

    def expected(self, start_ms: int, end_ms: int, declared: Sequence[tuple[int, int]], whole: bool = True) -> tuple[float, int]:
        """Active minutes that speak against a gap being usual, and its kind; whole=False: the gap lasts on, count what can only grow."""
        first = start_ms // HOUR_MS
        if first == end_ms // HOUR_MS and not declared:
            cell = first % WEEK_HOURS
            if self._quiet_list[cell % 24]:
                return 0.0, CLOSURE
            return self._rate_list[cell] * (end_ms - start_ms) / HOUR_MS, INSIDE
        # A habit is weekly, so whole weeks in the middle of a very long gap are counted at once: one event of the year 9999 must not cost gigabytes.
        skipped_ms = max(0, (end_ms - start_ms) // WEEK_MS - LONG_WEEKS) * WEEK_MS
        watched_ms = skipped_ms - sum(max(0, min(high, start_ms + skipped_ms) - max(low, start_ms)) for low, high in declared)
        start_ms, first = start_ms + skipped_ms, (start_ms + skipped_ms) // HOUR_MS
        hours = np.arange(first, -(-end_ms // HOUR_MS), dtype=np.int64)
        minutes = hour_shares(hours, start_ms, end_ms, declared) * self.rates[hours % WEEK_HOURS]
        quiet = np.flatnonzero(self.quiet[hours % 24])
        if not len(quiet):
            return float(minutes.sum()) + watched_ms / WEEK_MS * float(self.rates.sum()), INSIDE
        return float(minutes[: quiet[0]].sum()) + (float(minutes[quiet[-1] + 1 :].sum()) if whole else 0.0), CLOSURE


def hour_shares(hours: Times, start_ms: int, end_ms: int, without: Sequence[tuple[int, int]]) -> Floats:
    """Share (0..1) of each epoch hour that lies between start and end and in none of the pieces of `without` (disjoint)."""
    shares: Floats = np.clip(np.minimum(end_ms, (hours + 1) * HOUR_MS) - np.maximum(start_ms, hours * HOUR_MS), 0, None) / HOUR_MS
    for low, high in without:
        if low < end_ms and high > start_ms:
            shares -= hour_shares(hours, max(low, start_ms), min(high, end_ms), ())
    return np.asarray(np.clip(shares, 0.0, 1.0))


def merged(pieces: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same stretches of time, disjoint and ascending."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(pieces):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        elif high > low:
            joined.append((low, high))
    return joined


class OutageDetector:
    """Finds the outages of one input partition from event times alone; one a partition.

    detect: off, only declared outages count. declared: (start_ms, end_ms) pairs. keep_ms: an outage that ended longer ago than this is forgotten
    (give at least the longest window plus its delay). least_share: a window is cut when outages cover at least this share of it.
    """

    def __init__(self, detect: bool, declared: Sequence[tuple[int, int]] = (), keep_ms: int = 120 * DAY_MS, least_share: float = 0.01) -> None:
        self.detect, self.keep_ms, self.least_share = detect, keep_ms, least_share
        self.declared = merged(declared)
        self.outages: list[Outage] = []
        self._begin()
        self.newest_ms: int | None = None

    def _begin(self) -> None:
        """Know nothing of the shop's habit."""
        self.habit = Habit()
        self.hour_minutes, self.hour_lost = 0, 0.0  # of the hour under way: active minutes, share not watched
        self.levels = [[0.0, 0.0] for _ in LEVELS]  # active minutes seen, expected
        self.usual: list[list[float]] = [[], []]  # daily largest surprise, by kind of gap
        self.usual_days, self.usual_last = [0, 0], [-1, -1]
        self.surprises: list[tuple[int, int]] = []  # gaps of the last three weeks that were beyond the usual, outage or not

    def declare(self, start_ms: int, end_ms: int) -> None:
        """Take an outage from a control record."""
        self.declared = merged([*self.declared, (start_ms, end_ms)])

    def observe(self, times_ms: Times) -> list[Outage]:
        """Take event times (int64[n], arrival order; late ones change nothing) and return the outages that these events ended.

        Call it before timers up to these times fire: then an outcome due at the first event after a gap already knows the outage.
        """
        if not len(times_ms):
            return []
        if self.newest_ms is None:
            self.newest_ms = int(times_ms[0])
            self.hour_minutes, self.hour_lost = 1, self.newest_ms % HOUR_MS / HOUR_MS
        newest = np.maximum.accumulate(np.concatenate(([self.newest_ms], times_ms)))
        self.newest_ms = int(newest[-1])
        if not self.detect:
            return []
        steps = np.flatnonzero(newest[1:] // MINUTE_MS != newest[:-1] // MINUTE_MS)
        found = [self._minute(before, at) for before, at in zip(newest[steps].tolist(), newest[steps + 1].tolist(), strict=True)]
        return [outage for outage in found if outage]

    def _minute(self, before_ms: int, at_ms: int) -> Outage | None:
        """A new active minute begins at at_ms, the event before it was at before_ms."""
        expected, kind = self.habit.expected(before_ms, at_ms, self.declared)
        level = self._level()
        surprise, outage = expected * level, None
        if surprise > FLOOR and surprise > self._threshold(kind, level):
            if not self._repeats(before_ms, at_ms):
                outage = Outage(before_ms, at_ms, round(surprise, 1))
                self.outages = [*[o for o in self.outages if o.end_ms > at_ms - self.keep_ms][1 - MAX_OUTAGES :], outage]
            since_ms = at_ms - 3 * WEEK_HOURS * HOUR_MS
            self.surprises = [*[gap for gap in self.surprises if gap[1] > since_ms][1 - MAX_OUTAGES :], (before_ms, at_ms)]
        else:
            self._accept(surprise, kind, at_ms // DAY_MS)
        for (span, _), sums in zip(LEVELS, self.levels, strict=True):
            passed = 0.0 if outage else expected
            fade = math.exp(-passed / span)
            sums[0], sums[1] = sums[0] * fade + 1, sums[1] * fade + passed
        self._pass(before_ms, at_ms, lost=outage is not None)
        self.hour_minutes += 1
        return outage

    def _level(self) -> float:
        """Recent traffic over its habit, at most one: where traffic has already ebbed, silence says less."""
        return min(1.0, *((seen + pull) / (expected + pull) for (seen, expected), (_, pull) in zip(self.levels, LEVELS, strict=True)))

    def _threshold(self, kind: int, level: float) -> float:
        """Surprise beyond which a gap of this kind is an outage."""
        days = max(self.usual_days[kind], 0.5)
        usual = np.sort(self.usual[kind] or [0.0])
        low, middle, high = np.quantile(usual, (0.25, 0.5, 0.75)).tolist()
        largest = float(usual[-1] if len(usual) < FEW_DAYS else usual[-2])
        far = max(middle + FAR * max(high - low, SPREAD_SHARE * middle), BEYOND * largest)
        threshold = FLOOR + far * (1 + YOUNG_FACTOR / days**2) + YOUNG_FLOOR / days
        return float(max(threshold, EDGE_SHARE * self.habit.full_day * level)) if kind == CLOSURE else float(threshold)

    def _accept(self, surprise: float, kind: int, day: int) -> None:
        """A gap that was no outage shows what is usual."""
        surprise = round(surprise, 1)
        if surprise > 0:
            if day != self.usual_last[kind]:
                self.usual_last[kind] = day
                self.usual_days[kind] += 1
                self.usual[kind] = [*self.usual[kind][1 - MEMORY_DAYS :], 0.0]
            self.usual[kind][-1] = max(self.usual[kind][-1], surprise)

    def _repeats(self, start_ms: int, end_ms: int, open_end: bool = False) -> bool:
        """The gap comes at this time for the third day or the third week in a row; open_end: it lasts, and may still end like the ones before."""

        def seen(earlier_ms: int) -> bool:
            low, high = start_ms - earlier_ms, end_ms - earlier_ms - REPEAT_TOLERANCE_MS
            return any(abs(a - low) <= REPEAT_TOLERANCE_MS and b >= high and (open_end or b <= high + 2 * REPEAT_TOLERANCE_MS) for a, b in self.surprises)

        return any(seen(period_ms) and seen(2 * period_ms) for period_ms in (DAY_MS, WEEK_HOURS * HOUR_MS))

    def _pass(self, before_ms: int, at_ms: int, lost: bool) -> None:
        """Close the hours that ended between two active minutes; what an outage took was not watched."""
        first, last = before_ms // HOUR_MS, at_ms // HOUR_MS
        if last - first > FORGET_HOURS and not lost:
            self._begin()
            self.hour_lost = at_ms % HOUR_MS / HOUR_MS
            return
        unwatched = [(before_ms, at_ms)] if lost else self.declared
        if first == last:
            if unwatched:
                self.hour_lost += sum(max(0, min(high, at_ms) - max(low, before_ms)) for low, high in unwatched) / HOUR_MS
            return
        hours = np.array([first, last]) if lost else np.arange(first, last + 1)
        watched = hour_shares(hours, before_ms, at_ms, unwatched).tolist()
        passed = hour_shares(hours, before_ms, at_ms, ()).tolist()
        self.habit.learn(first, self.hour_minutes, 1 - self.hour_lost - (passed[0] - watched[0]))
        for i in range(1, len(watched) - 1):
            self.habit.learn(first + i, 0.0, watched[i])
        self.hour_minutes, self.hour_lost = 0, passed[-1] - watched[-1]
        self.habit.refresh()

    def under_way(self, watermark_ms: int) -> Outage | None:
        """The outage that certainly lasts at the watermark, however it will end: the first event at or after the watermark will confirm it."""
        if not self.detect or self.newest_ms is None or watermark_ms <= self.newest_ms:
            return None
        expected, kind = self.habit.expected(self.newest_ms, watermark_ms, self.declared, whole=False)
        level = self._level()
        kinds = (INSIDE, CLOSURE) if kind == INSIDE and self.habit.closes else (kind,)
        if expected * level <= max(self._threshold(k, level) for k in kinds) or self._repeats(self.newest_ms, watermark_ms, open_end=True):
            return None
        return Outage(self.newest_ms, watermark_ms, round(expected * level, 1))

    def overlaps(self, start_ms: Times, end_ms: Times, watermark_ms: int | None = None) -> NDArray[np.bool_]:
        """Is the window (start, end] of each outcome (int64[m] each) cut by outages: ended, declared, or under way at the watermark (if one is given)?"""
        pieces = [(o.start_ms, o.end_ms) for o in self.outages] + self.declared
        lasting = self.under_way(watermark_ms) if watermark_ms is not None else None
        if lasting:
            pieces.append((lasting.start_ms, lasting.end_ms))
        covered = np.zeros(len(start_ms), dtype=np.int64)
        for low, high in merged(pieces):
            covered += np.clip(np.minimum(end_ms, high) - np.maximum(start_ms, low), 0, None)
        return (covered > 0) & (covered >= self.least_share * (end_ms - start_ms))

    def state(self) -> dict[str, Any]:
        """Everything that later answers depend on, as JSON-able values: some 4 KB, bounded by MAX_OUTAGES and MEMORY_DAYS."""
        return {
            "version": VERSION,
            **{name: getattr(self, name) for name in PLAIN_STATE},
            "outages": [[o.start_ms, o.end_ms, o.expected_minutes] for o in self.outages],
            "minutes": self.habit.minutes,
            "watched": self.habit.watched,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state(): the same later events give the same outages. ValueError if a newer program wrote it."""
        if state["version"] != VERSION:
            raise ValueError(f"outage state has version {state['version']}, this program reads {VERSION}: run the program that wrote it, or a newer one")
        declared = self.declared
        for name in PLAIN_STATE:
            setattr(self, name, copy.deepcopy(state[name]))
        self.surprises = [(start_ms, end_ms) for start_ms, end_ms in state["surprises"]]
        self.declared = merged([*declared, *((start_ms, end_ms) for start_ms, end_ms in state["declared"])])
        self.outages = [Outage(*row) for row in state["outages"]]
        self.habit.minutes, self.habit.watched = list(state["minutes"]), list(state["watched"])
        self.habit.refresh()
