"""The users who are likeliest by their latest scores, target by target: kept up to date from the columns of many turns at once, not event by event.

A bounded list cannot know everybody: whoever was left out and whose score has not changed since is missed until the next score.
KEPT is several times what is shown, so that this takes many who fall at once. After a restart the lists begin empty.
The lists are made anew when a thousand scores wait, and for who looks; of a turn only what may change a list waits. To make them after every turn of a
hundred would cost more than the rest of telemetry, and to hold on to all records has the next turns work on memory that is in no cache.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.core.pipeline import Turn
from worker.core.settings import TargetSettings

KEPT = 50
NO_FLOOR = -1.0  # of a list with room
NEVER_MS = 2**62
AT_ONCE = 1_000  # scores that wait until the lists are made anew


class Likely(NamedTuple):
    """A user's latest score as far as one target ranks it; `record` is the score record."""

    user: str
    p: float
    time_ms: int
    partition: int
    record: bytes


class _Came(NamedTuple):
    """A turn's n scores, until the lists take them in."""

    partition: int
    scores: Sequence[tuple[str, bytes]]  # user id, record
    time_ms: NDArray[np.int64]
    p: NDArray[np.float64]  # n x targets


class _List(NamedTuple):
    """The users of one target as columns, n each, in no order: an object for each would be made again and again, and hardly ever looked at."""

    scores: list[tuple[str, bytes]]  # user id, record
    p: NDArray[np.float64]
    time_ms: NDArray[np.int64]
    partition: NDArray[np.int64]

    def chosen(self, places: NDArray[np.int64]) -> _List:
        """These of them."""
        scores = [self.scores[place] for place in places.tolist()]
        return _List(scores, self.p[places], self.time_ms[places], self.partition[places])

    def with_more(self, other: _List) -> _List:
        """These and the others."""
        p, time_ms, partition = (np.concatenate([mine, more]) for mine, more in zip(self[1:], other[1:], strict=True))
        return _List(self.scores + other.scores, p, time_ms, partition)

    def not_of(self, users: Container[str]) -> _List:
        """These without those users."""
        return self.chosen(np.flatnonzero([user not in users for user, _ in self.scores]))

    def likely(self) -> list[Likely]:
        """One by one."""
        columns = zip(self.scores, self.p.tolist(), self.time_ms.tolist(), self.partition.tolist(), strict=True)
        return [Likely(user, p, time_ms, partition, record) for (user, record), p, time_ms, partition in columns]


