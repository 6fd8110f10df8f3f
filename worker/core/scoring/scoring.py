"""Scoring: the states after a turn's events and in its silences become bins, points and probabilities, in the order of publishing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.core.labels.decisions import EVENT, Scored
from worker.core.profiles import layout as at
from worker.core.profiles.profiles import Applied
from worker.core.scoring.features import HASHED_COLUMNS, Holidays, bins_of
from worker.core.scoring.scorecard import Points, Scorecards
from worker.core.scoring.silence import Silent
from worker.core.scoring.slots import SLOTS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Lot = tuple[Floats, Ints, bool]  # states (WIDTH x n), the instants they are looked at, and whether silence is the cause

CHUNK = 2_000  # rows whose features are computed at a time: their intermediate columns stay in the cache


@dataclass(frozen=True, slots=True)
class Scoring:
    """What scores depend on besides states and scorecards, and how many of the largest points of each are wanted."""

    session_gap_ms: int
    season: bool
    holidays: Holidays | None
    reasons: int

    def score(
        self, time_ms: Ints, reached: Ints, rows: Ints, offset: Ints, applied: Applied, fresh: Ints, silent: Silent, scorecards: Scorecards
    ) -> tuple[Scored, Points, dict[str, Ints], Ints]:
        """Scores of events and silences in the order in which they are published: a silence comes before the event that ended it.

        Also what they are made of, the hashes behind their hashed bins, and of each score which event it is, -1 in silence.
        """
        place = np.concatenate([fresh.astype(np.float64), np.maximum(np.searchsorted(reached, silent.time_ms, side="right") - 0.5, silent.after + 0.25)])
        times = np.concatenate([time_ms[fresh], silent.time_ms])
        sequence = np.lexsort((times, place))
        mark = np.concatenate([np.full(len(fresh), EVENT, dtype=np.int64), silent.mark])[sequence]
        # Bins and points come in the order of the states, which are read as they lie; then they are put into the order of publishing.
        column = applied.state_of_event[fresh] - applied.first
        column_ms = np.empty_like(column)
        column_ms[column] = time_ms[fresh]
        states = [applied.states[:, applied.first :], silent.state]
        bins = self._bins([(states[0], column_ms, False), (states[1], silent.time_ms, True)])
        points = scorecards.points(bins, self.reasons)
        index = np.concatenate([column, np.arange(len(fresh), len(sequence))])[sequence]
        bins, points = bins[index], points.take(index)
        codes = {name: np.concatenate([state[at_] for state in states])[index].astype(np.int64) for name, at_ in HASHED_COLUMNS.items()}
        raw, p = scorecards.probabilities(points.margins, mark != EVENT)
        scored = Scored(
            row=np.concatenate([rows[fresh], silent.row])[sequence],
            time_ms=times[sequence],
            offset=np.concatenate([offset[fresh], silent.state[at.OFFSET].astype(np.int64)])[sequence],
            mark=mark,
            bins=bins,
            raw=raw,
            p=p,
            model=tuple(scorecards.versions),
            level=scorecards.levels,
        )
        sources = np.concatenate([fresh, np.full(len(silent), -1, dtype=np.int64)])[sequence]
        return scored, points, codes, sources

    def chances_with(self, scorecards: Scorecards) -> Callable[[Floats, Ints], Floats]:
        """A function from states (WIDTH x n) and instants (n) to the probabilities that would be scored there in silence: n x targets."""

        def chances(states: Floats, time_ms: Ints) -> Floats:
            margins = scorecards.margins(self._bins([(states, time_ms, True)]))
            return scorecards.probabilities(margins, np.ones(len(time_ms), dtype=np.bool_))[1]

        return chances

    def _bins(self, lots: Sequence[Lot]) -> NDArray[np.int32]:
        """The bins of all lots, one below the other: n x slots."""
        bins = np.empty((sum(len(times) for _, times, _ in lots), len(SLOTS)), dtype=np.int32)
        done = 0
        for states, times, silent in _joined(lots) if len(bins) <= CHUNK else _cut(lots):
            rows = slice(done, done + len(times))
            bins[rows] = bins_of(states, times, silent, self.session_gap_ms, self.season, self.holidays)
            done = rows.stop
        return bins


def _joined(lots: Sequence[Lot]) -> Iterator[tuple[Floats, Ints, NDArray[np.bool_]]]:
    """Few states are computed together: what numpy costs a call is more than what it costs a state."""
    lots = [lot for lot in lots if len(lot[1])]
    if lots:
        states, times, silent = zip(*lots, strict=True)
        yield np.concatenate(states, axis=1), np.concatenate(times), np.repeat(silent, [len(some) for some in times])


def _cut(lots: Sequence[Lot]) -> Iterator[tuple[Floats, Ints, NDArray[np.bool_]]]:
    for states, times, silent in lots:
        for start in range(0, len(times), CHUNK):
            part = slice(start, start + CHUNK)
            yield states[:, part], times[part], np.full(len(times[part]), silent)
