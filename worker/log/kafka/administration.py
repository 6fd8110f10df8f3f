"""What an operator asks of the cluster beyond what a worker does: copies of a topic, its settings in Kafka's own words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kafka.admin import ConfigResource, ConfigResourceType

from worker.log.kafka.cluster import Cluster
from worker.log.kafka.failures import failure

UNKNOWN_TOPIC = 3


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as it is: partitions, copies of each, and all of Kafka's settings of it by their names, those at their defaults too."""

    partitions: int
    replication: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic as it is to be. `settings` are Kafka's; what is not named is left to the brokers, as is a `replication` of -1."""

    name: str
    partitions: int
    settings: Mapping[str, str]
    replication: int = -1


class Administration(Cluster):
    """A Cluster that answers an operator's questions too. Raises the log's errors, as that does."""

    def facts(self, names: Iterable[str]) -> dict[str, TopicFacts]:
        """Of those of `names` that are there."""
        asked = list(names)
        described = self._ask(lambda admin: admin.describe_topics(asked))
        found = {}
        for topic in described:
            if topic["error_code"] not in (0, UNKNOWN_TOPIC):
                raise failure(topic["error_code"], "describing it", f"{self.where}, topic {topic['name']}")
            if not topic["error_code"]:
                copies = min(len(partition["replica_nodes"]) for partition in topic["partitions"])
                found[topic["name"]] = (len(topic["partitions"]), copies)
        settings = self.settings_of(sorted(found))
        return {name: TopicFacts(partitions, copies, settings[name]) for name, (partitions, copies) in found.items()}

    def owners(self, group: str, topic: str) -> dict[int, str]:
        """Of the partitions of a topic that are assigned in a group, the member's static name, as of its last rebalance: a dead one's too, for a while."""
        described = self._ask(lambda admin: admin.describe_groups([group]), f"group {group}")[group]
        return {
            partition: member["group_instance_id"] or member["member_id"]
            for member in described["members"] or ()
            for assigned in (member["member_assignment"] or {}).get("assigned_partitions", ())
            if assigned["topic"] == topic
            for partition in assigned["partitions"]
        }

    def make(self, topics: Iterable[NewTopic]) -> None:
        """Create these topics in one request. One that is there is an error of the brokers'."""
        new = {topic.name: {"num_partitions": topic.partitions, "replication_factor": topic.replication, "configs": dict(topic.settings)} for topic in topics}
        if new:
            self._ask(lambda admin: admin.create_topics(new, wait_for_metadata=True), f"creating {', '.join(new)}")

    def configure(self, name: str, settings: Mapping[str, str]) -> None:
        """Set these settings of a topic; the others stay as they are."""
        resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(settings))
        self._ask(lambda admin: admin.alter_configs([resource]), f"topic {name}")

    def remove(self, names: Iterable[str]) -> None:
        """Delete these topics with all that they hold."""
        removed = list(names)
        self._ask(lambda admin: admin.delete_topics(removed), f"deleting {', '.join(removed)}")
