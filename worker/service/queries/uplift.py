"""The effects of rules, read back from the changelog: partitions write totals, and everybody may add them up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson

from worker.core.uplift.assignments import Totals, totals_key
from worker.core.uplift.effects import Effect, effect_of
from worker.errors import ClickscoreError
from worker.log.contract import Log
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.core.action.turn import Action

_KIND = totals_key("")


def totals_of(partitions: Iterable[Action]) -> dict[str, Totals]:
    """By rule, the totals of some partitions together."""
    out: defaultdict[str, Totals] = defaultdict(Totals)
    for partition in partitions:
        experiments = partition.crossings.experiments
        for name, experiment in experiments.by_id.items():
            out[experiment.rule] += experiments.totals[name]
    return out


def effects(log: Log, settings: Settings) -> list[Effect]:
    """The effect of every configured rule, over all partitions. Reads the topic of profiles whole. Raises ClickscoreError where there are no rules."""
    experiments = settings.plan.experiments if settings.plan else []
    if not experiments:
        raise ClickscoreError(
            "no rule is configured, so there is nothing whose effect could be told", todo="add a rule under [triggers.NAME], see docs/action.md"
        )
    topic = settings.topics.profiles
    totals: defaultdict[bytes, Totals] = defaultdict(Totals)
    for partition in log.end_offsets(topic):
        latest = {record.key: record.value for record in log.read(topic, partition) if record.key and record.key.startswith(_KIND)}
        for key, value in latest.items():
            if value is not None:
                totals[key] += Totals.of_record(orjson.loads(value))
    return [effect_of(experiment, totals[totals_key(experiment.id)]) for experiment in experiments]
