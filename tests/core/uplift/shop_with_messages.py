"""A shop whose users buy more, or not, where a message reaches them: events through a real pipeline, its triggers back to the shop.

Everybody comes once, and crosses the rule with the first event. From then on they buy within the window with a chance that a fired trigger changes, which
is the truth that an estimate is held against. One rule; guards may keep a part of the messages back, so that what is true of all who were assigned
is the effect times the share who were reached.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np

from tests.core.action.action_runs import plan
from worker.core.learning.trainer import Trainer
from worker.core.pipeline import Pipeline, Turn
from worker.core.scoring.scorecard import Scorecards
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.core.settings import CoreSettings
from worker.core.uplift.assignments import Totals

START_MS, HOUR_MS = 1_700_000_000_000, 3_600_000
CONVERSION, HOLDOUT = 0.15, 0.2
_SETTINGS = CoreSettings.model_validate(
    {
        "targets": {"purchase": {"horizon": "1 d", "abstain_below": 0}},
        "silence": {"marks": []},
        "reasons": 0,
    }
)
_CARDS = Scorecards.of([Trainer("purchase", _SETTINGS.targets["purchase"], TABLE_SIZE, LAYOUT).scorecard()])


@dataclass
class MessagedShop:
    """One run; `looks` are the totals after every turn."""

    seed: int
    users: int
    effect: float  # added to the conversion of those for whom a trigger fires
    refused: float = 0.0  # share of users without consent
    capped: bool = False  # a second rule takes half the messages' room under the cap over all rules
    looks: list[Totals] = field(default_factory=list)
    fired: set[str] = field(default_factory=set)
    crossed: dict[str, str] = field(default_factory=dict)  # user: reason of the rule's first record, or ""
    bought: set[str] = field(default_factory=set)

    def run(self, batch: int = 200) -> MessagedShop:
        """Users come `batch` an hour; what they buy follows two hours later."""
        triggers = {"hurry": {"when": "sessions >= 1.0", "holdout": HOLDOUT, "window": "6 h"}}
        if self.capped:
            triggers["first"] = {"when": "device == 'phone'", "holdout": 0.0, "window": "6 h", "priority": 9}
        made = plan({}, triggers, {"quiet_from": "00:00", "quiet_until": "00:00", "cap": 1}, self.seed)
        self._pipeline, self._sent = Pipeline(_SETTINGS, plan=made), 0
        rng = np.random.default_rng(self.seed)
        waiting: list[tuple[int, list[bytes]]] = []
        for hour in range(-(-self.users // batch) + 9):
            now_ms = START_MS + hour * HOUR_MS
            due = [value for at, values in waiting if at == hour for value in values]
            names = [f"s{self.seed}u{number}" for number in range(hour * batch, min((hour + 1) * batch, self.users))]
            draws = rng.random((len(names), 3))
            said = np.where(draws[:, 0] < self.refused, "denied", "granted")
            came = [
                _event("page_view", name, now_ms, consent=str(word), device="phone" if phone < 0.5 else "desktop")
                for name, word, phone in zip(names, said, draws[:, 2], strict=True)
            ]
            self._take([*due, *came, _event("page_view", "clock", now_ms)])
            buyers = [name for name, draw in zip(names, draws[:, 1], strict=True) if draw < CONVERSION + self.effect * (name in self.fired)]
            self.bought.update(buyers)
            waiting.append((hour + 2, [_event("purchase", name, now_ms + 2 * HOUR_MS) for name in buyers]))
        return self

    def _take(self, values: list[bytes]) -> None:
        turn: Turn = self._pipeline.turn(values, range(self._sent, self._sent + len(values)), _CARDS)
        self._sent += len(values)
        for user, value in turn.triggers:
            record = json.loads(value)
            if record["rule"] == "hurry":
                self.crossed.setdefault(user, record.get("reason", ""))
                if record["result"] == "fired":
                    self.fired.add(user)
        assert self._pipeline.action
        totals = self._pipeline.action.crossings.experiments
        self.looks.append(Totals() + totals.totals[totals.of_rule["hurry"]])


def _event(name: str, user: str, time_ms: int, **fields: str) -> bytes:
    return json.dumps({"event": name, "user_id": user, "timestamp": time_ms, **fields}).encode()
