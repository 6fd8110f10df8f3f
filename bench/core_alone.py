"""The core alone: decode, profiles, features, three targets with reasons, encode; no log and no learning. Processor time of one process."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench.events import Stream
from bench.figures import Figure
from worker.core import pipeline as flow
from worker.core.learning.trainer import Trainer
from worker.core.pipeline import Pipeline
from worker.core.profiles.profiles import Profiles
from worker.core.scoring import scoring
from worker.core.scoring.records import ScoreRecords
from worker.core.scoring.scorecard import Scorecards
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.core.settings import CoreSettings

TURN = 5_000
RUNS = 5  # of which the quickest is shown: what else runs on the machine only ever slows down
TURNS = ((1, 500), (10, 4_000), (100, 20_000), (1_000, 60_000), (TURN, 100_000))  # events a turn, events measured
REST = "decisions, outcomes, timers"
STEPS: list[tuple[Any, str, str]] = [
    (flow, "decode", "decode"),
    (Profiles, "apply", "profiles"),
    (scoring, "bins_of", "features"),
    (Scorecards, "points", "scorecard"),
    (Scorecards, "probabilities", "scorecard"),
    (ScoreRecords, "encode", "reasons and encode"),
]


class Core:
    """One pipeline with scorecards that have learned, fed with lines. Offsets go on from one feed to the next."""

    def __init__(self, scorecards: Scorecards) -> None:
        self.pipeline, self.scorecards = Pipeline(CoreSettings(), keep_changes=False), scorecards
        self._offset = 0

    def feed(self, lines: Sequence[bytes], turn: int = TURN) -> tuple[float, int, int]:
        """Seconds of processor time, events and scores of all lines, `turn` of them at a time."""
        scores = events = 0
        began = time.process_time()
        for start in range(0, len(lines), turn):
            part = lines[start : start + turn]
            done = self.pipeline.turn(part, range(self._offset, self._offset + len(part)), self.scorecards)
            self._offset += len(part)
            scores += len(done.scores)
            events += done.events
        return time.process_time() - began, events, scores


def trainers(lines: Sequence[bytes]) -> dict[str, Trainer]:
    """One trainer a target that has learned from the lines."""
    pipeline = Pipeline(CoreSettings(reasons=0), keep_changes=False)
    learned = {name: Trainer(name, target, TABLE_SIZE, LAYOUT) for name, target in pipeline.targets.items()}
    scorecards = Scorecards.of([trainer.scorecard() for trainer in learned.values()])
    for start in range(0, len(lines), TURN):
        part = lines[start : start + TURN]
        for example in pipeline.turn(part, range(start, start + len(part)), scorecards).examples:
            learned[example.target].learn(example)
    return learned


def trained(lines: Sequence[bytes]) -> Scorecards:
    """Scorecards that have learned from the lines, so that reasons are as varied as in use."""
    return Scorecards.of([trainer.scorecard() for trainer in trainers(lines).values()])


def lessons() -> list[bytes]:
    """A month of generated events, slow enough for outcomes to be known and for silences."""
    return Stream(3_000, rate_per_s=0.012, seed=7).take(30_000)


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Processor time by step, of everything that is scored within."""
    spent: defaultdict[str, float] = defaultdict(float)

    def clocked(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                spent[step] += time.process_time() - began

        return call

    before = [(owner, name, getattr(owner, name)) for owner, name, _ in STEPS]
    for owner, name, step in STEPS:
        setattr(owner, name, clocked(step, getattr(owner, name)))
    try:
        yield spent
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def by_batch_size(lines: Sequence[bytes]) -> Iterator[Figure]:
    """Events a second of one core and µs an event by step at several sizes of a turn; 100,000 known users, or the lines of a file."""
    scorecards = trained(lines or lessons())
    known, source = Stream(100_000), "file" if lines else "generated"
    core = Core(scorecards)
    for chunk in [] if lines else known.everybody():
        core.feed([value for _, value in chunk])
    for turn, count in TURNS:
        best: tuple[float, int, int, dict[str, float]] | None = None
        for _ in range(RUNS if turn > 1 else 2):
            if lines:
                core = Core(scorecards)
            part = lines[:count] if lines else known.take(count)
            with timed() as spent:
                took, events, scores = core.feed(part, turn)
            if best is None or took / events < best[0] / best[1]:
                best = took, events, scores, dict(spent)
        if best is None:
            continue
        took, events, scores, steps = best
        key = f"core.{source}.{turn}"
        yield Figure(key, f"core alone, {source} events, {turn:,} a turn", events / took, "events/s")
        yield Figure(f"{key}.scores", "  scores, those of silence included", scores / took, "scores/s")
        for step, seconds in {**steps, REST: took - sum(steps.values())}.items():
            yield Figure(f"{key}.{step}", f"  {step}", seconds / events * 1e6, "µs/event")
