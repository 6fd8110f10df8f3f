"""A worker at work over every kind of security, with both clients: sent, scored and read back, with no more permissions than docs/kafka.md names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

from tests.commands.kafka_commands import Shop, run, said
from tests.kafka.certificates import unsecured_token
from tests.kafka.fixtures import BOSS, GUEST, PASSWORD, SecureBroker
from worker.configuration import load
from worker.log.errors import LogError
from worker.service.assembly import build_loop
from worker.service.clock import SystemClock
from worker.service.loop import Stop
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import open_log

PAGE = Path(__file__).parents[2] / "docs" / "kafka.md"
EVENTS = b"".join(b'{"event":"page_view","user_id":"u%d","timestamp":%d}\n' % (number % 3, 1_700_000_000_000 + number) for number in range(12))
CLIENTS = ("kafka-python", "librdkafka")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
WAYS = [*(("SASL_SSL", mechanism) for mechanism in MECHANISMS), ("SASL_PLAINTEXT", "SCRAM-SHA-512"), ("SSL", ""), ("SSL_MUTUAL", "")]


def security(secure: SecureBroker, listener: str, mechanism: str, folder: Path, user: str = BOSS) -> dict[str, str]:
    """What the configuration says of it."""
    given = {"security_protocol": listener.removesuffix("_MUTUAL")}
    if "SSL" in listener:
        given["tls_ca_file"] = str(secure.authority.certificate_file)
    if listener == "SSL_MUTUAL":
        given |= {"tls_certificate_file": str(secure.client.certificate_file), "tls_key_file": str(secure.client.key_file)}
    if mechanism == "OAUTHBEARER":
        token = folder / "token"
        token.write_text(unsecured_token(user))
        given |= {"sasl_mechanism": mechanism, "sasl_token_file": str(token)}
    elif mechanism:
        given |= {"sasl_mechanism": mechanism, "sasl_username": user, "sasl_password": PASSWORD}
    return given


def scored_once(shop: Shop, address: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Send, score and read back; the worker runs in this process, so that each case takes a second."""
    (folder / "events.jsonl").write_bytes(EVENTS)
    at = ("--bootstrap", address, "--config", shop.file)
    assert run("send", folder / "events.jsonl", *at) == 0, said(capsys)
    settings = load(shop.file, [], {"--bootstrap": ("kafka.bootstrap", address), "--member": ("service.member", "m")}, environ={}).settings
    with (folder / "log").open("w") as nowhere:
        clock = SystemClock()
        happened = Happenings(open_logger(settings.service, nowhere), Metrics(settings.targets), clock)
        log = open_log(settings)
        loop = build_loop(log, settings, clock, happened, Stop(happened))
        until_s = clock.elapsed_s() + 60
        while sum(log.committed(shop.group, shop.names["events"]).values()) < 12:
            assert clock.elapsed_s() < until_s
            loop.turn()
        for role in (loop._scorer, loop._trainers):
            assert role is not None
            role.close()
        log.close()
    said(capsys)
    assert run("tap", "scores", "--from", "earliest", *at) == 0
    assert said(capsys)[0].count('"cause":"event"') == 12


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("listener", "mechanism"), WAYS)
def test_it_scores_over_every_kind_of_security(
    listener: str,
    mechanism: str,
    client: str,
    secure_broker: SecureBroker,
    tmp_path: Path,
    fresh_name: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if listener == "SSL":  # where nobody says who they are, they are nobody: on this broker that is who may do everything
        assert "ANONYMOUS" in secure_broker.broker._options.super_users
    shop = Shop(tmp_path, fresh_name, client=client, **security(secure_broker, listener, mechanism, tmp_path))
    address = secure_broker.broker.address(listener)
    assert run("topics", "create", "--bootstrap", address, "--config", shop.file) == 0, said(capsys)
    scored_once(shop, address, tmp_path, capsys)


# ---- permissions


def listed_permissions() -> Iterator[tuple[str, str, list[str]]]:
    """(resource, name or prefix, operations) of each kafka-acls line of the page."""
    for line in re.findall(r"kafka-acls (.*)", PAGE.read_text(encoding="utf-8")):
        if found := re.search(r"--(topic|group|transactional-id) (\S+)", line):
            yield found[1], found[2], re.findall(r"--operation (\w+)", line)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_worker_needs_no_more_permissions_than_the_page_lists(
    client: str, secure_broker: SecureBroker, tmp_path: Path, fresh_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Shop(tmp_path, fresh_name, client=client, **security(secure_broker, "SASL_PLAINTEXT", "PLAIN", tmp_path, GUEST))
    setup = tmp_path / "setup.toml"
    setup.write_text("[topics]\n" + "".join(f'{short} = "{name}"\n' for short, name in shop.names.items()))
    assert run("topics", "create", "--bootstrap", secure_broker.broker.bootstrap, "--config", setup) == 0
    said(capsys)
    workers = [name for short, name in shop.names.items() if short != "events"]
    stands_for = {
        ("topic", "clickstream.events"): [shop.names["events"]],
        ("topic", "clickscore."): workers,
        ("group", "clickscore"): [shop.group],
        ("transactional-id", "clickscore"): [shop.group, "clickscore"],  # what is sent has an id of its own
    }
    acls = []
    for kind, name, operations in listed_permissions():
        for one in stands_for[kind, name]:
            pattern = ResourcePattern(ResourceType[kind.replace("-", "_").upper()], one, ACLResourcePatternType.PREFIXED)
            acls += [ACL(f"User:{GUEST}", "*", ACLOperation[_code(text)], ACLPermissionType.ALLOW, pattern) for text in operations]
    assert len(acls) == 3 + 7 * 4 + 1 + 2 * 2 + 1
    admin = KafkaAdminClient(bootstrap_servers=secure_broker.broker.bootstrap)
    try:
        assert not admin.create_acls(acls)["failed"]
    finally:
        admin.close()
    try:
        scored_once(shop, secure_broker.broker.address("SASL_PLAINTEXT"), tmp_path, capsys)
    except LogError as error:
        raise AssertionError(f"the list of the page is not enough: {error}") from error


def _code(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()
