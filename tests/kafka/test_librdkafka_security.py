"""Encryption, logins and permissions over librdkafka: who gets in reads and writes, and who does not is told why at once."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from kafka.admin import ACL, ACLOperation, ACLPermissionType, KafkaAdminClient, NewTopic, ResourcePattern, ResourceType

from tests.kafka.certificates import Authority, unsecured_token
from tests.kafka.fixtures import BOSS, GUEST, PASSWORD, SecureBroker
from tests.kafka.librdkafka_bench import BRISK, joined, until, values
from worker.log.contract import TopicPartition
from worker.log.errors import LogCorrupt, LogError, LogUnavailable, LogUnusable, MemberReplaced
from worker.log.kafka.client import Outgoing
from worker.log.kafka.connection import Connection, Mechanism, Sasl, Tls
from worker.log.kafka.failures import ClusterTooOld, LoginRefused, NotAllowed
from worker.log.kafka.librdkafka.client import Librdkafka
from worker.log.kafka.librdkafka.errors import log_error
from worker.log.kafka.librdkafka.settings import Tokens

LOGINS: tuple[Mechanism, ...] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


def login(mechanism: Mechanism, user: str, folder: Path, password: str = PASSWORD) -> Sasl:
    if mechanism != "OAUTHBEARER":
        return Sasl(mechanism, user, password)
    file = folder / "token"
    file.write_text(unsecured_token(user))
    return Sasl(mechanism, token_file=str(file))


def client(secure: SecureBroker, listener: str, sasl: Sasl | None = None, **tls: Any) -> Librdkafka:
    protocol: Any = listener.removesuffix("_MUTUAL")
    trusting = Tls(**{"ca_file": str(secure.authority.certificate_file), **tls})
    return Librdkafka(Connection(secure.broker.address(listener), protocol, trusting, sasl, BRISK))


def create(secure: SecureBroker, topic: str) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=secure.broker.bootstrap)) as admin:
        admin.create_topics([NewTopic(topic, 1, 1)], wait_for_metadata=True)


def write_and_read(client: Librdkafka, topic: str) -> list[bytes | None]:
    with closing(client.publisher(f"{topic}-p")) as publisher:
        publisher.publish([Outgoing(topic, 0, None, b"in", ())], {}, None)
    with closing(client.consumer(f"{topic}-g", "m", [topic])) as consumer:
        joined(consumer)
        assert consumer.committed([TopicPartition(topic, 0)]) == {}
    with closing(client.reader(topic, {0: 0})) as reader:
        return values(until(lambda: reader.poll(10, 0.5)))


def attempts(client: Librdkafka, topic: str) -> list[Callable[[], object]]:
    """Everything that needs the cluster, each until it is refused."""
    return [
        lambda: client.publisher(f"{topic}-p"),
        lambda: polled(client, topic),
        lambda: client.reader(topic, {0: 0}),
    ]


def polled(client: Librdkafka, topic: str) -> None:
    with closing(client.consumer(f"{topic}-g", "m", [topic])) as consumer:
        until(lambda: consumer.poll(1, 0.2))


@pytest.mark.parametrize("mechanism", LOGINS)
def test_who_logs_in_reads_and_writes(secure_broker: SecureBroker, topic_name: str, tmp_path: Path, mechanism: Mechanism) -> None:
    create(secure_broker, topic_name)
    assert write_and_read(client(secure_broker, "SASL_SSL", login(mechanism, BOSS, tmp_path)), topic_name) == [b"in"]


def test_who_shows_a_certificate_reads_and_writes(secure_broker: SecureBroker, topic_name: str) -> None:
    create(secure_broker, topic_name)
    shown: dict[str, Any] = {"certificate_file": str(secure_broker.client.certificate_file), "key_file": str(secure_broker.client.key_file)}
    assert write_and_read(client(secure_broker, "SSL_MUTUAL", **shown), topic_name) == [b"in"]


@pytest.mark.parametrize("mechanism", LOGINS[:3])
def test_a_wrong_password_is_told(
    secure_broker: SecureBroker, topic_name: str, tmp_path: Path, mechanism: Mechanism, capfd: pytest.CaptureFixture[str]
) -> None:
    for attempt in attempts(client(secure_broker, "SASL_PLAINTEXT", login(mechanism, BOSS, tmp_path, "wrong")), topic_name):
        with pytest.raises(LoginRefused, match="user name or the password"):
            attempt()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (
            KafkaError._AUTHENTICATION,
            "SASL X mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN",
            LoginRefused,
        ),
        (KafkaError._AUTHENTICATION, "SASL authentication error: Authentication failed", LoginRefused),
        (KafkaError._AUTHENTICATION, "SASL authentication error: SaslAuthenticateRequest failed: Local: Broker transport failure", LogUnavailable),
        (KafkaError._SSL, "Failed to verify broker certificate: certificate has expired", LogUnusable),
        (KafkaError._SSL, "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?", LogUnavailable),
        (KafkaError._TRANSPORT, "Receive failed: ssl/tls alert certificate required: SSL alert number 116", LogUnusable),
        (KafkaError._TRANSPORT, "Receive failed: ssl/tls alert close notify: SSL alert number 4", LogUnavailable),
        (KafkaError._FATAL, "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id: x", MemberReplaced),
        (KafkaError._UNSUPPORTED_FEATURE, "Transactional producer requires a broker of 0.11", ClusterTooOld),
        (KafkaError._FENCED, "fenced", LogUnavailable),
        (KafkaError._BAD_MSG, "failed CRC32C check", LogCorrupt),
    ],
)
def test_what_passes_is_told_from_what_does_not(code: int, text: str, kind: type[LogError]) -> None:
    error = log_error(KafkaError(code, text), "here")
    assert type(error) is kind
    assert text in str(error)
    assert error.problems[0].where == "here"


def test_an_authority_that_is_not_trusted_is_told(secure_broker: SecureBroker, topic_name: str, tmp_path: Path) -> None:
    other = str(Authority(tmp_path, "other").certificate_file)
    for attempt in attempts(client(secure_broker, "SSL", ca_file=other), topic_name):
        with pytest.raises(LogUnusable, match=r"TLS connection was refused .*certificate"):
            attempt()


def test_who_shows_no_certificate_is_told(secure_broker: SecureBroker, topic_name: str) -> None:
    for attempt in attempts(client(secure_broker, "SSL_MUTUAL"), topic_name):
        with pytest.raises(LogUnusable, match=r"TLS connection was refused .*certificate"):
            attempt()


@pytest.mark.parametrize("content", [None, "this is no certificate"])
def test_a_tls_file_that_cannot_be_used_is_told_with_its_path(secure_broker: SecureBroker, topic_name: str, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    for attempt in attempts(client(secure_broker, "SSL", ca_file=str(file)), topic_name):
        with pytest.raises(LogUnusable) as raised:
            attempt()
        assert str(file) in raised.value.problems[0].where


def test_who_has_no_permission_is_told(secure_broker: SecureBroker, topic_name: str, tmp_path: Path) -> None:
    create(secure_broker, topic_name)
    for attempt in attempts(client(secure_broker, "SASL_PLAINTEXT", login("PLAIN", GUEST, tmp_path)), topic_name):
        with pytest.raises(NotAllowed):
            attempt()


def test_a_reader_needs_no_permission_on_any_group(secure_broker: SecureBroker, topic_name: str, tmp_path: Path) -> None:
    create(secure_broker, topic_name)
    boss = client(secure_broker, "SASL_PLAINTEXT", login("PLAIN", BOSS, tmp_path))
    assert write_and_read(boss, topic_name) == [b"in"]
    allowed = [
        ACL(f"User:{GUEST}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(ResourceType.TOPIC, topic_name)) for operation in (ACLOperation.READ,)
    ]
    with closing(KafkaAdminClient(bootstrap_servers=secure_broker.broker.bootstrap)) as admin:
        admin.create_acls(allowed)
    guest = client(secure_broker, "SASL_PLAINTEXT", login("PLAIN", GUEST, tmp_path))
    with closing(guest.reader(topic_name, {0: 0})) as reader:
        assert values(until(lambda: reader.poll(10, 0.5))) == [b"in"]
        until(lambda: reader.poll(10, 0.5) or reader.positions() == {0: 2})


def test_a_token_that_cannot_be_had_is_told_by_whoever_has_it(secure_broker: SecureBroker, topic_name: str, tmp_path: Path) -> None:
    missing = Sasl("OAUTHBEARER", token_file=str(tmp_path / "none"))
    for attempt in attempts(client(secure_broker, "SASL_PLAINTEXT", missing), topic_name):
        with pytest.raises(LoginRefused, match="token file cannot be read"):
            attempt()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    for attempt in attempts(client(secure_broker, "SASL_PLAINTEXT", Sasl("OAUTHBEARER", token_url=url)), topic_name):
        with pytest.raises(LogUnavailable, match="token server cannot be reached"):
            attempt()


def test_tokens_are_asked_for_again_and_a_failure_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(unsecured_token("one"))
    tokens = Tokens(Sasl("OAUTHBEARER", token_file=str(file)))
    first, expiry = tokens("")
    assert expiry > time.time()
    file.write_text(unsecured_token("two"))
    assert tokens("")[0] != first
    file.unlink()
    with pytest.raises(LoginRefused):
        tokens("")
    assert isinstance(tokens.failed, LoginRefused)
