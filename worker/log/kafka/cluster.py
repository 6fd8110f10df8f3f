"""The cluster as an administrator sees it: topics, offsets, groups. Always over kafka-python, whichever client moves the records."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from kafka import KafkaAdminClient
from kafka import TopicPartition as KafkaPartition
from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove, OffsetSpec
from kafka.errors import KafkaError

from worker.log.contract import Cleanup, Topic, TopicPartition
from worker.log.errors import TopicMismatch, UnknownTopic
from worker.log.kafka.connection import Connection
from worker.log.kafka.failures import failure
from worker.log.kafka.kafka_python.connection import opened, translated

Result = TypeVar("Result")

# What a topic's settings are called in Kafka, with the value that stands for "without limit".
_CLEANUP, _RETENTION_MS, _RETENTION_BYTES, _TOMBSTONE_MS, _RECORD_BYTES = (
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "delete.retention.ms",
    "max.message.bytes",
)
UNLIMITED = -1


class Cluster:
    """Connects when it is first asked something, and anew after a failure. Its methods may be called from several threads."""

    def __init__(self, connection: Connection) -> None:
        self.where = connection.where
        self._connection = connection
        self._admin: KafkaAdminClient | None = None
        self._lock = threading.RLock()
        self._known: dict[str, Topic] = {}

    def close(self) -> None:
        """What is asked after it connects again."""
        with self._lock:
            admin, self._admin = self._admin, None
            if admin is not None:
                admin.close()

    def _ask(self, action: Callable[[KafkaAdminClient], Result], where: str = "") -> Result:
        """The answer to one question; raises the log's errors."""
        with self._lock, self._translated(where):
            if self._admin is None:
                self._admin, _ = opened(_administrator, self._connection, client_id="clickscore-cluster")
            return action(self._admin)

    @contextmanager
    def _translated(self, where: str) -> Iterator[None]:
        where = f"{self.where}, {where}" if where else self.where
        try:
            yield
        except KafkaError as error:
            self.close()
            raise translated(error, where) from error

    # ---- topics

    def topics(self, names: Iterable[str] | None = None) -> dict[str, Topic]:
        """Those of `names` that are there, or all but Kafka's own, by name."""
        described = self._ask(lambda admin: admin.describe_topics(None if names is None else list(names)))
        counts = {t["name"]: len(t["partitions"]) for t in described if not t["error_code"] and not t["name"].startswith("__")}
        for topic in described:
            if topic["error_code"] not in (0, 3):
                raise failure(topic["error_code"], "describing it", f"{self.where}, topic {topic['name']}")
        return {name: _topic(name, counts[name], settings) for name, settings in self.settings_of(sorted(counts)).items()}

    def settings_of(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Kafka's own settings of these topics, those at their defaults too."""
        if not names:
            return {}
        found = self._ask(lambda admin: admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names], config_filter="all"))
        return {name: {key: str(entry["value"]) for key, entry in found["topic"][name].items()} for name in names}

    def topic(self, name: str) -> Topic:
        """Asks the cluster once for each topic. Raises UnknownTopic."""
        if name not in self._known:
            self._known.update(self.topics([name]))
        if name not in self._known:
            raise UnknownTopic("there is no such topic", f"{self.where}, topic {name}", "check the name, or create it: clickscore topics create")
        return self._known[name]

    def create(self, topics: Iterable[Topic], replication: int = UNLIMITED) -> None:
        """Create what is missing and take over the retention of what is there. `replication` -1 leaves it to the broker. Raises TopicMismatch."""
        wanted = {topic.name: topic for topic in topics}
        there = self.topics(wanted)
        for name, topic in there.items():
            asked = wanted[name]
            if (topic.partitions, topic.cleanup) != (asked.partitions, asked.cleanup):
                raise TopicMismatch(
                    f"the topic has {topic.partitions} partitions and cleanup {topic.cleanup}, asked for were {asked.partitions} and {asked.cleanup}",
                    f"{self.where}, topic {name}",
                    "configure the topic as it is, or use other topic names",
                )
        new = {
            name: {"num_partitions": topic.partitions, "replication_factor": replication, "configs": _settings(topic)}
            for name, topic in wanted.items()
            if name not in there
        }
        if new:
            self._ask(lambda admin: admin.create_topics(new, wait_for_metadata=True), f"creating {', '.join(new)}")
        for name in there:
            if _settings(there[name]) != _settings(wanted[name]):
                resource = ConfigResource(ConfigResourceType.TOPIC, name, _settings(wanted[name]))
                self._ask(lambda admin, resource=resource: admin.alter_configs([resource]), f"topic {name}")  # type: ignore[misc]
            self._known.pop(name, None)

    # ---- offsets and groups

    def start_offsets(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """By partition, the oldest offset that retention has left."""
        return self._offsets(topics, OffsetSpec.EARLIEST)

    def end_offsets(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """By partition, the offset after the last record, those of open transactions included (the high watermark)."""
        return self._offsets(topics, OffsetSpec.LATEST)

    def _offsets(self, topics: Iterable[str], spec: Any) -> dict[TopicPartition, int]:
        asked = {KafkaPartition(topic, partition): spec for topic in topics for partition in range(self.topic(topic).partitions)}
        found = self._ask(lambda admin: admin.list_partition_offsets(asked)) if asked else {}
        return {TopicPartition(*name): found[name].offset for name in asked}

    def committed(self, group: str, topic: str) -> dict[TopicPartition, int]:
        """The positions that the group has in a topic."""
        self.topic(topic)
        found = self._ask(lambda admin: admin.list_group_offsets(group), f"group {group}")
        return {
            TopicPartition(*name): position.offset for name, position in sorted(found.get(group, {}).items()) if name.topic == topic and position.offset >= 0
        }

    def member_id(self, group: str, member: str) -> str | None:
        """The id that the group has given to the process that joined last under this static name; None where it knows none."""
        described = self._ask(lambda admin: admin.describe_groups([group]), f"group {group}")[group]
        return next((str(one["member_id"]) for one in described["members"] or () if one["group_instance_id"] == member), None)

    def remove_member(self, group: str, member: str, member_id: str) -> None:
        """Take a static member out of its group, unless another process has joined under its name meanwhile."""
        self._ask(lambda admin: admin.remove_group_members(group, [MemberToRemove(member_id=member_id, group_instance_id=member)]), f"group {group}")


def _topic(name: str, partitions: int, settings: dict[str, str]) -> Topic:
    policies = set(settings[_CLEANUP].split(","))
    cleanup: Cleanup = "compact,delete" if len(policies) == 2 else "compact" if "compact" in policies else "delete"
    return Topic(
        name,
        partitions,
        cleanup,
        _limit(settings[_RETENTION_MS]),
        _limit(settings[_RETENTION_BYTES]),
        int(settings[_TOMBSTONE_MS]),
        int(settings[_RECORD_BYTES]),
    )


def _limit(text: str) -> int | None:
    return None if int(text) == UNLIMITED else int(text)


def _settings(topic: Topic) -> dict[str, str]:
    """A topic's settings as Kafka calls them."""
    settings = {
        _CLEANUP: topic.cleanup,
        _RETENTION_MS: str(UNLIMITED if topic.retention_ms is None else topic.retention_ms),
        _RETENTION_BYTES: str(UNLIMITED if topic.retention_bytes is None else topic.retention_bytes),
        _TOMBSTONE_MS: str(topic.tombstone_ms),
    }
    return settings if topic.record_bytes is None else {**settings, _RECORD_BYTES: str(topic.record_bytes)}


def _administrator(**configs: Any) -> KafkaAdminClient:
    """Of what consumers and producers are told, an administrator knows a part."""
    return KafkaAdminClient(**{name: value for name, value in configs.items() if name in KafkaAdminClient.DEFAULT_CONFIG})
