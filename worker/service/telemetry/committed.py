"""What a turn of the scorer leaves behind for telemetry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.core.pipeline import Pipeline, Turn
    from worker.core.scoring.scorecard import Scorecards
    from worker.core.settings import TargetSettings


@dataclass(slots=True)
class Committed:
    """One turn of the scorer as it was committed: its outputs by partition, and the time that each step took."""

    turns: Mapping[int, Turn]
    read: int
    dead_letters: Counter[str]
    written_ms: Sequence[int]  # when each record of the input was written, Unix time
    step_s: Mapping[str, float]
    pipelines: Mapping[int, Pipeline]  # all that this worker has
    scorecards: Scorecards  # that it was scored with
    targets: Mapping[str, TargetSettings]
