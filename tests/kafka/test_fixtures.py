"""The fixtures that give tests a broker. What is said where there is none is in tests/test_machine.py."""

from __future__ import annotations

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tests.kafka.fixtures import FreshName
from worker.demo.broker import Broker


def test_a_record_goes_to_the_broker_and_back(bootstrap: str, topic_name: str) -> None:
    create(bootstrap, topic_name)
    producer = KafkaProducer(bootstrap_servers=bootstrap, allow_auto_create_topics=False)
    producer.send(topic_name, b"there", partition=0).get(20)
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", allow_auto_create_topics=False)
    consumer.assign([TopicPartition(topic_name, 0)])
    assert next(iter(consumer)).value == b"there"
    consumer.close()


def create(bootstrap: str, topic: str) -> None:
    admin = kafka.KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([kafka.admin.NewTopic(topic, 1, 1)], wait_for_metadata=True)
    admin.close()


def test_names_are_of_one_test_alone(fresh_name: FreshName, topic_name: str) -> None:
    names = {fresh_name("a"), fresh_name("b"), topic_name}
    assert len(names) == 3
    assert all(name.startswith("names-are-of-one-test-alone-") for name in names)


def test_the_folder_does_not_take_the_name_of_the_client(broker: Broker) -> None:
    """With an __init__.py in tests/kafka, pytest would make `kafka` mean this folder."""
    assert __name__ == "tests.kafka.test_fixtures"
    assert broker.running
