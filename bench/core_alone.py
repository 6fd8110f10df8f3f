"""The core alone: decode, profiles, features, three targets with reasons, encode; no log and no learning."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

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
RUNS = 5  # of which the quickest is shown


def trained(lines: list[bytes]) -> Scorecards:
    """Scorecards that have learned from the lines, so that reasons are as varied as in use."""
    pipeline = Pipeline(CoreSettings(reasons=0), keep_changes=False)
    trainers = {name: Trainer(name, target, TABLE_SIZE, LAYOUT) for name, target in pipeline.targets.items()}
    scorecards = Scorecards.of([trainer.scorecard() for trainer in trainers.values()])
    for start in range(0, len(lines), TURN):
        part = lines[start : start + TURN]
        for example in pipeline.turn(part, range(start, start + len(part)), scorecards).examples:
            trainers[example.target].learn(example)
    return Scorecards.of([trainer.scorecard() for trainer in trainers.values()])


def _run(lines: list[bytes], scorecards: Scorecards, turn: int) -> tuple[float, int, int]:
    pipeline = Pipeline(CoreSettings(), keep_changes=False)
    scores = events = 0
    began = time.process_time()
    for start in range(0, len(lines), turn):
        part = lines[start : start + turn]
        done = pipeline.turn(part, range(start, start + len(part)), scorecards)
        scores += len(done.scores)
        events += done.events
    return time.process_time() - began, events, scores


def by_batch_size(lines: list[bytes]) -> Iterator[tuple[str, str]]:
    """Events a second of one core, at several sizes of a turn."""
    scorecards = trained(lines)
    for turn, count in ((1, 500), (10, 4_000), (100, 20_000), (1_000, len(lines)), (TURN, len(lines)), (4 * TURN, len(lines))):
        took, events, scores = _run(lines[:count], scorecards, turn)
        yield f"core alone, {turn:,} events a turn: events/s (µs an event)", f"{events / took:,.0f} ({took / events * 1e6:.1f})"
        if turn == TURN:
            yield "  scores/s, those of silence included", f"{scores / took:,.0f}"


def by_step(lines: list[bytes]) -> Iterator[tuple[str, str]]:
    """µs an event by step, at 5,000 events a turn; of several runs the quickest, as something else may share the machine."""
    scorecards = trained(lines)
    spent: defaultdict[str, float] = defaultdict(float)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                spent[name] += time.process_time() - began

        return call

    steps: list[tuple[Any, str, str]] = [
        (flow, "decode", "decode"),
        (scoring, "bins_of", "features"),
        (Profiles, "apply", "profiles"),
        (Scorecards, "points", "scorecard, and the largest points"),
        (Scorecards, "probabilities", "scorecard, and the largest points"),
        (ScoreRecords, "encode", "reasons and encode"),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in steps]
    for owner, name, step in steps:
        setattr(owner, name, timed(step, getattr(owner, name)))
    runs: list[tuple[float, int, dict[str, float]]] = []
    try:
        for _ in range(RUNS):
            spent.clear()
            took, events, _ = _run(lines, scorecards, TURN)
            runs.append((took, events, dict(spent)))
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)
    took, events, best = min(runs, key=lambda run: run[0])
    yield f"core alone by step, {TURN:,} events a turn: events/s (µs an event)", f"{events / took:,.0f} ({took / events * 1e6:.1f})"
    for step, seconds in best.items():
        yield f"  {step}: µs an event", f"{seconds / events * 1e6:.2f}"
    yield "  all the rest (decisions, outcomes, timers): µs an event", f"{(took - sum(best.values())) / events * 1e6:.2f}"
