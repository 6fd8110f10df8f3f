"""Learning: examples a second of one trainer, and a whole replay with learning."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

from bench.core_alone import TURN
from worker.core.labels.examples import Example
from worker.core.learning.trainer import Trainer
from worker.core.pipeline import Pipeline
from worker.core.scoring.scorecard import Scorecards
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.core.settings import CoreSettings
from worker.service.replay import Replay


def trainer(lines: list[bytes]) -> Iterator[tuple[str, str]]:
    """Examples a second of one target's trainer, on the examples that the lines give."""
    pipeline = Pipeline(CoreSettings(reasons=0), keep_changes=False)
    trainers = {name: Trainer(name, target, TABLE_SIZE, LAYOUT) for name, target in pipeline.targets.items()}
    scorecards = Scorecards.of([t.scorecard() for t in trainers.values()])
    examples: list[Example] = []
    for start in range(0, len(lines), TURN):
        part = lines[start : start + TURN]
        records = pipeline.turn(part, range(start, start + len(part)), scorecards).examples
        examples += [record for record in records if isinstance(record, Example)]
    for name, target in pipeline.targets.items():
        mine = [example for example in examples if example.target == name]
        learner = Trainer(name, target, TABLE_SIZE, LAYOUT)
        began = time.process_time()
        learner.learn_many(mine)
        took = time.process_time() - began
        if mine:
            bins = sum(len(example.bins) for example in mine) / len(mine)
            yield f"trainer, {name}: examples/s (µs each, {bins:.0f} bins)", f"{len(mine) / took:,.0f} ({took / len(mine) * 1e6:.1f})"


def replay(lines: list[bytes]) -> Iterator[tuple[str, str]]:
    """A replay with learning and reasons, as `clickscore replay` does it, without writing files."""
    run = Replay(CoreSettings())
    began = time.process_time()
    for start in range(0, len(lines), TURN):
        run.take(lines[start : start + TURN])
    run.finish()
    took = time.process_time() - began
    yield "replay with learning and reasons: events/s (µs an event)", f"{run.read / took:,.0f} ({took / max(run.read, 1) * 1e6:.1f})"
    yield "  peak memory of this process, MiB", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f}"
