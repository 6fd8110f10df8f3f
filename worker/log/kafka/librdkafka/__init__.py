"""Kafka over librdkafka by way of confluent-kafka, the extra `fast`: set up (client), read (consumer), transactions (publisher), its errors as ours."""
