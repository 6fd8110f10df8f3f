"""The users who are likeliest by their latest scores, target by target: kept up to date from the columns of many turns at once, not event by event.

A bounded list cannot know everybody: whoever was left out and whose score has not changed since is missed until the next score.
KEPT is several times what is shown, so that this takes many who fall at once. After a restart the lists begin empty.
A turn is only put down; the lists are made anew when some hundred scores wait, and for who looks. To look at every turn of a hundred costs more than
the rest of telemetry, and to keep all records of thousands of scores for a while costs more than to look at them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from heapq import nlargest
from itertools import chain
from operator import attrgetter, itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.core.pipeline import Turn
from worker.core.settings import TargetSettings

KEPT = 100
AT_ONCE = 500  # scores that wait until the lists are made anew


class Likely(NamedTuple):
    """A user's latest score as far as one target ranks it; `record` is the score record."""

    user: str
    p: float
    time_ms: int
    partition: int
    record: bytes


class _Scores(NamedTuple):
    """A turn's n scores, until the lists take them in."""

    partition: int
    scores: Sequence[tuple[str, bytes]]  # user id, record
    time_ms: NDArray[np.int64]
    p: NDArray[np.float64]  # n x targets


Lists = Mapping[str, Mapping[str, Likely]]  # by target and user


class Likeliest:
    """For each target, up to KEPT users with the highest p. One thread gives, others may look."""

    def __init__(self, targets: Mapping[str, TargetSettings]) -> None:
        self._targets = {name: target for name, target in targets.items() if target.enabled}
        # Replaced together, and what waits is only added to: a reader needs no lock. The last is the latest time that a score of the lists speaks of.
        self._state: tuple[Lists, list[_Scores], int] = ({name: {} for name in self._targets}, [], 0)
        self._number = 0  # of scores that wait

    def top(self, target: str, limit: int) -> list[Likely]:
        """The users with the highest p, highest first. A score whose window has closed meanwhile says nothing any more."""
        lists, now_ms = self._joined([target])
        from_ms = _holds_from_ms(self._targets[target], now_ms)
        current = [likely for likely in lists[target].values() if likely.time_ms >= from_ms]
        return sorted(current, key=lambda likely: (-likely.p, likely.user))[:limit]

    def take(self, partition: int, turn: Turn) -> None:
        """Take a turn's scores over."""
        if turn.scored is None or not turn.scores or not self._targets:
            return
        self._state[1].append(_Scores(partition, turn.scores, turn.scored.time_ms, turn.scored.p))
        self._number += len(turn.scores)
        if self._number >= AT_ONCE:
            self._settle(*self._joined(self._targets))

    def keep(self, partitions: Collection[int]) -> None:
        """Forget the users of all other partitions: another worker knows them now."""
        self._filter(lambda likely: likely.partition in partitions)

    def forget(self, users: Collection[str]) -> None:
        """Forget these users."""
        if users:
            self._filter(lambda likely: likely.user not in users)

    def _filter(self, stays: Callable[[Likely], bool]) -> None:
        lists, now_ms = self._joined(self._targets)
        self._settle({name: {user: likely for user, likely in kept.items() if stays(likely)} for name, kept in lists.items()}, now_ms)

    def _settle(self, lists: Lists, now_ms: int) -> None:
        """These are the lists now, and nothing waits."""
        self._state, self._number = (lists, [], now_ms), 0

    def _joined(self, names: Collection[str]) -> tuple[dict[str, dict[str, Likely]], int]:
        """The lists of these targets with what waits, and the latest time that a score speaks of. Of each user the last score counts."""
        lists, waiting, now_ms = self._state
        waiting = waiting.copy()
        if not waiting:
            return {name: dict(lists[name]) for name in names}, now_ms
        scores = list(chain.from_iterable(one.scores for one in waiting))
        time_ms, p = np.concatenate([one.time_ms for one in waiting]), np.concatenate([one.p for one in waiting])
        now_ms = max(now_ms, int(time_ms.max()))
        starts = np.cumsum([len(one.scores) for one in waiting])
        place_of = dict(zip(map(itemgetter(0), scores), range(len(scores)), strict=True))
        last = np.fromiter(place_of.values(), np.int64, len(place_of))
        found = {}
        for number, (name, target) in enumerate(self._targets.items()):
            if name not in names:
                continue
            from_ms = _holds_from_ms(target, now_ms)
            chance = 1.0 - p[last, number] if target.absence else p[last, number]
            # whoever has a newer score is judged by that alone, and what holds no more must take nobody's place
            kept = {user: likely for user, likely in lists[name].items() if user not in place_of and likely.time_ms >= from_ms}
            floor = min(likely.p for likely in kept.values()) if len(kept) >= KEPT else -1.0
            entering = np.flatnonzero((chance > floor) & (time_ms[last] >= from_ms))  # once the list is full, few
            if len(entering) > KEPT:
                entering = entering[np.argpartition(chance[entering], len(entering) - KEPT)[-KEPT:]]
            for place, high in zip(last[entering].tolist(), chance[entering].tolist(), strict=True):
                user, record = scores[place]
                kept[user] = Likely(user, high, int(time_ms[place]), waiting[int(starts.searchsorted(place, "right"))].partition, record)
            found[name] = kept if len(kept) <= KEPT else {one.user: one for one in nlargest(KEPT, kept.values(), key=attrgetter("p"))}
        return found, now_ms


def _holds_from_ms(target: TargetSettings, now_ms: int) -> int:
    """The earliest time of a score whose window has not closed yet."""
    return now_ms - target.delay_ms - target.horizon_ms
