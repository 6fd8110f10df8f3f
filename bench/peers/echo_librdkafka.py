"""A bare transactional echo over librdkafka (confluent-kafka): what the client itself costs. See echo_kafka_python.py."""
# mypy: ignore-errors

import sys

from confluent_kafka import Consumer, Producer, TopicPartition

bootstrap, group, source, target = sys.argv[1:5]
AT_ONCE = 5_000

consumer = Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 10,
    }
)
consumer.subscribe([source])
producer = Producer(
    {"bootstrap.servers": bootstrap, "transactional.id": group, "linger.ms": 5, "batch.num.messages": 10_000, "queue.buffering.max.messages": 200_000}
)
producer.init_transactions()
while True:
    records = [record for record in consumer.consume(AT_ONCE, 0.02) if record.error() is None]
    if not records:
        continue
    producer.begin_transaction()
    ends = {}
    for record in records:
        producer.produce(target, record.value(), record.key(), record.partition())
        ends[record.partition()] = record.offset() + 1
    producer.flush()
    producer.send_offsets_to_transaction([TopicPartition(source, partition, end) for partition, end in ends.items()], consumer.consumer_group_metadata())
    producer.commit_transaction()
