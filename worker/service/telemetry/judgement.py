"""How good the published probabilities were, over recent matured outcomes: their log-loss, and that of the base rate alone."""

from __future__ import annotations

import math

from worker.core.labels.examples import Example

MEMORY = 20_000.0  # weight of outcomes after which a judgement has faded to 1/e


class Judgement:
    """A fading mean of log-loss. Examples learned before their outcome is known are not judged."""

    def __init__(self) -> None:
        self.count = 0
        self._weight = self._loss = self._happened = 0.0

    def add(self, example: Example) -> None:
        """Compare a published probability with what came of it."""
        if example.sense != "matured":
            return
        keep = math.exp(-example.weight / MEMORY)
        self.count += 1
        self._weight = keep * self._weight + example.weight
        self._loss = keep * self._loss - example.weight * math.log(example.p if example.outcome else 1.0 - example.p)
        self._happened = keep * self._happened + example.weight * example.outcome

    @property
    def log_loss(self) -> float:
        """Of the probabilities; NaN before the first outcome."""
        return self._loss / self._weight if self._weight else math.nan

    @property
    def baseline(self) -> float:
        """Of the rate at which the outcome happened; NaN before the first."""
        if not self._weight:
            return math.nan
        rate = self._happened / self._weight
        return -sum(share * math.log(share) for share in (rate, 1.0 - rate) if share > 0)
