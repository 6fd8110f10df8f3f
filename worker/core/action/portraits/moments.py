"""The moments that conditions are asked about: every score of a turn with the state that it saw, and the ends of quiet hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.core.action.portraits import interests
from worker.core.action.portraits.fields import Moments
from worker.core.action.state import ActionState
from worker.core.labels.decisions import EVENT, Scored
from worker.core.labels.history import History
from worker.core.profiles import layout as at
from worker.core.profiles.profiles import Applied
from worker.core.scoring.scorecard import Scorecards
from worker.core.scoring.silence import Silent

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Chances = Callable[[Floats, Ints], Floats]  # states (WIDTH x m) and instants to probabilities of the outcomes, m x targets


@dataclass(slots=True)
class Turned:
    """What the pipeline has worked out in a turn over n events, as far as action needs it."""

    traces: interests.Traces  # n
    reached: Ints  # n: the watermark when each event was applied
    applied: Applied
    history: History
    scored: Scored
    sources: Ints  # of each score its event, -1 in silence
    silent: Silent
    chances: Chances
    decided_ms: Ints  # when each score was known
    end_ms: int  # the watermark after the turn


@dataclass(slots=True)
class Followed:
    """Interests through the turn's events, in the columns of the rounds: a row a state. What no condition reads is there only of users' last ones."""

    states: Floats
    old: Floats  # the table before the turn


def follow_events(state: ActionState, turned: Turned, wanted: interests.Wanted) -> Followed:
    """Take the turn's events through their users' interests; the table is left as it was."""
    rounds, applied = turned.applied.rounds, turned.applied
    states = np.empty((rounds.columns, interests.WIDTH))
    states[: rounds.chains] = 0.0
    states[applied.before] = state.interests[applied.users]
    interests.advance(states, turned.traces.take(rounds.event), rounds, wanted)
    return Followed(states, state.interests)


def silent_of_scores(turned: Turned) -> Ints:
    """Of every score in silence (in their order) its place among the turn's silent moments."""
    scored, silent = turned.scored, turned.silent
    mine = np.flatnonzero(turned.sources < 0)
    place = np.empty(len(mine), dtype=np.int64)
    place[np.lexsort((scored.mark[mine], scored.offset[mine], scored.row[mine]))] = np.lexsort((silent.mark, silent.state[at.OFFSET], silent.row))
    return place


def of_scores(turned: Turned, followed: Followed, cards: Scorecards, absent: NDArray[np.bool_]) -> Moments:
    """The moments of a turn's scores."""
    scored, applied, silent, sources = turned.scored, turned.applied, turned.silent, turned.sources
    at_event, in_silence = np.flatnonzero(sources >= 0), np.flatnonzero(sources < 0)
    state = applied.state_of_event[sources[at_event]]
    quiet = silent_of_scores(turned)
    after, row = silent.after[quiet], silent.row[quiet]
    busy = after >= 0
    event = applied.state_of_event[after[busy]]

    def profile(column: int) -> Floats:
        out = np.empty(len(sources))
        out[at_event] = applied.states[column, state]
        out[in_silence] = silent.state[column, quiet]
        return out

    def interest(column: int) -> Floats:
        out = np.empty(len(sources))
        out[at_event] = followed.states[state, column]
        waiting = followed.old[row, column]
        waiting[busy] = followed.states[event, column]
        out[in_silence] = waiting
        return out

    p, lift = _published(scored.p, cards, absent)
    return Moments(scored.time_ms, profile, interest, p, lift, cards.warming_up)


def of_instants(rows: Ints, time_ms: Ints, turned: Turned, followed: Followed, cards: Scorecards, absent: NDArray[np.bool_]) -> Moments:
    """The moments of users (m) when the watermark had come to the given instants (m), with the score of then, as of silence."""
    states = turned.history.columns_at(rows, time_ms, list(range(at.WIDTH))).T
    latest = turned.history.latest_events(rows, time_ms)
    known = latest >= 0
    own = followed.old[rows]
    own[known] = followed.states[turned.applied.state_of_event[latest[known]]]
    p, lift = _published(turned.chances(states, time_ms), cards, absent)
    return Moments(time_ms, lambda column: states[column], lambda column: own[:, column], p, lift, cards.warming_up)


def born(turned: Turned, profile: Callable[[int], Floats]) -> NDArray[np.bool_]:
    """Which scores are those of a user's first event: of somebody new, or of one whose time to live had passed."""
    return np.asarray((turned.scored.mark == EVENT) & (profile(at.TOTAL) == 1))


def _published(p: Floats, cards: Scorecards, absent: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    base = np.where(absent, 1.0 - np.array(cards.base_rates), np.array(cards.base_rates))
    said = np.where(absent, 1.0 - p, p)
    return said, said / base


def score_ids(partition: int, scored: Scored, moments: Ints) -> list[str]:
    """The ids of scores as their records have them."""
    offsets, marks = scored.offset[moments].tolist(), scored.mark[moments].tolist()
    return [f"{partition}-{offset}" if mark == EVENT else f"{partition}-{offset}.{mark + 1}" for offset, mark in zip(offsets, marks, strict=True)]
