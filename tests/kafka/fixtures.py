"""A real broker for every test that asks for one, started once in a test run. tests/conftest.py loads this file as a plugin, so all folders have it.

tests/kafka has no __init__.py on purpose: with one, pytest would import this folder under the name `kafka`, which is the client's.

Where no broker can be had, tests/machine.py says so. A broker that is there and does not start is a failure everywhere.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kafka.certificates import Authority, Certificate, OpensslMissing
from tests.kafka.proxy import Proxy
from tests.machine import had
from worker.demo.broker import Broker, BrokerMissing, BrokerOptions, Image, Jars, Listener, Running, find

PROXIED = "PROXIED"  # the listener that advertises the proxy
# What would take a broker some ten seconds by default: seeing that it was killed, and aborting a transaction that was left open.
IMPATIENT = {
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "log.cleaner.backoff.ms": "500",  # 15 s: whether there is anything to compact
    "metadata.max.idle.interval.ms": "0",  # no record twice a second that says that nothing happened: a third of what an idle broker takes
}

BOSS, GUEST, PASSWORD = "boss", "guest", "to-be-or-not"  # users of secure_broker

StartBroker = Callable[..., Broker]
FreshName = Callable[[str], str]


@pytest.fixture(scope="session")
def broker_source(pytestconfig: pytest.Config) -> Jars | Image:
    """What brokers of ours are started from; KAFKA_BOOTSTRAP is not ours to start."""

    def say(what: str) -> None:
        with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{what}", flush=True)

    ours = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP"}
    source = had("Kafka", lambda: find(ours, say=say), BrokerMissing)
    assert not isinstance(source, Running)
    return source


class Formatted:
    """Data folders as Kafka's StorageTool leaves them, which costs a second of the processor each time: formatted once in a test run, then copied.

    What is in one depends on the users who may log in alone. All brokers of a run have one cluster id therefore; no two of them know of each other.
    """

    FILES = ("meta.properties", "bootstrap.checkpoint")

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def give(self, broker: Broker, options: BrokerOptions) -> None:
        """Put the files where the broker looks for them before its first start; nothing where none of this kind was kept yet."""
        with suppress(FileNotFoundError):
            shutil.copytree(self._place(options), broker.folder / "data")

    def keep(self, broker: Broker, options: BrokerOptions) -> None:
        """Keep those of a broker that has started. Other processes of the run may do so at the same time: whoever is first has it."""
        place = self._place(options)
        if place.exists():
            return
        self._folder.mkdir(exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=self._folder))
        for name in self.FILES:
            shutil.copy(broker.folder / "data" / name, part)
        try:
            part.rename(place)
        except OSError:
            shutil.rmtree(part)

    def _place(self, options: BrokerOptions) -> Path:
        return self._folder / f"of-{hashlib.sha256(repr(options.scram_credentials).encode()).hexdigest()[:16]}"


@pytest.fixture(scope="session")
def formatted(tmp_path_factory: pytest.TempPathFactory) -> Formatted:
    """Of all processes of this run together."""
    own = tmp_path_factory.getbasetemp()
    return Formatted((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "formatted")


@pytest.fixture(scope="session")
def start_broker(tmp_path_factory: pytest.TempPathFactory, broker_source: Jars | Image, formatted: Formatted) -> Iterator[StartBroker]:
    """Starts one more broker of ours, with BrokerOptions or without; all are killed at the end of the run, those that are needed shorter by their test."""
    started: list[Broker] = []

    def start(options: BrokerOptions | None = None) -> Broker:
        options = options or BrokerOptions()
        impatient = replace(options, properties={**IMPATIENT, **options.properties}, short_lived=True)
        broker = Broker(broker_source, tmp_path_factory.mktemp("broker"), impatient)
        started.append(broker)
        formatted.give(broker, impatient)
        broker.start()
        formatted.keep(broker, impatient)
        return broker

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture(scope="session")
def proxy_of_the_run() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def broker(start_broker: StartBroker, proxy_of_the_run: Proxy) -> Broker:
    """The broker of this test run, which all tests share: it may be restarted or paused, but not left so. Names of one's own keep tests apart."""
    broker = start_broker(BrokerOptions((Listener(PROXIED, "PLAINTEXT", proxy_of_the_run.address),)))
    proxy_of_the_run.target = broker.address(PROXIED)
    return broker


@pytest.fixture
def proxy(broker: Broker, proxy_of_the_run: Proxy) -> Iterator[Proxy]:
    """A proxy before `broker`, without rules at first: a client that bootstraps from `proxy.address` comes through it with everything."""
    proxy_of_the_run.reset()
    yield proxy_of_the_run
    proxy_of_the_run.reset()


@pytest.fixture(scope="session")
def bootstrap(request: pytest.FixtureRequest) -> str:
    """HOST:PORT of a broker that clients may do everything on: KAFKA_BOOTSTRAP, else `broker`. A test with `broker` or `proxy` takes broker.bootstrap."""
    if running := os.environ.get("KAFKA_BOOTSTRAP"):
        return running
    broker: Broker = request.getfixturevalue("broker")
    return broker.bootstrap


@pytest.fixture
def own_broker(start_broker: StartBroker) -> Iterator[Broker]:
    """A broker of this test alone, to be killed or left dead."""
    broker = start_broker()
    yield broker
    broker.kill()


class SecureBroker(NamedTuple):
    """A broker with a listener of every kind of security. Without an access control list only BOSS may do anything, and clients without a login."""

    broker: Broker
    authority: Authority
    client: Certificate  # the user CN=client at the listener SSL_MUTUAL, who may do everything as well


@pytest.fixture(scope="session")
def secure_broker(start_broker: StartBroker, tmp_path_factory: pytest.TempPathFactory) -> SecureBroker:
    """Listeners SSL, SSL_MUTUAL (a client certificate is required), SASL_PLAINTEXT and SASL_SSL, and PLAINTEXT to set things up."""
    authority = had("openssl", lambda: Authority(tmp_path_factory.mktemp("certificates")), OpensslMissing)
    server, client = authority.issue("broker").bundle_file, authority.issue("client")
    listeners = (
        Listener("SSL", "SSL", certificate=server),
        Listener("SSL_MUTUAL", "SSL", certificate=server, authority=authority.certificate_file, client_certificate=True),
        Listener("SASL_PLAINTEXT", "SASL_PLAINTEXT"),
        Listener("SASL_SSL", "SASL_SSL", certificate=server),
    )
    super_users = ("ANONYMOUS", BOSS, "CN=client")
    options = BrokerOptions(listeners, {BOSS: PASSWORD, GUEST: PASSWORD}, authorizer=True, super_users=super_users)
    return SecureBroker(start_broker(options), authority, client)


@pytest.fixture
def fresh_name(request: pytest.FixtureRequest) -> FreshName:
    """Makes names that only this test has: fresh_name("group")."""
    test = re.sub(r"[\W_]+", "-", request.node.name.removeprefix("test_"))[:60].strip("-")
    token = secrets.token_hex(4)
    return lambda what: f"{test}-{token}-{what}"


@pytest.fixture
def topic_name(fresh_name: FreshName) -> str:
    """The name of a topic that only this test has; it is not created."""
    return fresh_name("topic")
