"""The users who are likeliest by their latest scores, target by target: kept up to date from the columns of each turn, not event by event.

A bounded list cannot know everybody: whoever was left out and whose score has not changed since is missed until the next score.
KEPT is several times what is shown, so that this takes many who fall at once. After a restart the lists begin empty.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from worker.core.pipeline import Turn
from worker.core.settings import TargetSettings

KEPT = 100


@dataclass(frozen=True, slots=True)
class Likely:
    """A user's latest score as far as one target ranks it; `record` is the score record."""

    user: str
    p: float
    time_ms: int
    partition: int
    record: bytes


class Likeliest:
    """For each target, up to KEPT users with the highest p."""

    def __init__(self, targets: Mapping[str, TargetSettings]) -> None:
        self._targets = {name: target for name, target in targets.items() if target.enabled}
        self._kept: dict[str, dict[str, Likely]] = {name: {} for name in self._targets}
        self._now_ms = 0  # of the events: the latest time that a score speaks of

    def top(self, target: str, limit: int) -> list[Likely]:
        """The users with the highest p, highest first. A score whose window has closed meanwhile says nothing any more."""
        from_ms = self._holds_from_ms(self._targets[target])
        current = [likely for likely in self._kept[target].values() if likely.time_ms >= from_ms]
        return sorted(current, key=lambda likely: (-likely.p, likely.user))[:limit]

    def take(self, partition: int, turn: Turn) -> None:
        """Take a turn's scores over: n of them, of each user the last one."""
        if turn.scored is None or not turn.scores or not self._targets:
            return
        scored = turn.scored
        self._now_ms = max(self._now_ms, int(scored.time_ms.max()))
        place_of = {user: place for place, (user, _) in enumerate(turn.scores)}
        last = np.fromiter(place_of.values(), np.int64, len(place_of))
        for number, (name, target) in enumerate(self._targets.items()):
            from_ms = self._holds_from_ms(target)
            current = last[scored.time_ms[last] >= from_ms]
            p = scored.p[current, number]
            p = 1.0 - p if target.absence else p
            # whoever has a newer score is judged by that alone, and what holds no more must take nobody's place
            kept = {user: likely for user, likely in self._kept[name].items() if user not in place_of and likely.time_ms >= from_ms}
            highest = np.argpartition(p, len(p) - KEPT)[-KEPT:] if len(p) > KEPT else np.arange(len(p))
            if len(kept) >= KEPT:  # most of a turn is below all that are kept
                highest = highest[p[highest] > min(likely.p for likely in kept.values())]
            new = dict(kept)
            for place, chance in zip(current[highest].tolist(), p[highest].tolist(), strict=True):
                user, record = turn.scores[place]
                new[user] = Likely(user, chance, int(scored.time_ms[place]), partition, record)
            if len(new) > KEPT:
                new = {likely.user: likely for likely in sorted(new.values(), key=lambda likely: -likely.p)[:KEPT]}
            self._kept[name] = new

    def _holds_from_ms(self, target: TargetSettings) -> int:
        """The earliest time of a score whose window has not closed yet."""
        return self._now_ms - target.delay_ms - target.horizon_ms

    def keep(self, partitions: Collection[int]) -> None:
        """Forget the users of all other partitions: another worker knows them now."""
        self._kept = {name: {user: likely for user, likely in kept.items() if likely.partition in partitions} for name, kept in self._kept.items()}
