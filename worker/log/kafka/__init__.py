"""The log on Apache Kafka, over either of two clients: kafka-python, always installed, and librdkafka (confluent-kafka), an extra.

log.py                       the contract's Log: topics, offsets, readers, tails, appends
turns.py                     the contract's Turns: who owns what, and whether a commit took place
client.py                    what these two need of a client library
kafka_python/                … as kafka-python does it
librdkafka/                  … as confluent-kafka does it
watchdog.py                  a time limit for calls that have none
connection.py                where the cluster is, how to log in, and how long anything may take
oauth.py                     access tokens for both clients
failures.py                  Kafka's error codes as the log's errors
cluster.py, administration.py   topics, groups and offsets as an administrator sees them
"""
