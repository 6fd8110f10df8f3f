"""The topics of a worker on Kafka: what they are made with, whether they are as they should be, and what mends them.

The embedded log makes its topics by itself (worker/service/topics.py). A broker's topics have settings that the contract of the log does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

from worker.errors import Problem
from worker.log.contract import DAY_MS, Topic
from worker.log.kafka.administration import Administration, NewTopic, TopicFacts
from worker.service.topics import DEFAULT_PARTITIONS, TopicsDiffer, configure, names_of, place, spread_of, tool, topic_plan, wrong_topics
from worker.settings import Settings

RETENTION_MS = 30 * DAY_MS  # of events, examples, triggers and dead letters: a month to find a mistake, and to score or learn its time again
SEGMENT_BYTES = 64 * 1024 * 1024  # of compacted topics: the newest segment is not compacted, and a restart reads it whole
EVERY_SCORE_MS = DAY_MS  # who follows every score, not the latest of each user, has this long before compaction takes the older ones
EVERY_TRIGGER_MS = 7 * DAY_MS  # the same of who delivers triggers, or until the longest of them expires
ERASED_WITHIN_MS = DAY_MS  # beyond those: what a tombstone covers goes with the next cleaning after it
LETTERS_SPAN_MS = DAY_MS  # retention takes whole segments: a dead letter outlives it by at most what its segment spans, which brokers leave at a week
SAFE_COPIES, SAFE_IN_SYNC = 3, 2
CLEANUP, RETENTION, IN_SYNC, LARGEST, SEGMENT, UNCLEAN, EARLIEST, LATEST, SPAN = (
    "cleanup.policy",
    "retention.ms",
    "min.insync.replicas",
    "max.message.bytes",
    "segment.bytes",
    "unclean.leader.election.enable",
    "min.compaction.lag.ms",
    "max.compaction.lag.ms",
    "segment.ms",
)

_UNUSED = Problem("missing, and not needed before segments or triggers are configured", "", "clickscore topics create makes what is missing")


@dataclass(frozen=True, slots=True)
class Checked:
    """One topic, held against what a worker needs. `facts` None: it is missing."""

    name: str
    facts: TopicFacts | None
    wrong: tuple[Problem, ...]
    """Keeps a worker from working, or loses its records; each `todo` is the command that mends it."""
    warnings: tuple[Problem, ...]
    """Works, and should be known."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        fields: dict[str, Any] = {"topic": self.name, "there": self.facts is not None}
        if self.facts:
            settings = self.facts.settings
            fields |= {"partitions": self.facts.partitions, "replication_factor": self.facts.replication, "cleanup_policy": settings[CLEANUP]}
            for key in (RETENTION, "retention.bytes", IN_SYNC, LARGEST):
                fields[key.replace(".", "_")] = int(settings[key])
        for kind, problems in (("wrong", self.wrong), ("warnings", self.warnings)):
            fields[kind] = [{"what": problem.what, "command": problem.todo} for problem in problems]
        return fields


def kafka_plan(settings: Settings, partitions: int) -> list[NewTopic]:
    """Every topic as `clickscore topics create` makes it.

    Events, examples, triggers and dead letters go after RETENTION_MS. Scores are compacted once they are EVERY_SCORE_MS old, so that the latest of a user is
    cheap to find, and go when the user is forgotten (profiles.time_to_live): by then they are about nobody. Profiles, segments and models are state,
    and never go with time. Where users can be erased (privacy.key), every topic that tombstones reach is compacted within a day, triggers and dead
    letters too. These are kept in segments of a day, so that retention takes in time what nobody swept.
    """
    return [NewTopic(topic.name, topic.partitions, _made_with(topic, settings), settings.kafka.replication) for topic in topic_plan(settings, partitions)]


