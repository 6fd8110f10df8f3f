"""The users who are likeliest by their latest scores, target by target: kept up to date from the columns of many turns at once, not event by event.

A bounded list cannot know everybody: whoever was left out and whose score has not changed since is missed until the next score.
KEPT is several times what is shown, so that this takes many who fall at once. After a restart the lists begin empty.
Of a turn only what may change a list is held on to: to keep all records of thousands of scores for a while costs more than to look at them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from worker.core.pipeline import Turn
from worker.core.settings import TargetSettings

KEPT = 100
NO_FLOOR = -1.0  # of a list with room
AT_ONCE = 1_000  # scores that wait until the lists are made anew; after every turn of some hundred that would be half of all telemetry


@dataclass(frozen=True, slots=True)
class Likely:
    """A user's latest score as far as one target ranks it; `record` is the score record."""

    user: str
    p: float
    time_ms: int
    partition: int
    record: bytes


@dataclass(frozen=True, slots=True)
class _Scores:
    """What is kept of a turn until the lists take it in: n scores."""

    partition: int
    scores: Sequence[tuple[str, bytes]]  # user id, record
    time_ms: NDArray[np.int64]
    p: NDArray[np.float64]  # n x targets


Lists = Mapping[str, Mapping[str, Likely]]  # by target and user


class Likeliest:
    """For each target, up to KEPT users with the highest p. One thread gives, others may look."""

    def __init__(self, targets: Mapping[str, TargetSettings]) -> None:
        self._targets = {name: target for name, target in targets.items() if target.enabled}
        self._state: tuple[Lists, tuple[_Scores, ...]] = ({name: {} for name in self._targets}, ())  # replaced together: a reader needs no lock
        self._absent = np.array([target.absence for target in self._targets.values()], dtype=np.bool_)
        self._floors = np.full(len(self._targets), NO_FLOOR)  # by target: only with a higher p anybody comes into the list
        self._listed: set[str] = set()  # users whose every score counts: they are in a list, or wait to be
        self._number = 0  # of scores that wait
        self._now_ms = 0  # of the events: the latest time that a score speaks of

    def top(self, target: str, limit: int) -> list[Likely]:
        """The users with the highest p, highest first. A score whose window has closed meanwhile says nothing any more."""
        from_ms = self._holds_from_ms(self._targets[target])
        lists, waiting = self._state
        current = [likely for likely in self._joined(lists, waiting, [target])[target].values() if likely.time_ms >= from_ms]
        return sorted(current, key=lambda likely: (-likely.p, likely.user))[:limit]

    def take(self, partition: int, turn: Turn) -> None:
        """Take a turn's scores over."""
        if turn.scored is None or not turn.scores or not self._targets:
            return
        self._now_ms = max(self._now_ms, int(turn.scored.time_ms.max()))
        chance = np.where(self._absent, 1.0 - turn.scored.p, turn.scored.p)
        may_enter: list[bool] = np.any(chance > self._floors, axis=1).tolist()
        places = [place for place, (enters, (user, _)) in enumerate(zip(may_enter, turn.scores, strict=True)) if enters or user in self._listed]
        if not places:
            return
        scores = [turn.scores[place] for place in places]
        self._listed.update(user for user, _ in scores)
        lists, waiting = self._state
        waiting = (*waiting, _Scores(partition, scores, turn.scored.time_ms[places], turn.scored.p[places]))
        self._number += len(scores)
        if self._number >= AT_ONCE:
            self._settle(self._joined(lists, waiting, self._targets))
        else:
            self._state = lists, waiting

    def keep(self, partitions: Collection[int]) -> None:
        """Forget the users of all other partitions: another worker knows them now."""
        lists = self._joined(*self._state, self._targets)
        self._settle({name: {user: likely for user, likely in kept.items() if likely.partition in partitions} for name, kept in lists.items()})

    def forget(self, users: Collection[str]) -> None:
        """Forget these users."""
        if users:
            lists = self._joined(*self._state, self._targets)
            self._settle({name: {user: likely for user, likely in kept.items() if user not in users} for name, kept in lists.items()})

    def _settle(self, lists: Lists) -> None:
        """These are the lists now, and nothing waits."""
        self._state, self._number = (lists, ()), 0
        self._listed = {user for kept in lists.values() for user in kept}
        self._floors[:] = [min(likely.p for likely in kept.values()) if len(kept) >= KEPT else NO_FLOOR for kept in lists.values()]

    def _joined(self, lists: Lists, waiting: Sequence[_Scores], names: Collection[str]) -> dict[str, dict[str, Likely]]:
        """The lists of these targets with what waits: of each user the last score counts."""
        if not waiting:
            return {name: dict(lists[name]) for name in names}
        scores = list(chain.from_iterable(one.scores for one in waiting))
        time_ms, p = np.concatenate([one.time_ms for one in waiting]), np.concatenate([one.p for one in waiting])
        partition = np.repeat([one.partition for one in waiting], [len(one.scores) for one in waiting])
        place_of = dict(zip(map(itemgetter(0), scores), range(len(scores)), strict=True))
        last = np.fromiter(place_of.values(), np.int64, len(place_of))
        found = {}
        for number, (name, target) in enumerate(self._targets.items()):
            if name not in names:
                continue
            from_ms = self._holds_from_ms(target)
            current = last[time_ms[last] >= from_ms]
            chance = 1.0 - p[current, number] if target.absence else p[current, number]
            # whoever has a newer score is judged by that alone, and what holds no more must take nobody's place
            kept = {user: likely for user, likely in lists[name].items() if user not in place_of and likely.time_ms >= from_ms}
            highest = np.argpartition(chance, len(chance) - KEPT)[-KEPT:] if len(chance) > KEPT else np.arange(len(chance))
            if len(kept) >= KEPT:  # most are below all that are kept
                highest = highest[chance[highest] > min(likely.p for likely in kept.values())]
            for place, high in zip(current[highest].tolist(), chance[highest].tolist(), strict=True):
                user, record = scores[place]
                kept[user] = Likely(user, high, int(time_ms[place]), int(partition[place]), record)
            found[name] = kept if len(kept) <= KEPT else {one.user: one for one in sorted(kept.values(), key=lambda one: -one.p)[:KEPT]}
        return found

    def _holds_from_ms(self, target: TargetSettings) -> int:
        """The earliest time of a score whose window has not closed yet."""
        return self._now_ms - target.delay_ms - target.horizon_ms
