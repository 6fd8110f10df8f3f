"""The topics of a worker, and the log that holds them: an embedded file, or Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import ClickscoreError, Problem
from worker.log.contract import Log, Topic
from worker.log.embedded import EmbeddedLog
from worker.settings import Settings, TopicSettings

if TYPE_CHECKING:
    from worker.log.kafka.log import KafkaLog

DEFAULT_PARTITIONS = 1
SHORT_NAMES = tuple(TopicSettings.model_fields)
SNAPSHOT_BYTES = 16 * 1024 * 1024  # a model's snapshot at its largest is below a third of this


class TopicsDiffer(ClickscoreError):
    """The log's topics are not as this configuration needs them; nothing was changed."""

    exit_code = 78

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems[0])
        self.problems = problems


def open_log(settings: Settings, partitions: int | None = None) -> EmbeddedLog | KafkaLog:
    """Open the log that the settings name, to write.

    An embedded one is created on first use, with all of its topics and `partitions` of them for the events; on Kafka the topics must be there.
    Raises TopicsDiffer where the topics have other partitions than asked for, or are not as the worker needs them; LogUnavailable, LogUnusable.
    """
    if not settings.kafka.bootstrap:
        return _open_embedded(settings, partitions)
    log = connect(settings)
    try:
        if partitions is not None:
            todo = f"leave --partitions out; clickscore topics create --bootstrap {settings.kafka.bootstrap} --partitions {partitions} makes topics"
            raise TopicsDiffer(Problem("--partitions is for a new embedded log", place(settings), todo))
        wrong = [problem for topic in wrong_topics(log.topics(names_of(settings)), settings).values() for problem in topic]
        if wrong:
            raise TopicsDiffer(*wrong)
    except BaseException:
        log.close()
        raise
    return log


def open_existing(settings: Settings) -> EmbeddedLog | KafkaLog:
    """Open the log to read; raises LogMissing when there is none."""
    return connect(settings) if settings.kafka.bootstrap else EmbeddedLog(Path(settings.embedded.path), create=False)


def connect(settings: Settings) -> KafkaLog:
    """Kafka as the settings have it; the cluster is asked nothing yet."""
    from worker.log.kafka.log import KafkaLog, open_client

    connection = settings.kafka.connection()
    return KafkaLog(connection, open_client(connection, settings.kafka.client), settings.kafka.replication)


def place(settings: Settings) -> str:
    """Where the log is, for people."""
    return f"Kafka at {settings.kafka.bootstrap}" if settings.kafka.bootstrap else settings.embedded.path


def names_of(settings: Settings) -> list[str]:
    """The names of all topics of a worker."""
    return list(settings.topics.model_dump().values())


def topic_plan(settings: Settings, partitions: int) -> list[Topic]:
    """Every topic of a worker as it is created, `partitions` of them for the events and what goes with each event."""
    names = settings.topics
    return [
        Topic(names.events, partitions),
        Topic(names.scores, partitions, "compact,delete"),
        Topic(names.profiles, partitions, "compact"),
        Topic(names.examples, len(settings.targets)),
        Topic(names.models, 1, "compact", record_bytes=SNAPSHOT_BYTES),
        Topic(names.deadletter, partitions),
    ]


def wrong_topics(there: Mapping[str, Topic], settings: Settings) -> dict[str, list[Problem]]:
    """By topic, what would keep a worker from working, or lose its state; empty lists where nothing would."""
    names = settings.topics
    events = there.get(names.events)
    spread = events.partitions if events else DEFAULT_PARTITIONS
    found: dict[str, list[Problem]] = {}
    for plan in topic_plan(settings, spread):
        wrong = found[plan.name] = []
        topic, where = there.get(plan.name), f"{place(settings)}, topic {plan.name}"
        if topic is None:
            wrong.append(Problem("the topic is missing", where, f"{_command(settings)} creates what is missing"))
            continue
        if plan.name == names.examples and topic.partitions < plan.partitions:
            todo = f"kafka-topics --alter --topic {plan.name} --partitions {plan.partitions}"
            wrong.append(Problem(f"the topic has {topic.partitions} partitions for {plan.partitions} targets: each needs one of its own", where, todo))
        elif plan.name in (names.scores, names.profiles, names.deadletter) and topic.partitions != spread:
            what = f"the topic has {topic.partitions} partitions, and {names.events} has {spread}: they must be equal, for a user keeps the number"
            wrong.append(Problem(what, where, "delete the topic and create it anew, or name another one under [topics]"))
        if plan.name in (names.profiles, names.models) and topic.cleanup != "compact":
            todo = f"kafka-configs --alter --entity-type topics --entity-name {plan.name} --add-config cleanup.policy=compact"
            wrong.append(Problem(f"its cleanup.policy is {topic.cleanup}: state would be deleted with time", where, todo))
        if plan.name in (names.events, names.examples) and topic.compacted:
            todo = f"kafka-configs --alter --entity-type topics --entity-name {plan.name} --add-config cleanup.policy=delete"
            wrong.append(Problem(f"its cleanup.policy is {topic.cleanup}: only the last record of each key would be kept", where, todo))
        if plan.record_bytes and settings.kafka.bootstrap and (topic.record_bytes or 0) < plan.record_bytes:
            todo = f"kafka-configs --alter --entity-type topics --entity-name {plan.name} --add-config max.message.bytes={plan.record_bytes}"
            wrong.append(Problem("its max.message.bytes is too small for a large model", where, todo))
    return found


def _command(settings: Settings) -> str:
    return f"clickscore topics create --bootstrap {settings.kafka.bootstrap}" if settings.kafka.bootstrap else "clickscore run --embedded FILE"


def _open_embedded(settings: Settings, partitions: int | None) -> EmbeddedLog:
    log = EmbeddedLog(settings.embedded.path)
    try:
        create_topics(log, settings, partitions)
    except BaseException:
        log.close()
        raise
    return log


def create_topics(log: Log, settings: Settings, partitions: int | None = None) -> list[str]:
    """Create what is missing, and return the names; what is there keeps its partitions."""
    names, there = settings.topics, log.topics(names_of(settings))
    known = there[names.events].partitions if names.events in there else None
    if known is not None and partitions is not None and known != partitions:
        what, todo = f"the log has {known} partitions of events, asked for were {partitions}", "leave --partitions out, or start with a new file"
        raise TopicsDiffer(Problem(what, f"topic {names.events}", f"{todo}: partitions cannot be changed without moving users"))
    targets = len(settings.targets)
    if names.examples in there and there[names.examples].partitions < targets:
        what = f"the log was made for {there[names.examples].partitions} targets, and {targets} are configured"
        raise TopicsDiffer(Problem(what, f"topic {names.examples}", "start with a new file for the new targets"))
    missing = [topic for topic in topic_plan(settings, known or partitions or DEFAULT_PARTITIONS) if topic.name not in there]
    log.create(missing)
    return [topic.name for topic in missing]


def full_name(settings: Settings, topic: str) -> str:
    """The name of a topic that is given by its short name ("scores") or its full one."""
    return str(getattr(settings.topics, topic)) if topic in SHORT_NAMES else topic


def target_partitions(settings: Settings) -> dict[str, int]:
    """The partition of the examples topic that each target has to itself."""
    return {name: number for number, name in enumerate(settings.targets)}
