"""The broker with encryption, logins and permissions: who gets in, and who does not."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAuthorizationFailedError
from kafka.net.sasl.oauth import AbstractTokenProvider

from tests.kafka.certificates import Authority, Certificate, unsecured_token
from tests.kafka.fixtures import BOSS, GUEST, PASSWORD, SecureBroker

LOGINS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


class Tokens(AbstractTokenProvider):  # type: ignore[misc]
    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        return self._token


def login(mechanism: str, user: str, password: str = PASSWORD) -> dict[str, Any]:
    if mechanism == "OAUTHBEARER":
        return {"sasl_mechanism": mechanism, "sasl_oauth_token_provider": Tokens(unsecured_token(user))}
    return {"sasl_mechanism": mechanism, "sasl_plain_username": user, "sasl_plain_password": password}


def create(secure: SecureBroker, listener: str, topic: str, timeout_ms: int = 30_000, **settings: Any) -> None:
    """Create a topic over a listener, which only those who may do everything can. kafka-python tries a refused login until timeout_ms."""
    protocol = listener.removesuffix("_MUTUAL")
    settings = {"ssl_cafile": str(secure.authority.certificate_file), "bootstrap_timeout_ms": timeout_ms, **settings}
    admin = KafkaAdminClient(bootstrap_servers=secure.broker.address(listener), security_protocol=protocol, **settings)
    try:
        admin.create_topics([NewTopic(topic, 1, 1)], wait_for_metadata=True)
    finally:
        admin.close()


def topics(secure: SecureBroker) -> list[str]:
    admin = KafkaAdminClient(bootstrap_servers=secure.broker.bootstrap)
    names: list[str] = admin.list_topics()
    admin.close()
    return names


@pytest.mark.parametrize("mechanism", LOGINS)
@pytest.mark.parametrize("listener", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_who_logs_in_is_let_in(secure_broker: SecureBroker, topic_name: str, listener: str, mechanism: str) -> None:
    create(secure_broker, listener, topic_name, **login(mechanism, BOSS))
    assert topic_name in topics(secure_broker)


@pytest.mark.parametrize("mechanism", LOGINS)
def test_who_has_no_permission_is_told_so(secure_broker: SecureBroker, topic_name: str, mechanism: str) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        create(secure_broker, "SASL_PLAINTEXT", topic_name, **login(mechanism, GUEST))
    assert topic_name not in topics(secure_broker)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_wrong_password_is_refused(secure_broker: SecureBroker, topic_name: str, mechanism: str) -> None:
    with pytest.raises(KafkaError):
        create(secure_broker, "SASL_PLAINTEXT", topic_name, timeout_ms=1_000, **login(mechanism, BOSS, "a wrong one"))
    assert topic_name not in topics(secure_broker)


def test_a_token_that_has_expired_is_refused(secure_broker: SecureBroker, topic_name: str) -> None:
    token = Tokens(unsecured_token(BOSS, valid_s=-60))
    with pytest.raises(KafkaError):
        create(secure_broker, "SASL_PLAINTEXT", topic_name, 1_000, sasl_mechanism="OAUTHBEARER", sasl_oauth_token_provider=token)
    assert topic_name not in topics(secure_broker)


def test_tls_with_the_right_authority(secure_broker: SecureBroker, topic_name: str) -> None:
    create(secure_broker, "SSL", topic_name)
    assert topic_name in topics(secure_broker)


def test_another_authority_does_not_vouch_for_the_broker(secure_broker: SecureBroker, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(secure_broker, "SSL", Authority(tmp_path))
    assert shake_hands(secure_broker, "SSL", secure_broker.authority)


def test_a_certificate_is_for_its_hosts_only(secure_broker: SecureBroker) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(secure_broker, "SSL", secure_broker.authority, host="another.example")


@pytest.mark.parametrize("password", ["", "of the key"])
def test_mutual_tls_takes_a_client_of_the_authority(secure_broker: SecureBroker, topic_name: str, password: str) -> None:
    client = secure_broker.authority.issue("client", password=password) if password else secure_broker.client
    create(secure_broker, "SSL_MUTUAL", topic_name, ssl_certfile=str(client.certificate_file), ssl_keyfile=str(client.key_file), ssl_password=password or None)
    assert topic_name in topics(secure_broker)


def test_mutual_tls_refuses_a_client_without_a_certificate_or_with_anothers(secure_broker: SecureBroker, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        shake_hands(secure_broker, "SSL_MUTUAL", secure_broker.authority)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake_hands(secure_broker, "SSL_MUTUAL", secure_broker.authority, client=Authority(tmp_path).issue("client"))
    assert shake_hands(secure_broker, "SSL_MUTUAL", secure_broker.authority, client=secure_broker.client)


def shake_hands(secure: SecureBroker, listener: str, trusted: Authority, host: str = "127.0.0.1", client: Certificate | None = None) -> bytes:
    """Connect as a client of TLS and ask for the versions; returns the beginning of the answer. Without kafka-python, which leaves refused sockets open."""
    context = ssl.create_default_context(cafile=str(trusted.certificate_file))
    if client is not None:
        context.load_cert_chain(client.certificate_file, client.key_file)
    address, port = secure.broker.address(listener).split(":")
    with socket.create_connection((address, int(port)), 30) as plain, context.wrap_socket(plain, server_hostname=host) as connection:
        connection.sendall(bytes.fromhex("0000000a 0012 0000 00000001 ffff"))  # ApiVersions, version 0, correlation id 1, no client id
        answer = connection.recv(4)
        if not answer:
            raise ConnectionError
        return answer
