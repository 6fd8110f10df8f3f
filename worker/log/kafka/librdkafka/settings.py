"""How librdkafka is set up: the settings of its consumers and producers, its source of tokens, and a close that nobody waits for.

Source of the settings: librdkafka's CONFIGURATION.md, 2.11 to 2.16.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from worker.log.errors import LogError
from worker.log.kafka.connection import Connection, Sasl
from worker.log.kafka.oauth import access_token

Settings = dict[str, Any]

# librdkafka writes to stderr unless it is given a logger. What matters in its lines is in our errors already.
_LOGGER = logging.getLogger("clickscore.librdkafka")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False

PROBE = "probe"  # for a file of authorities: librdkafka looks where systems keep theirs
_MIB = 1024 * 1024
_FETCH_BYTES = 4 * _MIB  # of one partition in one answer
_ANSWER_BYTES = 48 * _MIB  # of all partitions in one answer
_FETCHED_AHEAD_KIB = 32 * 1024  # of one partition: bounds what a consumer holds in memory
_READERS_GROUP = "clickscore-readers"  # librdkafka wants a name even of those that never join


def group_settings(connection: Connection, group: str, member: str) -> Settings:
    """Of a static member of a group (KIP-345)."""
    timings = connection.timings
    return _consumer_settings(connection) | {
        "group.id": group,
        "group.instance.id": member,
        "group.protocol": "classic",
        "partition.assignment.strategy": "range",
        "session.timeout.ms": timings.session_ms,
        "heartbeat.interval.ms": timings.heartbeat_ms,
        "max.poll.interval.ms": timings.max_poll_interval_ms,
        "auto.offset.reset": "error",
    }


def reader_settings(connection: Connection) -> Settings:
    """Of a reader without a group."""
    return _consumer_settings(connection) | {
        "group.id": _READERS_GROUP,
        "auto.offset.reset": "earliest",
    }


def publisher_settings(connection: Connection, transactional_id: str) -> Settings:
    """Of a transactional producer (KIP-98). Retries go on until delivery_ms have passed."""
    timings = connection.timings
    return _common_settings(connection) | {
        "transactional.id": transactional_id,
        "transaction.timeout.ms": timings.transaction_ms,
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": timings.linger_ms,
        "message.timeout.ms": timings.delivery_ms,
        "request.timeout.ms": timings.request_ms,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 1024 * 1024,
        "message.max.bytes": connection.largest_record_bytes,
    }


def _consumer_settings(connection: Connection) -> Settings:
    """Committed records only, positions in our hands, damaged records noticed."""
    return _common_settings(connection) | {
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,  # the end of a partition is an event: it says what the markers of transactions take
        "check.crcs": True,
        "message.max.bytes": connection.largest_record_bytes,
        "max.partition.fetch.bytes": _FETCH_BYTES,
        "fetch.max.bytes": max(_ANSWER_BYTES, connection.largest_record_bytes),
        "receive.message.max.bytes": max(_ANSWER_BYTES, connection.largest_record_bytes) + connection.largest_record_bytes + _MIB,
        "queued.min.messages": 100_000,
        "queued.max.messages.kbytes": _FETCHED_AHEAD_KIB,
        "fetch.wait.max.ms": 100,  # a partition that is begun joins the fetching only after the answer that is under way
        "fetch.queue.backoff.ms": 10,
        "fetch.error.backoff.ms": 50,
    }


def _common_settings(connection: Connection) -> Settings:
    timings = connection.timings
    settings: Settings = {
        "bootstrap.servers": connection.bootstrap,
        "client.id": "clickscore",
        "security.protocol": connection.protocol.lower(),
        "socket.timeout.ms": timings.request_ms,
        "socket.connection.setup.timeout.ms": max(timings.request_ms, 1_000),
        "socket.keepalive.enable": True,
        "allow.auto.create.topics": False,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "retry.backoff.ms": 20,
        "retry.backoff.max.ms": 500,
        "topic.metadata.propagation.max.ms": max(timings.request_ms // 4, 1),  # so long a topic may be unknown before that is an error
        "enable.metrics.push": False,
        "log_level": 3,
        "logger": _LOGGER,
    }
    if "SSL" in connection.protocol:
        settings |= _tls_settings(connection)
    if connection.sasl is not None and "SASL" in connection.protocol:
        settings["sasl.mechanism"] = connection.sasl.mechanism
        if connection.sasl.mechanism == "OAUTHBEARER":
            settings["oauth_cb"] = Tokens(connection.sasl)
        else:
            settings |= {"sasl.username": connection.sasl.username, "sasl.password": connection.sasl.password}
    return settings


def _tls_settings(connection: Connection) -> Settings:
    tls = connection.tls
    paths = {
        "ssl.certificate.location": tls.certificate_file,
        "ssl.key.location": tls.key_file,
        "ssl.key.password": tls.key_password,
    }
    return {name: value for name, value in paths.items() if value} | {
        "ssl.ca.location": tls.ca_file or PROBE,
        "ssl.endpoint.identification.algorithm": "https" if tls.check_hostname else "none",
    }


class Tokens:
    """librdkafka's source of OAUTHBEARER tokens: its oauth_cb, called from a thread of librdkafka's own whenever a new one is due.

    The first is fetched here, where a refusal can be raised; librdkafka would only wait for it. `failed` is why the last fetch failed:
    librdkafka itself passes on no more than that it did.
    """

    def __init__(self, sasl: Sasl) -> None:
        self._sasl = sasl
        self._fetched: tuple[str, float] | None = access_token(sasl)
        self.failed: LogError | None = None

    def __call__(self, _config: str) -> tuple[str, float]:
        """A token, and the Unix time in seconds until which it holds."""
        fetched, self._fetched = self._fetched, None
        try:
            token = fetched or access_token(self._sasl)
        except LogError as error:
            self.failed = error
            raise
        self.failed = None
        return token


def close_within(seconds: float, close: Callable[[], object]) -> None:
    """Close in a thread that is not waited for any longer: librdkafka's own closing may wait for a name server or a broker."""

    def quietly() -> None:
        with contextlib.suppress(Exception):  # whatever is wrong with a client that is closed, nobody needs it any more
            close()

    thread = threading.Thread(target=quietly, name="close librdkafka", daemon=True)
    thread.start()
    thread.join(seconds)
