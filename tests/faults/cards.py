"""The scorecards of all models that a run published, for whoever recomputes its scores."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.readback import Topic
from tests.faults.recomputation import Versions
from worker.core.learning.snapshot import Snapshot
from worker.core.scoring.scorecard import Scorecard, Scorecards
from worker.service.scoring.models import untrained
from worker.settings import Settings


class Cards:
    """The scorecards of every version that was ever published."""

    def __init__(self, settings: Settings, models: Topic, mislearned: Callable[[str], None], strange: Callable[[str], None]) -> None:
        """`mislearned` and `strange` are told of what is wrong with them."""
        self._cards = {f"{name}@0": untrained(name, target) for name, target in settings.targets.items()}
        self.untrained: Versions = tuple(self._cards)
        self._strange = strange
        self.published = 0  # snapshots
        seen: dict[str, bytes] = {}
        for record in models.all():
            snapshot = Snapshot.decode(record.value or b"")
            self.published += 1
            card = snapshot.scorecard(settings.targets[snapshot.target].abstain_below)
            content = card.weights.tobytes() + repr((card.intercept, card.warming_up, card.base_rate, card.level, card.calibration.tolist())).encode()
            if seen.setdefault(card.version, content) != content and settings.targets[snapshot.target].scheme == "maturity":
                mislearned(f"{card.version} is two different models")
            self._cards[card.version] = card
        self._known: dict[Versions, Scorecards] = {}

    def of(self, versions: Versions) -> Scorecards:
        """The scorecards of one turn, by their versions."""
        if versions not in self._known:
            for version in versions:
                if version not in self._cards:
                    self._strange(f"a score names the model {version}, which nobody published")
            self._known[versions] = Scorecards.of([self._card(version) for version in versions])
        return self._known[versions]

    def _card(self, version: str) -> Scorecard:
        return self._cards.get(version) or self._cards[f"{version.rpartition('@')[0]}@0"]
