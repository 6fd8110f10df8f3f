"""The fixtures that give tests a broker, and what is said where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import kafka
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tests.kafka.fixtures import FreshName
from worker.demo.broker import Broker

ROOT = Path(__file__).parents[2]
NEEDING = "def test_one(bootstrap):\n    assert bootstrap\ndef test_two(broker):\n    assert broker\ndef test_three():\n    assert True\n"


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
    admin.create_topics([kafka.admin.NewTopic(topic, 1, 1)])
    admin.close()


def test_names_are_of_one_test_alone(fresh_name: FreshName, topic_name: str) -> None:
    names = {fresh_name("a"), fresh_name("b"), topic_name}
    assert len(names) == 3
    assert all(name.startswith("names-are-of-one-test-alone-") for name in names)


def test_the_folder_does_not_take_the_name_of_the_client(broker: Broker) -> None:
    """With an __init__.py in tests/kafka, pytest would make `kafka` mean this folder."""
    assert __name__ == "tests.kafka.test_fixtures"
    assert broker.running


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 passed, 2 skipped"), ("true", "1 passed, 2 errors")])
def test_without_a_broker_it_is_said_loudly_and_fails_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    (tmp_path / "test_needing.py").write_text(NEEDING)
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}, "CI": ci, "KAFKA_HOME": str(tmp_path)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.kafka.fixtures",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        "-c",
        os.devnull,
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, check=False, capture_output=True, text=True)
    assert outcome in done.stdout.splitlines()[-1].replace(" in ", " in\n").splitlines()[0]
    assert done.stdout.count("!! KAFKA IS NOT TESTED !!") == 1
    assert "2 tests were NOT RUN" in done.stdout
    assert done.stdout.count("KAFKA_HOME is no unpacked Kafka") == 1
    assert done.returncode == (1 if ci else 0)
