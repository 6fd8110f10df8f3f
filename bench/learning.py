"""Learning: examples a second of one trainer, and a whole replay with learning. Processor time; the input is the synthetic shop, or a file."""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Iterator, Sequence

from bench.core_alone import TURN
from bench.figures import Figure
from worker.core.labels.examples import Example
from worker.core.learning.trainer import Trainer
from worker.core.pipeline import Pipeline
from worker.core.scoring.scorecard import Scorecards
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.core.settings import CoreSettings
from worker.demo.shop import Shop, ShopSettings
from worker.service.reprocessing.replay import Replay

EVENTS = 100_000


def shop(count: int = EVENTS) -> list[bytes]:
    """Events of the synthetic shop of the demo."""
    visited = Shop(ShopSettings(users=max(1_000, count // 10)))
    return list(itertools.islice((value for chunk in visited.chunks() for value in chunk.values), count))


def trainer(lines: Sequence[bytes]) -> Iterator[Figure]:
    """Examples a second of one target's trainer, on the examples that the lines give."""
    lines = lines or shop()
    pipeline = Pipeline(CoreSettings(reasons=0), keep_changes=False)
    untaught = [Trainer(name, target, TABLE_SIZE, LAYOUT) for name, target in pipeline.targets.items()]
    scorecards = Scorecards.of([one.scorecard() for one in untaught])
    examples: list[Example] = []
    for start in range(0, len(lines), TURN):
        part = lines[start : start + TURN]
        records = pipeline.turn(part, range(start, start + len(part)), scorecards).examples
        examples += [record for record in records if isinstance(record, Example)]
    for name, target in pipeline.targets.items():
        mine = [example for example in examples if example.target == name]
        if not mine:
            continue
        learner = Trainer(name, target, TABLE_SIZE, LAYOUT)
        began = time.process_time()
        learner.learn_many(mine)
        took = time.process_time() - began
        yield Figure(f"trainer.{name}", f"trainer of {name}, {len(mine):,} examples", len(mine) / took, "examples/s")
        yield Figure(f"trainer.{name}.bins", "  active bins an example", sum(len(example.bins) for example in mine) / len(mine), "bins")


def replay(lines: Sequence[bytes]) -> Iterator[Figure]:
    """A replay with learning and reasons, as `clickscore replay` does it, without writing files."""
    lines = lines or shop()
    run = Replay(CoreSettings())
    began = time.process_time()
    for start in range(0, len(lines), TURN):
        run.take(lines[start : start + TURN])
    run.finish()
    took = time.process_time() - began
    yield Figure("replay", "replay with learning and reasons", run.read / took, "events/s")
    yield Figure("replay.scores", "  scores, those of silence included", (run.events + run.silent) / took, "scores/s")
    yield Figure("replay.memory", "  peak memory of this process", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB")
