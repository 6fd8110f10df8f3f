"""The topics of a worker, and the embedded log that holds them."""

from __future__ import annotations

from pathlib import Path

from worker.errors import ClickscoreError
from worker.log.contract import Log, Topic
from worker.log.embedded import EmbeddedLog
from worker.settings import Settings, TopicSettings

DEFAULT_PARTITIONS = 1
SHORT_NAMES = tuple(TopicSettings.model_fields)


class TopicsDiffer(ClickscoreError):
    """The log was made for another configuration; nothing was changed."""

    exit_code = 78


def open_log(settings: Settings, partitions: int | None = None) -> EmbeddedLog:
    """Open the embedded log to write; on first use it is created, with all of its topics and `partitions` of them for the events.

    Raises TopicsDiffer where the file has other partitions than asked for, or too few for the targets.
    """
    log = EmbeddedLog(settings.embedded.path)
    try:
        create_topics(log, settings, partitions)
    except BaseException:
        log.close()
        raise
    return log


def open_existing(settings: Settings) -> EmbeddedLog:
    """Open the embedded log to read; raises LogMissing when there is none."""
    return EmbeddedLog(Path(settings.embedded.path), create=False)


def create_topics(log: Log, settings: Settings, partitions: int | None = None) -> None:
    """Create what is missing; what is there keeps its partitions."""
    names, there = settings.topics, log.topics()
    known = there[names.events].partitions if names.events in there else None
    if known is not None and partitions is not None and known != partitions:
        raise TopicsDiffer(
            f"the log has {known} partitions of events, asked for were {partitions}",
            f"topic {names.events}",
            "leave --partitions out, or start with a new file: partitions cannot be changed without moving users",
        )
    spread = known or partitions or DEFAULT_PARTITIONS
    targets = len(settings.targets)
    if names.examples in there and there[names.examples].partitions < targets:
        raise TopicsDiffer(
            f"the log was made for {there[names.examples].partitions} targets, and {targets} are configured",
            f"topic {names.examples}",
            "start with a new file for the new targets",
        )
    wanted = [
        Topic(names.events, spread),
        Topic(names.scores, spread, "compact,delete"),
        Topic(names.profiles, spread, "compact"),
        Topic(names.examples, targets),
        Topic(names.models, 1, "compact"),
        Topic(names.deadletter, spread),
    ]
    log.create([topic for topic in wanted if topic.name not in there])


def full_name(settings: Settings, topic: str) -> str:
    """The name of a topic that is given by its short name ("scores") or its full one."""
    return str(getattr(settings.topics, topic)) if topic in SHORT_NAMES else topic


def target_partitions(settings: Settings) -> dict[str, int]:
    """The partition of the examples topic that each target has to itself."""
    return {name: number for number, name in enumerate(settings.targets)}
