"""Kafka over kafka-python 3.0, always installed: members and readers (client), transactions (publisher), settings, sockets and errors (connection)."""
