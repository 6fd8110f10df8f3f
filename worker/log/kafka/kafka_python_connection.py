"""How kafka-python is connected to a cluster, and how its errors become the log's."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from kafka.errors import BrokerResponseError, CommitFailedError, IncompatibleBrokerVersion, KafkaError, KafkaTimeoutError, LogTruncationError
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.sasl.oauth import AbstractTokenProvider

from worker.log.errors import LogError, LogUnavailable, LogUnusable
from worker.log.kafka.connection import Connection, Sasl, Tls
from worker.log.kafka.failures import failure

OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC, ILLEGAL_GENERATION, UNKNOWN_MEMBER, UNSUPPORTED_VERSION = 1, 3, 22, 25, 35

RECONNECT_MAX_MS = 1_000  # kafka-python's own 30 s would keep a worker away long after the broker is back
TOPIC_WAIT_S = 1.0  # brokers learn of a new topic a moment after it was made

_CODE_IN_TEXT = re.compile(r"\[Error (\d+)\]")


class _Reasons(logging.Handler):
    """kafka-python tells nobody but its log why a connection failed: here the last reason is kept, of whichever client it was."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last: tuple[int | None, str] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        errors = [argument for argument in record.args or () if isinstance(argument, Exception) and not isinstance(argument, KafkaTimeoutError)]
        if errors:
            self._last = protocol_code(errors[0]), str(errors[0])

    def forget(self) -> None:
        self._last = None

    def last(self) -> tuple[int | None, str]:
        return self._last or (None, "no broker answered")


_reasons = _Reasons()
logging.getLogger("kafka.net.manager").addHandler(_reasons)
# Lost connections, rebalances and refusals are written there as errors, some with their stack. What matters of them arrives here as exceptions.
logging.getLogger("kafka").propagate = False


def protocol_code(error: BaseException) -> int | None:
    """The broker's error code, also where kafka-python wraps the error in another or in its text; None where no broker spoke."""
    if isinstance(error, BrokerResponseError) and error.errno is not None:
        return int(error.errno)
    if isinstance(error, CommitFailedError):
        return UNKNOWN_MEMBER if "UnknownMemberId" in str(error) else ILLEGAL_GENERATION
    if isinstance(error, IncompatibleBrokerVersion):
        return UNSUPPORTED_VERSION
    if isinstance(error, LogTruncationError):
        return OFFSET_OUT_OF_RANGE
    for inner in error.args:
        if isinstance(inner, BaseException) and (code := protocol_code(inner)) is not None:
            return code
    named = _CODE_IN_TEXT.search(str(error)) if isinstance(error, KafkaError) else None
    return int(named[1]) if named else None


def translated(error: BaseException, where: str) -> LogError:
    """The log's error for one of kafka-python's; one of the log's own stays what it is."""
    return error if isinstance(error, LogError) else failure(protocol_code(error), str(error), where)


class _DirectSocket(KafkaNetSocket):  # type: ignore[misc]  # kafka-python ships no types
    """No proxy, as the class above; but a socket that could not connect is closed, which that one leaves to the garbage collection.

    While a broker is away there is a try a second, and the program looks for garbage rarely.
    """

    SCHEMES = ("direct",)  # of the proxy's URL, by which kafka-python finds the class

    async def sock_connect(self, net: Any, sock: socket.socket, sockaddr: Any, timeout_at: float | None = None) -> Any:
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


class _Token(AbstractTokenProvider):  # type: ignore[misc]
    def __init__(self, sasl: Sasl) -> None:
        self._sasl = sasl

    def token(self) -> str:
        from worker.log.kafka.oauth import access_token

        return access_token(self._sasl)[0]


def _ssl_context(tls: Tls) -> ssl.SSLContext:
    """Verifies the broker's certificate, always. Raises LogUnusable for files that cannot be used."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        context.check_hostname = tls.check_hostname
        if tls.certificate_file:
            context.load_cert_chain(tls.certificate_file, tls.key_file or None, tls.key_password or None)
    except OSError as error:  # ssl.SSLError is one
        files = ", ".join(filter(None, (tls.ca_file, tls.certificate_file, tls.key_file)))
        raise LogUnusable(f"the TLS files cannot be used: {error}", files or "the system's authorities", "give PEM files") from error
    return context


def settings(connection: Connection) -> dict[str, Any]:
    """What consumers and producers have in common."""
    common: dict[str, Any] = {
        "bootstrap_servers": connection.bootstrap.split(","),
        "security_protocol": connection.protocol,
        "request_timeout_ms": connection.timings.request_ms,
        "bootstrap_timeout_ms": connection.timings.request_ms,
        "reconnect_backoff_max_ms": RECONNECT_MAX_MS,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
        "proxy_url": "direct://",
    }
    if connection.protocol in ("SSL", "SASL_SSL"):
        common["ssl_context"] = _ssl_context(connection.tls)
    if connection.protocol in ("SASL_PLAINTEXT", "SASL_SSL") and (sasl := connection.sasl):
        common["sasl_mechanism"] = sasl.mechanism
        if sasl.mechanism == "OAUTHBEARER":
            common["sasl_oauth_token_provider"] = _Token(sasl)
        else:
            common |= {"sasl_plain_username": sasl.username, "sasl_plain_password": sasl.password}
    return common


def opened(kind: Callable[..., Any], connection: Connection, **options: Any) -> tuple[Any, KafkaNetClient]:
    """A KafkaConsumer or KafkaProducer, connected, and the network client beneath it.

    Raises LogUnavailable when no broker has let us in within request_ms, LoginRefused, NotAllowed, ClusterTooOld.
    """
    made: list[KafkaNetClient] = []

    def client(**configs: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**configs))
        made[0].cluster.config["allow_auto_create_topics"] = False  # the setting of this name is not handed on to where it is needed
        return made[0]

    _reasons.forget()
    try:
        return kind(kafka_client=client, **settings(connection), **options), made[0]
    except (KafkaError, ValueError) as error:
        for network in made:
            network.close()  # a constructor that fails leaves its thread and its sockets behind
        if (code := protocol_code(error)) is not None:
            raise failure(code, str(error), connection.where) from error
        code, reason = _reasons.last()
        if code is not None:
            raise failure(code, reason, connection.where) from error
        todo = "is a broker running there, and may this machine reach it?"
        raise LogUnavailable(f"the cluster cannot be reached within {connection.timings.request_ms / 1000:g} s: {reason}", connection.where, todo) from error


def require_topics(network: KafkaNetClient, topics: Iterable[str], connection: Connection) -> None:
    """Wait until the metadata of all topics is there. Raises UnknownTopic, NotAllowed, LogUnavailable, in no more than request_ms.

    kafka-python itself waits for a topic that is not there, and reads nothing of it.
    """
    cluster = network.cluster
    for topic in topics:
        begun_s = time.monotonic()
        answers = 0
        while cluster.partitions_for_topic(topic) is None:
            waited_s = time.monotonic() - begun_s
            if topic in cluster.unauthorized_topics:
                raise failure(29, topic, connection.where)
            if answers > 1 and waited_s > TOPIC_WAIT_S:
                raise failure(UNKNOWN_TOPIC, topic, connection.where)
            if waited_s > connection.timings.request_ms / 1000:
                raise LogUnavailable(f"no broker has told of topic {topic} within {waited_s:.1f} s", connection.where)
            answered = threading.Event()
            cluster.add_topic(topic)
            cluster.request_update().add_both(lambda _, answered=answered: answered.set())
            network.wakeup()
            answers += answered.wait(TOPIC_WAIT_S)
