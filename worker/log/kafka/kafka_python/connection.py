"""How kafka-python is connected to a cluster, and how its errors become the log's."""

from __future__ import annotations

import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from socket import socket as Socket
from typing import Any

from kafka.errors import BrokerResponseError, CommitFailedError, IncompatibleBrokerVersion, KafkaError, LogTruncationError
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.inet import KafkaNetSocket
from kafka.net.sasl.oauth import AbstractTokenProvider

from worker.log.errors import LogError, LogUnavailable, LogUnusable
from worker.log.kafka.connection import Connection, Sasl, Tls
from worker.log.kafka.failures import failure

OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC, ILLEGAL_GENERATION, UNKNOWN_MEMBER, UNSUPPORTED_VERSION = 1, 3, 22, 25, 35

RECONNECT_MAX_MS = 1_000  # kafka-python's own 30 s would keep a worker away long after the broker is back
TOPIC_WAIT_S = 1.0  # brokers learn of a new topic a moment after it was made

_CODE_IN_TEXT = re.compile(r"\[Error (\d+)\]")


class _Refusals(logging.Handler):
    """kafka-python tells nobody but its log why a connection failed, a refused login included: here the last reason is kept, by client id."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._reasons: dict[str, LogError] = {}

    def emit(self, record: logging.LogRecord) -> None:
        match record.args:
            case (KafkaConnection() as connection, Exception() as error):  # "%s: Connection lost: %s"
                name, reason = connection.config["client_id"], translated(error, "")
                if isinstance(reason, LogUnusable) or not isinstance(self._reasons.get(name), LogUnusable):  # a refusal is not the silence after it
                    self._reasons[name] = reason

    def take(self, client_id: str, where: str) -> LogError | None:
        """Why this client's connection failed last; None since it was taken."""
        reason = self._reasons.pop(client_id, None)
        return reason and type(reason)(reason.args[0], reason.args[1] or where, reason.args[2])


_refusals = _Refusals()
logging.getLogger("kafka.net.connection").addHandler(_refusals)
# Lost connections, rebalances and refusals are written there as errors, some with their stack. What matters of them arrives here as exceptions.
logging.getLogger("kafka").propagate = False


def raise_refused(client_id: str, where: str) -> None:
    """Raise LoginRefused and the like if that is why this client's connections fail: kafka-python would try it again for ever."""
    if isinstance(reason := _refusals.take(client_id, where), LogUnusable):
        raise reason


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


class _LastWords:
    """Of a socket: the last bytes are read before the end of the connection is.

    kafka-python reads until nothing is left, and throws away what it has read when that ends with the connection's end. A broker that refuses
    a login says so and closes: its answer would be lost, and a wrong password look like a broker that is away.
    """

    _heard = False

    def recv(self, buflen: int = 4096, flags: int = 0) -> bytes:
        data: bytes = super().recv(buflen, flags)  # type: ignore[misc]  # of the socket that this is mixed into
        if not data and self._heard:
            self._heard = False
            raise BlockingIOError  # nothing more for now; the selector comes back at once, and hears of the end
        self._heard = bool(data)
        return data

    def __repr__(self) -> str:
        """Without asking the system for both addresses: kafka-python's selector makes an error's text of a socket each time that it waits for one."""
        return f"<{type(self).__name__}>"


class _TcpSocket(_LastWords, Socket):
    pass


class _TlsSocket(_LastWords, ssl.SSLSocket):
    """Closed when its handshake fails: kafka-python leaves that to the garbage collection."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise  # it goes on
        except OSError:
            self.close()
            raise


class _DirectSocket(KafkaNetSocket):  # type: ignore[misc]  # kafka-python ships no types
    """How connections are made: as by the class above, without a proxy, but with sockets of ours, and closing those that could not connect.

    While a broker is away there is a try a second, and the program looks for garbage rarely.
    """

    SCHEMES = ("direct",)  # of the proxy's URL, by which kafka-python finds the class

    def socket(self, *kind: int) -> Socket:
        return _TcpSocket(*kind)

    async def sock_connect(self, net: Any, sock: Socket, sockaddr: Any, timeout_at: float | None = None) -> Any:
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


class _Token(AbstractTokenProvider):  # type: ignore[misc]
    """Asked for at every login, on the client's own thread."""

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
        context.sslsocket_class = _TlsSocket
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


def opened(kind: Callable[..., Any], connection: Connection, client_id: str, **options: Any) -> tuple[Any, KafkaNetClient]:
    """A KafkaConsumer or KafkaProducer, connected, and the network client beneath it.

    Raises LogUnavailable when no broker has let us in within request_ms, LoginRefused, NotAllowed, ClusterTooOld.
    """
    made: list[KafkaNetClient] = []

    def client(**configs: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**configs))
        made[0].cluster.config["allow_auto_create_topics"] = False  # the setting of this name is not handed on to where it is needed
        return made[0]

    _refusals.take(client_id, "")
    try:
        return kind(kafka_client=client, client_id=client_id, **settings(connection), **options), made[0]
    except (KafkaError, ValueError) as error:
        for network in made:
            network.close()  # a constructor that fails leaves its thread and its sockets behind
        if protocol_code(error) is not None:
            raise translated(error, connection.where) from error
        reason = _refusals.take(client_id, connection.where)
        if isinstance(reason, LogUnusable):
            raise reason from error
        what = f"the cluster cannot be reached within {connection.timings.request_ms / 1000:g} s: {reason.args[0] if reason else error}"
        raise LogUnavailable(what, connection.where, "is a broker running there, and may this machine reach it?") from error


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