def _made_with(topic: Topic, settings: Settings) -> dict[str, str]:
    made = {CLEANUP: topic.cleanup, "delete.retention.ms": str(topic.tombstone_ms)}
    if topic.name == settings.topics.scores:
        made[RETENTION] = str(settings.profiles.time_to_live_ms)
    elif topic.expires:
        made[RETENTION] = str(RETENTION_MS)
    if lag_ms := _left_alone_ms(topic, settings):
        made[EARLIEST] = str(lag_ms)
    if settings.privacy.key and topic.compacted and topic.name not in (settings.topics.models, settings.topics.receipts):
        made[LATEST] = str(lag_ms + ERASED_WITHIN_MS)
    if settings.privacy.key and topic.name == settings.topics.deadletter:
        made[SPAN] = str(LETTERS_SPAN_MS)
    if topic.compacted:
        made[SEGMENT] = str(SEGMENT_BYTES)
    if topic.record_bytes:
        made[LARGEST] = str(topic.record_bytes)
    return made


def _left_alone_ms(topic: Topic, settings: Settings) -> int:
    """How long the records of a topic are not compacted, for who reads each of them."""
    if topic.name == settings.topics.scores:
        return EVERY_SCORE_MS
    if topic.name == settings.topics.triggers and topic.compacted:
        return max([EVERY_TRIGGER_MS, *(trigger.expiry_ms for trigger in settings.triggers.values())])
    return 0


def make_missing(cluster: Administration, settings: Settings, partitions: int | None) -> list[tuple[str, TopicFacts | None]]:
    """Create what is missing; what is there keeps everything that it has. Every topic by name, with its facts where it was there before.

    Where a new topic has three copies or more, each write waits for two of them. Raises TopicsDiffer where `partitions` is another number than that of
    the topics that are there: it cannot be changed without moving users to other partitions, away from their profiles.
    """
    there = cluster.topics(names_of(settings))
    known = spread_of(there, settings) if there.keys() - {settings.topics.examples, settings.topics.models} else None
    if known is not None and partitions is not None and known != partitions:
        what = f"the topics have {known} partitions, asked for were {partitions}"
        todo = "leave --partitions out, or name other topics under [topics]: more partitions would move users away from their profiles"
        raise TopicsDiffer(Problem(what, f"{place(settings)}, topic {settings.topics.events}", todo))
    plan = kafka_plan(settings, known or partitions or DEFAULT_PARTITIONS)
    before = cluster.facts([topic.name for topic in plan])
    missing = [topic for topic in plan if topic.name not in before]
    cluster.make(missing)
    for name, made in cluster.facts([topic.name for topic in missing]).items():
        if made.replication >= SAFE_COPIES and int(made.settings[IN_SYNC]) < SAFE_IN_SYNC:
            cluster.configure(name, {IN_SYNC: str(SAFE_IN_SYNC)})
    return [(topic.name, before.get(topic.name)) for topic in plan]


def check(cluster: Administration, settings: Settings) -> list[Checked]:
    """Every topic of the worker, in the order of the plan."""
    there = cluster.topics(names_of(settings))
    facts, wrong = cluster.facts(names_of(settings)), wrong_topics(there, settings)
    checked = []
    for topic in topic_plan(settings, spread_of(there, settings)):
        found = facts.get(topic.name)
        more = (*_unsafe(topic.name, found, settings), *_overtaken(topic, found, settings)) if found else ()
        notes = tuple(_worth_knowing(topic, found, settings)) if found else () if wrong[topic.name] else (_UNUSED,)
        checked.append(Checked(topic.name, found, (*wrong[topic.name], *more), notes))
    return checked


