"""What every command with --bootstrap says when Kafka cannot be used: one clear error with where and what to do, the right exit code, no trace, no hang."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands.kafka_commands import Shop, run, said
from tests.kafka.fixtures import BOSS, GUEST, PASSWORD, SecureBroker
from worker.log.kafka.administration import Administration, NewTopic
from worker.log.kafka.connection import Connection
from worker.service.kafka_topics import kafka_plan
from worker.settings import Settings

EVENT = b'{"event":"page_view","user_id":"u1","timestamp":1700000000000}\n'
COMMANDS = ("run", "send", "tap", "explain", "top", "topics check", "topics create")
CLIENTS = ("kafka-python", "librdkafka")
QUICK = {"request_timeout": "600 ms"}
PASSWORDS = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": BOSS, "sasl_password": PASSWORD}


def line(command: str, folder: Path) -> list[str]:
    file = folder / "events.jsonl"
    file.write_bytes(EVENT)
    more = {"send": [str(file)], "tap": ["scores"], "explain": ["u1"], "run": ["--set", "service.patience=1 s"]}
    return [*command.split(), *more.get(command, [])]


def refused(command: str, address: str, shop: Shop, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and the one error that is told."""
    code = run(*line(command, folder), "--bootstrap", address, "--config", shop.file)
    error = "".join(text for text in said(capsys)[1].splitlines(keepends=True) if not text.startswith("{"))
    assert len(re.findall("^Error: ", error, re.MULTILINE)) == 1, error
    assert "Traceback" not in error
    assert "unexpected" not in error
    assert f"where: Kafka at {address}" in error
    assert "to do: " in error
    return code, error


