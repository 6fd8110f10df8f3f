"""Who may do what on Kafka: the least that each role of the project needs. A test gives a user just this on a real broker, and lets it work.

Names are those of the default settings. From here come deploy/kafka/acls.sh and deploy/strimzi/users.yaml.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.kafka_topics import WITH_ERASURE
from tools.yaml_text import yaml_text
from worker.service.topics import names_of
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Access:
    """Operations on one resource: a topic, a group, or a transactional-id. A name that ends in * stands for all that begin so."""

    kind: str
    name: str
    operations: tuple[str, ...]
    why: str

    @property
    def prefixed(self) -> bool:
        """Whether it holds for every name that begins like this one."""
        return self.name.endswith("*")

    @property
    def literal(self) -> str:
        """The name, or what names begin with."""
        return self.name.removesuffix("*")


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody who logs in, and all that he may do."""

    name: str
    does: str
    access: tuple[Access, ...]


def roles(settings: Settings | None = None) -> list[Role]:
    """Every role, for these names of topics and groups."""
    settings = settings or Settings()
    topics, group = settings.topics, settings.service.group
    look = ("Describe", "DescribeConfigs")

    def topic(name: str, *operations: str, why: str) -> Access:
        return Access("topic", name, operations, why)

    def others(*known: str) -> tuple[Access, ...]:
        """The rest of the topics: every command looks first whether all are as they should be."""
        return tuple(topic(name, *look, why="whether it is as it should be") for name in names_of(settings) if name not in known)

    return [
        Role(
            "clickscore-worker",
            "clickscore run: scores, learns, publishes",
            (
                topic(topics.events, "Read", *look, why="the input"),
                topic(topics.scores, "Write", *look, why="publishes scores"),
                topic(topics.segments, "Write", *look, why="publishes changes of segments"),
                topic(topics.triggers, "Write", *look, why="publishes triggers"),
                topic(topics.profiles, "Read", "Write", *look, why="state, read back when a partition is gained"),
                topic(topics.examples, "Read", "Write", *look, why="the scorer writes what the trainer learns from"),
                topic(topics.models, "Read", "Write", *look, why="the trainer writes what the scorer reads"),
                topic(topics.deadletter, "Write", *look, why="what cannot be read"),
                *(_erasing(topics.privacy, topics.receipts) if settings.privacy.key else ()),
                Access("group", group, ("Read",), "the scorers' group and positions"),
                Access("group", f"{group}.trainer", ("Read",), "the trainers' group and positions"),
                Access("transactional-id", f"{group}.*", ("Write", "Describe"), "one id a member and role: their names are not known beforehand"),
            ),
        ),
        Role(
            "clickscore-deliverer",
            "clickscore run --roles deliver: sends triggers to destinations",
            (
                topic(topics.triggers, "Read", *look, why="what fired"),
                topic(topics.deadletter, "Write", *look, why="what could not be delivered"),
                *others(topics.triggers, topics.deadletter),
                Access("group", f"{group}.deliver.*", ("Read",), "a group and its positions for each destination"),
                Access("transactional-id", f"{group}.deliver.*", ("Write", "Describe"), "dead letters and positions are one transaction"),
            ),
        ),
        Role(
            "clickscore-sender",
            "clickscore send, or a shop's own producer: puts events on the input",
            (
                topic(topics.events, "Write", *look, why="the input; a producer of the shop's own needs this alone"),
                *others(topics.events),
                Access("transactional-id", "clickscore-append-*", ("Write", "Describe"), "clickscore send writes whole batches or nothing"),
            ),
        ),
        Role(
            "clickscore-reader",
            "clickscore tap, top and explain, and whoever acts on scores",
            (
                topic(topics.scores, "Read", *look, why="scores"),
                topic(topics.segments, "Read", *look, why="segments"),
                topic(topics.triggers, "Read", *look, why="triggers"),
                topic(topics.deadletter, "Read", *look, why="what could not be read"),
                topic(topics.models, "Read", *look, why="models in force"),
                *others(topics.scores, topics.segments, topics.triggers, topics.deadletter, topics.models),
                Access("group", group, ("Describe",), "how far it is scored"),
            ),
        ),
        _replayer(settings, others),
        _relearner(settings),
        *([_officer(settings, others)] if settings.privacy.key else []),
        _scaler(settings),
    ]


def _erasing(requests: str, receipts: str) -> tuple[Access, ...]:
    """What a worker needs besides, where users can be erased."""
    why = "requests to be forgotten are read, and answered with tombstones"
    return (
        Access("topic", requests, ("Read", "Write", "Describe", "DescribeConfigs"), why),
        Access("topic", receipts, ("Read", "Write", "Describe", "DescribeConfigs"), "the scorer writes what the trainer passes over"),
    )


