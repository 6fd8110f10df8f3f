"""The client library librdkafka, by way of confluent-kafka: installed only with the extra `fast`, and about three times as fast as kafka-python.

confluent-kafka is imported when a client is made, not before:
settings.py    how librdkafka is set up
consumer.py    members of a group, and readers without one
records.py     what they read, as records
publisher.py   transactions
errors.py      librdkafka's errors as the log's errors
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence

from worker.log.kafka.client import GroupConsumer, Publisher, Reader
from worker.log.kafka.connection import Connection
from worker.log.kafka.librdkafka.settings import group_settings, publisher_settings, reader_settings


def installed() -> bool:
    """Whether this client can be used; imports nothing of it."""
    return importlib.util.find_spec("confluent_kafka") is not None


class Librdkafka:
    """client.Client over confluent-kafka."""

    name = "librdkafka"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def consumer(self, group: str, member: str, topics: Sequence[str]) -> GroupConsumer:
        """Does not wait for the cluster. With OAUTHBEARER a token is fetched first: raises LoginRefused, LogUnavailable."""
        from worker.log.kafka.librdkafka.consumer import LibrdkafkaConsumer

        return LibrdkafkaConsumer(self._connection, group_settings(self._connection, group, member), topics)

    def publisher(self, transactional_id: str) -> Publisher:
        """Waits until the cluster has given the id to this producer, at most request_ms. Raises LogUnavailable, LogUnusable."""
        from worker.log.kafka.librdkafka.publisher import LibrdkafkaPublisher

        return LibrdkafkaPublisher(self._connection, publisher_settings(self._connection, transactional_id))

    def reader(self, topic: str, starts: Mapping[int, int]) -> Reader:
        """Waits until the cluster has told of the topic, at most request_ms. Raises UnknownTopic, LogUnavailable, LogUnusable."""
        from worker.log.kafka.librdkafka.consumer import LibrdkafkaReader

        return LibrdkafkaReader(self._connection, reader_settings(self._connection), topic, starts)