@pytest.mark.parametrize("command", COMMANDS)
def test_a_broker_that_is_not_there(command: str, tmp_path: Path, fresh_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and nobody listens
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        code, error = refused(command, address, Shop(tmp_path, fresh_name, **QUICK), tmp_path, capsys)
    assert code == 1
    assert "cannot be reached within 0.6 s" in error
    assert ("gives up after 1 s (service.patience)" in error) == (command == "run")


WRONG_SECURITY = {
    "a wrong password, SCRAM": ("SASL_PLAINTEXT", {**PASSWORDS, "sasl_password": "wrong"}, 78, "refused the user name or the password"),
    "a wrong password, PLAIN": (
        "SASL_PLAINTEXT",
        {**PASSWORDS, "sasl_password": "wrong", "sasl_mechanism": "PLAIN"},
        78,
        "refused the user name or the password",
    ),
    "no login where one is needed": ("SASL_PLAINTEXT", {}, 1, "may want TLS or a login"),
    "a login where none is taken": ("PLAINTEXT", PASSWORDS, 78, "as the broker's listener has them"),
    "no TLS where it is spoken": ("SSL", {}, 78, "speaks TLS, and was spoken to without"),
    "TLS where none is spoken": ("PLAINTEXT", {"security_protocol": "SSL"}, 1, "its listener may speak none"),
    "an authority that is not trusted": ("SSL", {"security_protocol": "SSL"}, 78, "certificate is not trusted"),
    "no certificate of ours": ("SSL_MUTUAL", {"security_protocol": "SSL", "tls_ca_file": "AUTHORITY"}, 78, "wants a certificate of this client"),
}


OTHER_WAYS = [(case, command) for command in ("run", "topics check") for case in WRONG_SECURITY if "password, SCRAM" in case or "no TLS" in case]


@pytest.mark.parametrize(("case", "command"), [*((case, "tap") for case in WRONG_SECURITY), *OTHER_WAYS])
def test_security_that_is_not_the_listeners(
    case: str, command: str, secure_broker: SecureBroker, tmp_path: Path, fresh_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    listener, given, exit_code, words = WRONG_SECURITY[case]
    kafka = {key: value.replace("AUTHORITY", str(secure_broker.authority.certificate_file)) for key, value in given.items()}
    code, error = refused(command, secure_broker.broker.address(listener), Shop(tmp_path, fresh_name, **QUICK, **kafka), tmp_path, capsys)
    assert words in error
    assert code == exit_code


@pytest.fixture
def cluster(secure_broker: SecureBroker) -> Iterator[Administration]:
    administration = Administration(Connection(secure_broker.broker.bootstrap))
    yield administration
    administration.close()


def make(cluster: Administration, shop: Shop, *without: str, **partitions: int) -> None:
    """The topics of the shop, but for some."""
    settings = Settings.model_validate({"topics": shop.names})
    short = {name: key for key, name in shop.names.items()}
    plan = [topic for topic in kafka_plan(settings, 2) if short[topic.name] not in without]
    cluster.make(NewTopic(topic.name, partitions.get(short[topic.name], topic.partitions), topic.settings) for topic in plan)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("command", "topic"), [("run", "models"), ("send", "events"), ("tap", "scores"), ("explain", "scores"), ("top", "scores")])
def test_a_missing_topic(
    command: str,
    topic: str,
    client: str,
    secure_broker: SecureBroker,
    cluster: Administration,
    tmp_path: Path,
    fresh_name: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = Shop(tmp_path, fresh_name, client=client)
    make(cluster, shop, topic)
    code, error = refused(command, secure_broker.broker.bootstrap, shop, tmp_path, capsys)
    assert code == 78
    assert shop.names[topic] in error
    assert "clickscore topics create" in error


@pytest.mark.parametrize("command", ["run", "send"])
def test_all_topics_missing_is_one_error(
    command: str, secure_broker: SecureBroker, tmp_path: Path, fresh_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = refused(command, secure_broker.broker.bootstrap, Shop(tmp_path, fresh_name), tmp_path, capsys)
    assert (code, "6 topics are missing" in error) == (78, True)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("command", ["run", "send"])
def test_unequal_partition_counts(
    command: str,
    client: str,
    secure_broker: SecureBroker,
    cluster: Administration,
    tmp_path: Path,
    fresh_name: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = Shop(tmp_path, fresh_name, client=client)
    make(cluster, shop, profiles=1)
    code, error = refused(command, secure_broker.broker.bootstrap, shop, tmp_path, capsys)
    assert code == 78
    assert re.search(r"1 partitions, and \S+ has 2: they must be equal", error)
    assert "kafka-topics --bootstrap-server" in error


# ---- permissions

Acls = Callable[..., None]


@pytest.fixture
def allow(secure_broker: SecureBroker) -> Acls:
    from kafka import KafkaAdminClient
    from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

    def allow(kind: str, prefix: str, *operations: str) -> None:
        pattern = ResourcePattern(ResourceType[kind], prefix, ACLResourcePatternType.PREFIXED)
        acls = [ACL(f"User:{GUEST}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern) for operation in operations]
        admin = KafkaAdminClient(bootstrap_servers=secure_broker.broker.bootstrap)
        try:
            assert not admin.create_acls(acls)["failed"]
        finally:
            admin.close()

    return allow


def as_guest(folder: Path, fresh_name: Callable[[str], str], client: str) -> Shop:
    return Shop(folder, fresh_name, client=client, security_protocol="SASL_PLAINTEXT", sasl_username=GUEST, sasl_password=PASSWORD)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_permission_on_the_topics(
    command: str,
    secure_broker: SecureBroker,
    cluster: Administration,
    tmp_path: Path,
    fresh_name: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = as_guest(tmp_path, fresh_name, "auto")
    make(cluster, shop)
    code, error = refused(command, secure_broker.broker.address("SASL_PLAINTEXT"), shop, tmp_path, capsys)
    assert code == 78
    assert "not allowed on this topic" in error
    assert "kafka-acls" in error


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "not allowed on this consumer group"),
        (("GROUP",), "not allowed to use this transactional id"),
    ],
)
def test_no_permission_on_the_group_or_the_transactions(
    given: tuple[str, ...],
    words: str,
    client: str,
    secure_broker: SecureBroker,
    cluster: Administration,
    allow: Acls,
    tmp_path: Path,
    fresh_name: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = as_guest(tmp_path, fresh_name, client)
    make(cluster, shop)
    for name in shop.names.values():
        allow("TOPIC", name, "READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS")
    for kind in given:
        allow(kind, shop.group, "READ")
    code, error = refused("run", secure_broker.broker.address("SASL_PLAINTEXT"), shop, tmp_path, capsys)
    assert words in error
    assert code == 78
