"""Pipelines run over a stream for tests: cut into turns at will, stopped and restored at will, with scorecards that never change."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.core.shops import Value
from worker.core.labels.decisions import Scored
from worker.core.labels.examples import Example
from worker.core.labels.tallies import Tally
from worker.core.pipeline import DeadLetter, Pipeline, Turn
from worker.core.scoring.scorecard import Scorecards
from worker.core.scoring.slots import TABLE_SIZE
from worker.core.settings import CoreSettings, TargetSettings, default_targets
from worker.core.state.changelog import Restored

DEFAULTS = CoreSettings()

# Every silent score is a decision and every outcome an example: nothing is left to chance but the day's draw.
COMPLETE = CoreSettings.model_validate(
    {
        "silence": {"share": 1.0},
        "targets": {
            name: target.model_copy(update={"silent_negatives": 1.0})
            for name, target in {**default_targets(), "cart": TargetSettings(outcome="add_to_cart", delay="10 min", horizon="2 d")}.items()
        },
        "outage": {"detect": False},
        "seed": 5,
    }
)


def scorecards(settings: CoreSettings = DEFAULTS, seed: int = 0, spread: float = 0.3) -> Scorecards:
    """Scorecards with weights drawn once."""
    targets = tuple(name for name, target in settings.targets.items() if target.enabled)
    chance = np.random.default_rng(seed)
    weights = chance.normal(0.0, spread, (len(targets), TABLE_SIZE))
    weights[:, 0] = 0.0
    count = len(targets)
    return Scorecards(targets, weights, [-3.0, -4.0, 1.0, -2.0][:count], [f"{name}@7" for name in targets], [0.02, 0.01, 0.7, 0.1][:count], [False] * count)


@dataclass
class Run:
    """All that a pipeline published, and the pipeline as it was left."""

    pipeline: Pipeline
    scores: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    scored: list[Scored] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    changelog: dict[bytes, bytes] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    written: list[object] = field(default_factory=list)  # every record in the order of publishing

    def take(self, turn: Turn) -> Turn:
        for user, record in turn.scores:
            self.scores[user].append(record)
        self.scored += [turn.scored] if turn.scored is not None else []
        self.examples += [record for record in turn.examples if isinstance(record, Example)]
        self.tallies += [record for record in turn.examples if isinstance(record, Tally)]
        for key, value in turn.changes:
            if value is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = value
        self.dead_letters += turn.dead_letters
        self.counts.update(turn.dropped)
        self.counts.update({"read": turn.read, "events": turn.events, "silent": turn.silent, "dead": len(turn.dead_letters)})
        self.written += [turn.scores, [example.encode() for example in turn.examples], turn.changes]
        return turn

    def restart(self) -> None:
        """Let a new pipeline go on from the changelog, as after a crash between two turns."""
        self.pipeline = restored(self)


def restored(run: Run, settings: CoreSettings | None = None) -> Pipeline:
    """A new pipeline with the state of the changelog, with settings of its own where given."""
    changelog = Restored()
    for key, value in run.changelog.items():
        changelog.apply(key, value)
    pipeline = Pipeline(settings or run.pipeline.settings, run.pipeline.partition)
    pipeline.restore(changelog)
    return pipeline


def run(
    values: Sequence[Value],
    sizes: Sequence[int] | None = None,
    settings: CoreSettings = DEFAULTS,
    cards: Scorecards | None = None,
    restarts: Collection[int] = (),
    finish: bool = True,
) -> Run:
    """Take the stream in turns of these sizes (all at once where none are given), with a restart before each turn whose number is in `restarts`."""
    cards = cards or scorecards(settings)
    out = Run(Pipeline(settings))
    position = 0
    for number, size in enumerate(sizes if sizes is not None else [len(values)]):
        if number in restarts:
            out.restart()
        out.take(out.pipeline.turn(values[position : position + size], range(position, position + size), cards))
        position += size
    if finish:
        out.take(out.pipeline.finish(cards))
    return out


def example_key(example: Example) -> tuple[object, ...]:
    """Everything that an example says, in a form that compares and sorts."""
    return (example.decision_id, example.target, example.encode())


def profile_rows(pipeline: Pipeline) -> dict[str, bytes]:
    """Every user's row as bytes."""
    return {user: pipeline.profiles.rows[row].tobytes() for user, row in pipeline.profiles.row_of.items()}
