"""How kafka-python gets into a cluster, and what is said when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kafka.certificates import Authority, unsecured_token
from tests.kafka.clients import BRISK, HASTY, create, joined, read, texts, until
from tests.kafka.fixtures import BOSS, GUEST, PASSWORD, SecureBroker
from worker.log.contract import TopicPartition
from worker.log.errors import LogUnavailable, LogUnusable
from worker.log.kafka.connection import Connection, Sasl, Timings, Tls
from worker.log.kafka.failures import LoginRefused, NotAllowed
from worker.log.kafka.kafka_python.client import KafkaPython, KafkaPythonConsumer

NOWHERE = "127.0.0.1:1"  # a port that only the system may open, and does not
LOGINS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def secure(broker: SecureBroker, listener: str, sasl: Sasl | None = None, tls: Tls | None = None, timings: Timings = HASTY) -> KafkaPython:
    protocol: Any = listener.removesuffix("_MUTUAL")
    tls = tls or Tls(ca_file=str(broker.authority.certificate_file))
    return KafkaPython(Connection(broker.broker.address(listener), protocol, tls, sasl, timings))


def use(client: KafkaPython, name: str) -> None:
    """All three kinds of connection, as BOSS, who may do everything."""
    publisher, consumer, reader = client.publisher(f"{name}-p"), client.consumer(f"{name}-g", "m", [name]), client.reader(name, {0: 0})
    publisher.publish(texts(name, ["a"]), {}, None)
    assert len(read(reader, 1)) == 1
    (mine,) = joined(consumer)
    assert mine.partitions == {TopicPartition(name, 0)}
    for made in (publisher, consumer, reader):
        made.close()


@pytest.mark.parametrize("mechanism", LOGINS)
@pytest.mark.parametrize("listener", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_login_by_password(secure_broker: SecureBroker, topic_name: str, listener: str, mechanism: Any) -> None:
    create(secure_broker.broker.bootstrap, topic_name)
    use(secure(secure_broker, listener, Sasl(mechanism, BOSS, PASSWORD), timings=BRISK), topic_name)


def test_a_login_by_token(secure_broker: SecureBroker, topic_name: str, tmp_path: Path) -> None:
    create(secure_broker.broker.bootstrap, topic_name)
    token = tmp_path / "token"
    token.write_text(unsecured_token(BOSS))
    use(secure(secure_broker, "SASL_SSL", Sasl("OAUTHBEARER", token_file=str(token)), timings=BRISK), topic_name)
    with pytest.raises(LoginRefused, match="cannot be read"):
        secure(secure_broker, "SASL_SSL", Sasl("OAUTHBEARER", token_file=str(tmp_path / "none"))).publisher("p")


@pytest.mark.parametrize("password", ["", "of the key"])
def test_a_login_by_certificate(secure_broker: SecureBroker, topic_name: str, password: str) -> None:
    create(secure_broker.broker.bootstrap, topic_name)
    mine = secure_broker.authority.issue("client", password=password) if password else secure_broker.client
    tls = Tls(str(secure_broker.authority.certificate_file), str(mine.certificate_file), str(mine.key_file), password)
    use(secure(secure_broker, "SSL_MUTUAL", tls=tls, timings=BRISK), topic_name)


@pytest.mark.parametrize("mechanism", LOGINS)
def test_a_wrong_password_is_said_to_be_wrong(secure_broker: SecureBroker, mechanism: Any) -> None:
    client = secure(secure_broker, "SASL_PLAINTEXT", Sasl(mechanism, BOSS, "wrong"))
    with pytest.raises(LoginRefused):
        client.publisher("p")
    with pytest.raises(LoginRefused):
        client.reader("t", {0: 0})
    with pytest.raises(LoginRefused):
        client.consumer("g", "m", ["t"]).poll(1, 0)


def test_what_is_not_allowed_is_said_to_be_so(secure_broker: SecureBroker, topic_name: str) -> None:
    create(secure_broker.broker.bootstrap, topic_name)
    client = secure(secure_broker, "SASL_PLAINTEXT", Sasl("PLAIN", GUEST, PASSWORD))
    with pytest.raises(NotAllowed):
        client.publisher(f"{topic_name}-p")
    with pytest.raises(NotAllowed):
        client.reader(topic_name, {0: 0})
    with pytest.raises(NotAllowed):
        client.consumer(f"{topic_name}-g", "m", [topic_name]).poll(1, 0)


def test_a_broker_of_another_authority_is_not_trusted(secure_broker: SecureBroker, tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="certificate verify failed"):
        secure(secure_broker, "SSL", tls=Tls(ca_file=str(Authority(tmp_path).certificate_file))).publisher("p")


@pytest.mark.parametrize("tls", [Tls(ca_file="missing.pem"), Tls(certificate_file="missing.pem", key_file="missing.pem")])
def test_tls_files_that_cannot_be_used_are_named(tls: Tls) -> None:
    with pytest.raises(LogUnusable, match=r"missing\.pem"):
        KafkaPython(Connection(NOWHERE, "SSL", tls)).publisher("p")


def test_a_login_that_is_refused_later_ends_the_polls(secure_broker: SecureBroker, topic_name: str, tmp_path: Path) -> None:
    """The library would try it for ever, and say so in its log only."""
    create(secure_broker.broker.bootstrap, topic_name)
    token = tmp_path / "token"
    token.write_text(unsecured_token(BOSS))
    client = secure(secure_broker, "SASL_PLAINTEXT", Sasl("OAUTHBEARER", token_file=str(token)), timings=BRISK)
    consumer = client.consumer(f"{topic_name}-g", "m", [topic_name])
    joined(consumer)
    assert isinstance(consumer, KafkaPythonConsumer)
    token.unlink()
    assert consumer._source is not None
    for broker in consumer._source.network.cluster.brokers():
        consumer._source.network.close(broker.node_id)  # as when the broker ends an idle connection
    consumer._source.network.close("coordinator-1")
    with pytest.raises(LoginRefused):
        until(lambda: bool(consumer.poll(1, 0.1)), "LoginRefused")
    consumer.close()
