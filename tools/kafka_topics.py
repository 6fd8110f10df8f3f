"""The topics as Strimzi wants them, with the settings that `clickscore topics create` gives them."""

from __future__ import annotations

from typing import Any

from tools.yaml_text import yaml_text
from worker.log.kafka.administration import NewTopic
from worker.service.kafka_topics import IN_SYNC, SAFE_COPIES, SAFE_IN_SYNC, kafka_plan
from worker.settings import Settings

PARTITIONS = 12


PLAIN = Settings()  # nobody is erased
WITH_ERASURE = Settings.model_validate({"privacy": {"key": "-" * 32}, "kafka": {"bootstrap": "kafka:9092"}})


def strimzi_topics(remark: str, settings: Settings = PLAIN) -> str:
    """KafkaTopic resources, for these settings."""
    return "---\n".join(yaml_text(_topic(topic), "" if number else remark) for number, topic in enumerate(kafka_plan(settings, PARTITIONS)))


def _topic(topic: NewTopic) -> dict[str, Any]:
    config = {**topic.settings, IN_SYNC: str(SAFE_IN_SYNC)}
    return {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "KafkaTopic",
        "metadata": {"name": topic.name, "labels": {"strimzi.io/cluster": "kafka"}},
        "spec": {
            "topicName": topic.name,
            "partitions": topic.partitions,
            "replicas": SAFE_COPIES,
            "config": {key: int(value) if value.isdigit() else value for key, value in config.items()},
        },
    }
