"""The topics of a worker, and the log that holds them: an embedded file, or Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import ClickscoreError, Problem
from worker.log.contract import Cleanup, Log, Topic
from worker.log.embedded import EmbeddedLog
from worker.log.errors import LogUnavailable
from worker.service.unreachable import explained
from worker.settings import Settings, TopicSettings

if TYPE_CHECKING:
    from worker.log.kafka.log import KafkaLog

DEFAULT_PARTITIONS = 1
MISSING = "the topic is missing"
SHORT_NAMES = tuple(TopicSettings.model_fields)
EVENT_BYTES = 1_048_588  # a record at its largest, by the brokers' default of max.message.bytes
LETTER_HEADROOM_BYTES = 64 * 1024  # a dead letter is the record as it came, and what our headers say of it
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
    log = reached(settings)
    try:
        if partitions is not None:
            todo = f"leave --partitions out; clickscore topics create --bootstrap {settings.kafka.bootstrap} --partitions {partitions} makes topics"
            raise TopicsDiffer(Problem("--partitions is for a new embedded log", place(settings), todo))
        wanted = [name for name in names_of(settings) if needed(name, settings)]
        if wrong := _problems(wrong_topics(log.topics(wanted), settings), settings):
            raise TopicsDiffer(*wrong)
    except BaseException:
        log.close()
        raise
    return log


def open_existing(settings: Settings) -> EmbeddedLog | KafkaLog:
    """Open the log to read; raises LogMissing when there is none."""
    return reached(settings) if settings.kafka.bootstrap else EmbeddedLog(Path(settings.embedded.path), create=False)


def reached(settings: Settings) -> KafkaLog:
    """Kafka as the settings have it, once it has answered. Raises LogUnavailable, LogUnusable with what to do about it."""
    log = connect(settings)
    try:
        with explaining(settings):
            log.topics([])
    except BaseException:
        log.close()
        raise
    return log


@contextmanager
def explaining(settings: Settings) -> Iterator[None]:
    """Of a cluster that cannot be reached, say what may be wrong with the settings."""
    try:
        yield
    except LogUnavailable as error:
        raise explained(error, settings) from error


def connect(settings: Settings) -> KafkaLog:
    """Kafka as the settings have it; the cluster is asked nothing yet."""
    from worker.log.kafka.log import KafkaLog, open_client

    connection = settings.kafka.connection()
    return KafkaLog(connection, open_client(connection, settings.kafka.client), settings.kafka.replication, settings.kafka.on_stop == "stay")


def place(settings: Settings) -> str:
    """Where the log is, for people."""
    return f"Kafka at {settings.kafka.bootstrap}" if settings.kafka.bootstrap else settings.embedded.path


def names_of(settings: Settings) -> list[str]:
    """The names of all topics of a worker; those of erasure are there only where it is possible."""
    names = settings.topics.model_dump()
    return [names[short] for short in names if settings.privacy.key or short not in ("privacy", "receipts")]


def topic_plan(settings: Settings, partitions: int, event_bytes: int | None = None) -> list[Topic]:
    """Every topic of a worker as it is created, `partitions` of them for the events and what goes with each event.

    `event_bytes`: the largest record that the topic of events takes, where it is known: a dead letter of it has to find room.
    """
    names, erasing = settings.topics, bool(settings.privacy.key)
    swept: Cleanup = "compact,delete" if settings.erases_by_compaction else "delete"  # what tombstones reach only then
    plan = [
        Topic(names.events, partitions),
        Topic(names.scores, partitions, "compact,delete"),
        Topic(names.profiles, partitions, "compact"),
        Topic(names.examples, len(settings.targets)),
        Topic(names.models, 1, "compact", record_bytes=SNAPSHOT_BYTES),
        Topic(names.segments, partitions, "compact"),
        Topic(names.triggers, partitions, swept),
        Topic(names.deadletter, partitions, swept, record_bytes=max(event_bytes or 0, EVENT_BYTES) + LETTER_HEADROOM_BYTES),
    ]
    return [*plan, Topic(names.privacy, partitions, "compact"), Topic(names.receipts, 1, "compact")] if erasing else plan


def wrong_topics(there: Mapping[str, Topic], settings: Settings) -> dict[str, list[Problem]]:
    """By topic, what would keep a worker from working, or lose its state; empty lists where nothing would."""
    found: dict[str, list[Problem]] = {}
    events = there.get(settings.topics.events)
    for plan in topic_plan(settings, spread_of(there, settings), events.record_bytes if events else None):
        topic, where = there.get(plan.name), f"{place(settings)}, topic {plan.name}"
        if topic is None:
            todo = f"{_command(settings)} creates what is missing"
            found[plan.name] = [Problem(MISSING, where, todo)] if needed(plan.name, settings) else []
        else:
            found[plan.name] = [Problem(what, where, todo) for what, todo in _wrong(plan, topic, settings)]
    return found


def needed(topic: str, settings: Settings) -> bool:
    """Whether a worker cannot do without a topic: those of segments and triggers are created always, and written only where any are configured."""
    if topic == settings.topics.triggers and "deliver" in settings.service.roles:
        return True
    return settings.plan is not None or topic not in (settings.topics.segments, settings.topics.triggers)


def _problems(wrong: Mapping[str, list[Problem]], settings: Settings) -> list[Problem]:
    """All of them; topics that are missing are one, for one command mends them."""
    missing = [name for name, problems in wrong.items() if any(problem.what == MISSING for problem in problems)]
    others = [problem for problems in wrong.values() for problem in problems if problem.what != MISSING]
    if len(missing) < 2:
        return [problem for problems in wrong.values() for problem in problems]
    todo = f"{_command(settings)} creates what is missing"
    return [Problem(f"{len(missing)} topics are missing: {', '.join(missing)}", place(settings), todo), *others]


def spread_of(there: Mapping[str, Topic], settings: Settings) -> int:
    """How many partitions the events have, or where their topic is missing, what was made for them has."""
    names = settings.topics
    known = [there[name].partitions for name in (names.events, names.profiles, names.scores, names.deadletter) if name in there]
    return known[0] if known else DEFAULT_PARTITIONS


def _wrong(plan: Topic, topic: Topic, settings: Settings) -> Iterator[tuple[str, str]]:
    """What is wrong with a topic that should be as planned, each with the command that mends it."""
    names, name, has = settings.topics, plan.name, topic.partitions
    more = tool(settings, "kafka-topics", f"--alter --topic {name} --partitions {plan.partitions}")
    if name == names.examples and has < plan.partitions:
        yield f"the topic has {has} partitions for {plan.partitions} targets: each needs one of its own", more
    elif name in (names.scores, names.profiles, names.segments, names.triggers, names.deadletter, names.privacy) and has != plan.partitions:
        what = f"the topic has {has} partitions, and {names.events} has {plan.partitions}: they must be equal, for a user keeps the number"
        anew = f"{tool(settings, 'kafka-topics', f'--delete --topic {name}')} && {_command(settings)}"
        yield what, more if has < plan.partitions else f"{anew}  (what it holds is lost; or name another topic under [topics])"
    if name in (names.profiles, names.models, names.segments, names.privacy, names.receipts) and topic.cleanup != "compact":
        yield f"its cleanup.policy is {topic.cleanup}: state would be deleted with time", configure(settings, name, "cleanup.policy=compact")
    if name in (names.events, names.examples, *(() if plan.compacted else (names.triggers, names.deadletter))) and topic.compacted:
        yield f"its cleanup.policy is {topic.cleanup}: only the last record of each key would be kept", configure(settings, name, "cleanup.policy=delete")
    if plan.record_bytes and settings.kafka.bootstrap and (topic.record_bytes or 0) < plan.record_bytes:
        todo = configure(settings, name, f"max.message.bytes={plan.record_bytes}")
        yield f"its max.message.bytes is {topic.record_bytes}: too small for the largest of its records, {plan.record_bytes} bytes", todo


def tool(settings: Settings, name: str, arguments: str) -> str:
    """A command of Kafka's own tools for this cluster, ready to paste; where the cluster asks for a login, the tools want it in a file."""
    login = "" if settings.kafka.security_protocol == "PLAINTEXT" else " --command-config client.properties"
    return f"{name} --bootstrap-server {settings.kafka.bootstrap}{login} {arguments}"


def configure(settings: Settings, topic: str, value: str) -> str:
    """The command that sets one of a topic's settings. Brackets keep a list of values together."""
    key, _, text = value.partition("=")
    value = f"{key}=[{text}]" if "," in text else value
    return tool(settings, "kafka-configs", f"--alter --entity-type topics --entity-name {topic} --add-config {value}")


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
