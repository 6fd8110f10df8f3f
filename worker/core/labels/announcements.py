"""The delay-corrected scheme: examples of targets that learn before their windows close.

A decision is announced as provisional, a negative, as soon as it is final, and once more when the outcome happens within its window; the trainer weighs
the two so that together they teach what the matured label would (Ktena et al. 2019, "Addressing delayed feedback for
continuous training with neural networks in CTR prediction", fake negative weighted). The matured example still follows, to judge by and not to
learn from. A window that an outage voids later has been learned as a negative by then: the price of learning early.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.core.labels.decisions import DONE, EVENT, HAPPENED, UNKNOWN, Decisions, draws
from worker.core.labels.history import History
from worker.core.labels.outcomes import Outcomes, Settled
from worker.core.labels.timers import Timers

Ints = NDArray[np.int64]

NOT_YET, PROVISIONAL, ANNOUNCED = range(3)  # values of Decisions.announced


class Announcements:
    """Announces the decisions of the targets whose scheme is fake_negative; does nothing where there are none."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes
        self.targets = np.flatnonzero([target.scheme == "fake_negative" for target in outcomes.settings])
        self.timers = Timers()

    def wait_for(self, decisions: Decisions, places: Ints) -> None:
        """Set the timers of new or restored decisions: each is announced when nothing can take its place any more."""
        count = len(self.outcomes.settings)
        for target in self.targets.tolist():
            waiting = places[(decisions.outcome[places, target] != DONE) & (decisions.announced[places, target] == NOT_YET)]
            self.timers.add(decisions.final_ms[waiting], waiting * count + target, decisions.serial[waiting])

    def announce(self, decisions: Decisions, history: History, busy: Ints, watermark_ms: int) -> list[Settled]:
        """What became final, and what happened to users of this turn (`busy`, profile rows). Call it before the windows are settled."""
        if not len(self.targets):
            return []
        count = len(self.outcomes.settings)
        _, key, serial = self.timers.take(watermark_ms)
        holds = decisions.serial[key // count] == serial
        place, target = key[holds] // count, key[holds] % count
        decisions.announced[place, target] = PROVISIONAL
        decisions.touched.update(place.tolist())
        out = [self._provisional(decisions, place, target)]
        for number in self.targets.tolist():
            open_places = np.flatnonzero((decisions.serial > 0) & (decisions.announced[:, number] == PROVISIONAL))
            open_places = open_places[np.isin(decisions.row[open_places], busy) | np.isin(open_places, place[target == number])]
            happened = open_places[self._happened(decisions, history, open_places, number)]
            decisions.announced[happened, number] = ANNOUNCED
            decisions.touched.update(happened.tolist())
            out.append(Settled(happened, np.full(len(happened), number), np.ones(len(happened), dtype=np.bool_), decisions.weight[happened], "happened"))
        return [settled for settled in out if len(settled.place)]

    def _provisional(self, decisions: Decisions, place: Ints, target: Ints) -> Settled:
        thin = np.where(decisions.mark[place] != EVENT, self.outcomes.thin[target], 1.0)
        key = (decisions.offset[place] * 256 + decisions.mark[place] + 1) * 64 + target
        keep = draws(key, self.outcomes.seed + 2) < thin
        place, target, thin = place[keep], target[keep], thin[keep]
        return Settled(place, target, np.zeros(len(place), dtype=np.bool_), decisions.weight[place] / thin, "provisional")

    def _happened(self, decisions: Decisions, history: History, places: Ints, target: int) -> NDArray[np.bool_]:
        known = decisions.outcome[places, target]
        opens = decisions.time_ms[places] + self.outcomes.delay[target]
        closes = opens + self.outcomes.horizon[target]
        reached = history.reached(decisions.row[places], opens, closes, decisions.final_ms[places], self.outcomes.columns[target])
        return np.asarray(np.where(known == UNKNOWN, reached, known == HAPPENED))