def _officer(settings: Settings, others: Callable[..., tuple[Access, ...]]) -> Role:
    """Who asks for users to be forgotten. A scan reads every topic: clickscore-reader and the rest of the topics besides."""
    topics, look = settings.topics, ("Describe", "DescribeConfigs")
    access = (
        Access("topic", topics.privacy, ("Write", *look), "requests"),
        Access("topic", topics.receipts, ("Read", *look), "receipts"),
        Access("topic", topics.deadletter, ("Read", "Write", *look), "letters of erased users are covered with tombstones"),
        *others(topics.privacy, topics.receipts, topics.deadletter),
        Access("transactional-id", "clickscore-append-*", ("Write", "Describe"), "requests and tombstones are written all or none"),
    )
    return Role("clickscore-officer", "clickscore privacy: users are forgotten on request", access)


def _replayer(settings: Settings, others: Callable[..., tuple[Access, ...]]) -> Role:
    """Who sends dead letters back. Listing them needs no Write."""
    topics, group, look = settings.topics, f"{settings.service.group}.deadletters", ("Describe", "DescribeConfigs")
    access = (
        Access("topic", topics.deadletter, ("Read", "Write", *look), "letters, and receipts of those that were replayed"),
        Access("topic", topics.events, ("Read", "Write", *look), "the input, to which they go back"),
        *((Access("topic", topics.receipts, ("Read", *look), "who was erased, whose letters do not go back"),) if settings.privacy.key else ()),
        *others(topics.deadletter, topics.events, topics.receipts),
        Access("group", group, ("Read",), "the oldest letter that was not replayed"),
        Access("transactional-id", f"{group}.*", ("Write", "Describe"), "a batch of letters is one transaction"),
    )
    return Role("clickscore-replayer", "clickscore deadletters replay", access)


def _relearner(settings: Settings) -> Role:
    """Who lets models be learned anew. A dry run needs no Write."""
    topics, look = settings.topics, ("Describe", "DescribeConfigs")
    access = (
        Access("topic", topics.examples, ("Read", "Write", *look), "what remains to learn from, and the mark by which the trainer takes a model over"),
        Access("topic", topics.models, ("Read", "Write", *look), "the model that runs, and the one that is handed over"),
        *((Access("topic", topics.receipts, ("Read", *look), "who was erased"),) if settings.privacy.key else ()),
        Access("group", f"{settings.service.group}.trainer", ("Describe",), "how far the trainer has learned"),
        Access("transactional-id", "clickscore-append-*", ("Write", "Describe"), "a model, and then its mark, are written"),
    )
    return Role("clickscore-relearner", "clickscore relearn: models are learned anew without the erased", access)


def _scaler(settings: Settings) -> Role:
    """Who looks on from outside, and runs none of our commands."""
    access = (
        Access("topic", settings.topics.events, ("Describe",), "how far the input goes"),
        Access("group", settings.service.group, ("Describe",), "how far it is scored"),
    )
    return Role("clickscore-scaler", "KEDA: reads the lag", access)


def acl_script(remark: str) -> str:
    """Commands of Kafka's own tool, one a resource."""
    head = "The least that each role needs. The arguments go to kafka-acls: acls.sh --bootstrap-server HOST:PORT --command-config FILE"
    lines = ["#!/bin/sh", f"# {remark}", f"# {head}", "set -eu"]
    for role in roles(WITH_ERASURE):
        lines += ["", f"# {role.does}"]
        for access in role.access:
            pattern = " --resource-pattern-type prefixed" if access.prefixed else ""
            operations = " ".join(f"--operation {operation}" for operation in access.operations)
            lines.append(f'kafka-acls "$@" --add --allow-principal User:{role.name} --{access.kind} {access.literal}{pattern} {operations} # {access.why}')
    return "\n".join(lines) + "\n"


def strimzi_users(remark: str) -> str:
    """KafkaUser resources: SCRAM logins whose passwords the user operator makes and keeps in Secrets of the same names."""
    return "---\n".join(yaml_text(_user(role), "" if number else remark) for number, role in enumerate(roles(WITH_ERASURE)))


def _user(role: Role) -> dict[str, Any]:
    acls = [
        {
            "resource": {"type": _camel(access.kind), "name": access.literal, "patternType": "prefix" if access.prefixed else "literal"},
            "operations": list(access.operations),
        }
        for access in role.access
    ]
    return {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "KafkaUser",
        "metadata": {"name": role.name, "labels": {"strimzi.io/cluster": "kafka"}, "annotations": {"description": role.does}},
        "spec": {"authentication": {"type": "scram-sha-512"}, "authorization": {"type": "simple", "acls": acls}},
    }


def _camel(kind: str) -> str:
    first, *rest = kind.split("-")
    return first + "".join(word.capitalize() for word in rest)