def _unsafe(name: str, facts: TopicFacts, settings: Settings) -> Iterator[Problem]:
    """What may lose records that were acknowledged, or refuses all."""
    said, where = _saying(name, settings), int(facts.settings[IN_SYNC])
    if where > facts.replication:
        yield said(f"its {IN_SYNC} is {where}, and it has {_copies(facts.replication)}: no write can succeed", f"{IN_SYNC}={max(1, facts.replication - 1)}")
    if facts.replication >= SAFE_COPIES and where < SAFE_IN_SYNC:
        yield said(f"its {IN_SYNC} is {where}: a record may be acknowledged that only one broker has", f"{IN_SYNC}={SAFE_IN_SYNC}")
    if facts.settings.get(UNCLEAN) == "true":
        yield said(f"its {UNCLEAN} is true: a broker that missed records may take over, and they are lost", f"{UNCLEAN}=false")


def _overtaken(topic: Topic, facts: TopicFacts, settings: Settings) -> Iterator[Problem]:
    """Triggers that compaction may take before anybody has delivered them."""
    compacted, lag_ms = "compact" in facts.settings[CLEANUP], _left_alone_ms(topic, settings)
    if topic.name == settings.topics.triggers and compacted and float(facts.settings.get(EARLIEST, 0)) < lag_ms:
        yield _saying(topic.name, settings)("it may be compacted before its triggers are delivered", f"{EARLIEST}={lag_ms}")


def _worth_knowing(topic: Topic, facts: TopicFacts, settings: Settings) -> Iterator[Problem]:
    said = _saying(topic.name, settings)
    if facts.replication < SAFE_COPIES:
        what = f"{_copies(facts.replication)}, {IN_SYNC} {facts.settings[IN_SYNC]}: records may be lost with a broker's disk"
        yield Problem(what, "", f"a cluster of {SAFE_COPIES} brokers, and topics made with --replication {SAFE_COPIES}, outlive the loss of one")
    kept_ms = float(facts.settings[RETENTION])
    if topic.expires and 0 <= kept_ms < DAY_MS:
        yield said("it keeps records for less than a day: a worker that is away for longer misses some", f"{RETENTION}={RETENTION_MS}")
    made = _made_with(topic, settings)
    if topic.name == settings.topics.deadletter and topic.compacted and "compact" not in facts.settings[CLEANUP]:
        what = "letters of an erased user go with its retention, not before: it was made without privacy.key, and compaction would lose records of then"
        todo = "name another topic under [topics], deadletter, in every configuration; clickscore topics create makes it"
        yield Problem(what, f"{place(settings)}, topic {topic.name}", todo)
    elif settings.privacy.key and topic.compacted and "compact" not in facts.settings[CLEANUP]:
        todo = tool(
            settings,
            "kafka-configs",
            f"--alter --entity-type topics --entity-name {topic.name} --add-config {EARLIEST}={made[EARLIEST]},{CLEANUP}=[{topic.cleanup}]",
        )
        yield Problem("its records of an erased user go with its retention, not before", f"{place(settings)}, topic {topic.name}", todo)
    elif LATEST in made and float(facts.settings.get(LATEST, inf)) > 2 * float(made[LATEST]):
        yield said("its records of an erased user may stay long after the tombstone that covers them", f"{LATEST}={made[LATEST]}")
    if SPAN in made and float(facts.settings.get(SPAN, inf)) > float(made[SPAN]):
        yield said("retention takes whole segments, and one may hold a week: what names an erased user stays for so much longer", f"{SPAN}={made[SPAN]}")
    segment = float(facts.settings.get(SEGMENT, inf))
    if topic.cleanup == "compact" and segment > 4 * SEGMENT_BYTES:
        yield said(
            f"its {SEGMENT} is {segment:,.0f}: a restart may have to read that much of each partition that was not compacted", f"{SEGMENT}={SEGMENT_BYTES}"
        )


def _saying(name: str, settings: Settings) -> Callable[[str, str], Problem]:
    """Makes problems of a topic of which each is mended by one of its settings."""
    return lambda what, value: Problem(what, f"{place(settings)}, topic {name}", configure(settings, name, value))


def _copies(number: int) -> str:
    return "one replica" if number == 1 else f"{number} replicas"