NOBODY = _List([], np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
Lists = Mapping[str, _List]  # by target


class Likeliest:
    """For each target, up to KEPT users with the highest p. One thread gives, others may look."""

    def __init__(self, targets: Mapping[str, TargetSettings]) -> None:
        self._targets = {name: target for name, target in targets.items() if target.enabled}
        # replaced together, and what waits is only added to: a reader needs no lock
        self._state: tuple[Lists, list[_Came]] = (dict.fromkeys(self._targets, NOBODY), [])
        self._now_ms = 0  # of the events: the latest time that a score speaks of
        self._number, self._seen = 0, 0  # scores that wait, and all since the floors were looked at
        self._absent = np.array([target.absence for target in self._targets.values()], dtype=np.bool_)
        self._floors = np.full(len(self._targets), NO_FLOOR)  # by target: only with a higher p anybody comes into the list,
        self._until_ms = np.full(len(self._targets), NEVER_MS)  # until half of it holds no more
        self._listed: set[str] = set()  # users whose every score counts: they are in a list, or wait to be

    def top(self, target: str, limit: int) -> list[Likely]:
        """The users with the highest p, highest first. A score whose window has closed meanwhile says nothing any more."""
        return sorted(self._joined([target])[target].likely(), key=lambda likely: (-likely.p, likely.user))[:limit]

    def take(self, partition: int, turn: Turn) -> None:
        """Take a turn's scores over."""
        if turn.scored is None or not turn.scores or not self._targets:
            return
        scored = turn.scored
        self._now_ms = max(self._now_ms, int(scored.time_ms.max()))
        self._seen += len(turn.scores)
        anew = False
        if self._seen >= 4 * AT_ONCE:
            closed, self._seen = self._until_ms < self._now_ms, 0
            self._floors[closed], anew = NO_FLOOR, bool(closed.any())  # what holds no more keeps nobody out for ever
        enters = np.flatnonzero((np.where(self._absent, 1.0 - scored.p, scored.p) > self._floors).any(axis=1))
        self._listed.update([turn.scores[place][0] for place in enters.tolist()])  # before the next line: who enters may fall within the same turn
        places = [place for place, (user, _) in enumerate(turn.scores) if user in self._listed]
        if not places:
            return
        self._state[1].append(_Came(partition, [turn.scores[place] for place in places], scored.time_ms[places], scored.p[places]))
        self._number += len(places)
        if self._number >= AT_ONCE or anew:  # without a floor everybody's score would wait, and one turn brings enough for another
            self._settle(self._joined(self._targets))

    def keep(self, partitions: Collection[int]) -> None:
        """Forget the users of all other partitions: another worker knows them now."""
        lists = self._joined(self._targets)
        self._settle({name: one.chosen(np.flatnonzero(np.isin(one.partition, list(partitions)))) for name, one in lists.items()})

    def forget(self, users: Collection[str]) -> None:
        """Forget these users."""
        if users:
            self._settle({name: one.not_of(users) for name, one in self._joined(self._targets).items()})

    def _settle(self, lists: Lists) -> None:
        """These are the lists now, and nothing waits."""
        self._state, self._number = (lists, []), 0
        self._listed = {user for one in lists.values() for user, _ in one.scores}
        self._floors[:] = [one.p.min() if len(one.p) >= KEPT else NO_FLOOR for one in lists.values()]
        open_ms = [target.delay_ms + target.horizon_ms for target in self._targets.values()]
        self._until_ms[:] = [np.median(one.time_ms) + more if len(one.p) else NEVER_MS for one, more in zip(lists.values(), open_ms, strict=True)]

    def _joined(self, names: Collection[str]) -> dict[str, _List]:
        """The lists of these targets with what waits. Of each user the last score counts."""
        lists, waiting = self._state
        waiting = waiting.copy()
        if not waiting:
            return {name: self._standing(name, lists[name]) for name in names}
        scores = list(chain.from_iterable(one.scores for one in waiting))
        time_ms, p = np.concatenate([one.time_ms for one in waiting]), np.concatenate([one.p for one in waiting])
        partition = np.repeat([one.partition for one in waiting], [len(one.scores) for one in waiting])
        place_of = dict(zip(map(itemgetter(0), scores), range(len(scores)), strict=True))
        places = list(place_of.values())
        last = _List(scores, p[:, 0], time_ms, partition).chosen(np.array(places))
        found = {}
        for number, (name, target) in enumerate(self._targets.items()):
            if name in names:
                # whoever has a newer score is judged by that alone, and what holds no more must take nobody's place
                chance = p[places, number]
                both = lists[name].not_of(place_of).with_more(last._replace(p=1.0 - chance if target.absence else chance))
                found[name] = self._standing(name, both)
        return found

    def _standing(self, name: str, users: _List) -> _List:
        """Those of a target whose windows are open, up to KEPT with the highest p."""
        standing = np.flatnonzero(users.time_ms >= self._holds_from_ms(self._targets[name]))
        highest = users.p[standing].argpartition(-KEPT)[-KEPT:] if len(standing) > KEPT else slice(None)
        return users.chosen(standing[highest])

    def _holds_from_ms(self, target: TargetSettings) -> int:
        """The earliest time of a score whose window has not closed yet."""
        return self._now_ms - target.delay_ms - target.horizon_ms
