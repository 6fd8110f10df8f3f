"""Stands in for kafka-topics and kafka-configs, which are not among the broker's jars: their options as Kafka 4.1 has them, what they ask done really.

Run as: python kafka_tools.py kafka-topics --bootstrap-server HOST:PORT --alter --topic NAME --partitions N, and so on.
"""

from __future__ import annotations

import argparse
import re
import sys

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType


def main(tool: str, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(tool, allow_abbrev=False)
    parser.add_argument("--bootstrap-server", required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--alter", action="store_true")
    if tool == "kafka-topics":
        what.add_argument("--delete", action="store_true")
        parser.add_argument("--topic", required=True)
        parser.add_argument("--partitions", type=int)
    else:
        parser.add_argument("--entity-type", choices=["topics"], required=True)
        parser.add_argument("--entity-name", required=True)
        parser.add_argument("--add-config", required=True)
    options = parser.parse_args(arguments)
    admin = KafkaAdminClient(bootstrap_servers=options.bootstrap_server)
    try:
        if tool == "kafka-configs":
            # A list of values stands in brackets, for commas separate the settings.
            settings = {key: value.strip("[]") for key, value in re.findall(r"([\w.]+)=(\[[^]]*\]|[^,]*),?", options.add_config)}
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, options.entity_name, settings)])
        elif options.delete:
            admin.delete_topics([options.topic])
        else:
            admin.create_partitions({options.topic: options.partitions})
    finally:
        admin.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
