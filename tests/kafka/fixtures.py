"""A real broker for every test that asks for one, started once in a test run. tests/conftest.py loads this file as a plugin, so all folders have it.

tests/kafka has no __init__.py on purpose: with one, pytest would import this folder under the name `kafka`, which is the client's.

Where no broker can be had, the tests that need one are not run, and the summary says so loudly; with CI=true they fail instead.
A broker that is there and does not start is a failure everywhere.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator

import pytest

from worker.demo.broker import Broker, BrokerMissing, BrokerOptions, Image, Jars, Running, find
from worker.errors import ClickscoreError

NOT_RUN = "this test needs a real Kafka broker"
# What would take a broker some ten seconds by default: seeing that it was killed, and aborting a transaction that was left open.
IMPATIENT = {
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}

StartBroker = Callable[..., Broker]
FreshName = Callable[[str], str]


@pytest.fixture(scope="session")
def start_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartBroker]:
    """Starts one more broker of ours, with BrokerOptions or without; all are killed at the end of the run, those that are needed shorter by their test."""
    started: list[Broker] = []
    source = _source()

    def start(options: BrokerOptions | None = None) -> Broker:
        options = options or BrokerOptions()
        impatient = BrokerOptions(options.listeners, options.users, options.authorizer, options.super_users, {**IMPATIENT, **options.properties})
        broker = Broker(source, tmp_path_factory.mktemp("broker"), impatient)
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture(scope="session")
def broker(start_broker: StartBroker) -> Broker:
    """The broker of this test run, which all tests share: it may be restarted or paused, but not left so. Names of one's own keep tests apart."""
    return start_broker()


@pytest.fixture(scope="session")
def bootstrap(request: pytest.FixtureRequest) -> str:
    """HOST:PORT of a broker that everything may be done to by a client: KAFKA_BOOTSTRAP, else the one of `broker`."""
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


def _source() -> Jars | Image:
    """What brokers of ours are started from: KAFKA_BOOTSTRAP is not ours to start."""
    try:
        source = find({name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP"})
    except BrokerMissing as missing:
        not_run(missing)
    assert not isinstance(source, Running)
    return source


def not_run(missing: ClickscoreError) -> None:
    """End the test: with CI=true as failed, else as not run, of which the summary speaks."""
    reason = f"{NOT_RUN}: {missing}"
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NOT_RUN in str(report.longrepr)]
    if not skipped:
        return
    reason = str(skipped[0].longrepr[2] if isinstance(skipped[0].longrepr, tuple) else skipped[0].longrepr)
    terminalreporter.section("KAFKA IS NOT TESTED", sep="!", red=True, bold=True)
    terminalreporter.line(f"{len(skipped)} tests were NOT RUN: there is no broker for them.", red=True, bold=True)
    terminalreporter.line(reason.removeprefix("Skipped: "))
