"""A dry run of segments and triggers: files of events through a replay, and what would have become of every crossing and of every membership.

Nothing is sent and no log is touched. Scores come from models that learn on the way, as in `clickscore replay`: in the first part of a file targets warm up,
and rules that speak of them hold for nobody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from worker.core.action.plan import Plan
from worker.core.pipeline import Turn
from worker.core.settings import CoreSettings
from worker.service.reprocessing.replay import Replay


@dataclass(slots=True)
class Tally:
    """What became of one rule's crossings."""

    crossings: int = 0
    held: int = 0  # of them, over quiet hours
    fired: int = 0
    suppressed: Counter[str] = field(default_factory=Counter)  # by reason
    users: set[str] = field(default_factory=set)  # who were sent something

    @property
    def waiting(self) -> int:
        """Held when the events ended."""
        return self.crossings - self.fired - self.suppressed.total()


@dataclass(slots=True)
class Membership:
    """Who came and went in one segment."""

    entered: int = 0
    left: int = 0
    members: set[str] = field(default_factory=set)


class DryRun:
    """One pass over a stream of event records with a plan. `take` and `finish` give the turn's outcomes as they are published."""

    def __init__(self, settings: CoreSettings, plan: Plan) -> None:
        self.replay = Replay(settings.model_copy(update={"reasons": 0}), plan)
        self.rules = {latch.name: Tally() for latch in plan.latches}
        self.segments = {latch.name: Membership() for latch in plan.segments}
        self._held: set[str] = set()  # triggers
        self._in: defaultdict[str, set[str]] = defaultdict(set)  # by user: segments

    def take(self, values: Sequence[bytes]) -> Turn:
        """One turn over the next records."""
        return self._account(self.replay.take(values))

    def finish(self) -> Turn:
        """The input has ended."""
        return self._account(self.replay.finish())

    @property
    def warming_up(self) -> list[str]:
        """Targets whose scores still abstain as the events end."""
        return [name for name, judged in self.replay.judged().items() if judged.scorecard.warming_up]

    def _account(self, turn: Turn) -> Turn:
        for _, value in turn.triggers:
            self._count(orjson.loads(value))
        for user, changed in turn.segments:
            self._follow(user, None if changed is None else orjson.loads(changed))
        return turn

    def _count(self, record: dict[str, Any]) -> None:
        tally, trigger = self.rules[record["rule"]], record["trigger_id"]
        if trigger in self._held:
            self._held.discard(trigger)
        else:
            tally.crossings += 1
        if record["result"] == "held":
            tally.held += 1
            self._held.add(trigger)
        elif record["result"] == "fired":
            tally.fired += 1
            tally.users.add(record["user_id"])
        else:
            tally.suppressed[record["reason"]] += 1

    def _follow(self, user: str, record: dict[str, Any] | None) -> None:
        entered, left = (set(record["entered"]), set(record["left"])) if record else (set[str](), self._in.pop(user, set()))
        for name in entered:
            self.segments[name].entered += 1
            self.segments[name].members.add(user)
        for name in left:
            self.segments[name].left += 1
            self.segments[name].members.discard(user)
        self._in[user] = (self._in[user] | entered) - left
