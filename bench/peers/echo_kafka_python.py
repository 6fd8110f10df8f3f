"""A bare transactional echo over kafka-python: what the client itself costs. Each record is read and written once, exactly once, and nothing is done to it.

The client has the settings that clickscore's own form of the log has, and the same bound of 5,000 records a transaction. Unlike clickscore it does
not check every record's outcome, which exactly once would need with this client: so it is an upper bound and not a peer.
"""
# mypy: ignore-errors

import sys
from collections import defaultdict

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

bootstrap, group, source, target = sys.argv[1:5]
AT_ONCE = 5_000

consumer = KafkaConsumer(
    source,
    bootstrap_servers=bootstrap,
    group_id=group,
    isolation_level="read_committed",
    enable_auto_commit=False,
    auto_offset_reset="earliest",
    max_poll_records=AT_ONCE,
    max_partition_fetch_bytes=4 << 20,
)
producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=group, acks="all", linger_ms=5, retry_backoff_ms=5, batch_size=262_144)
producer.init_transactions()
while True:
    polled = consumer.poll(timeout_ms=200)
    if not polled:
        continue
    producer.begin_transaction()
    ends = defaultdict(int)
    for name, records in polled.items():
        for record in records:
            producer.send(target, record.value, record.key, partition=name.partition)
        ends[TopicPartition(source, name.partition)] = OffsetAndMetadata(records[-1].offset + 1, "", -1)
    producer.flush()
    producer.send_offsets_to_transaction(dict(ends), consumer.group_metadata())
    producer.commit_transaction()
