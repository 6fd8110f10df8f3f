"""A broker's certificate: right, expired, of another host, of an authority that is not trusted. Only the right one is spoken to, by both clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.kafka.certificates import Authority, OpensslMissing
from tests.kafka.fixtures import StartBroker
from tests.kafka.librdkafka_bench import BRISK
from tests.machine import had
from worker.demo.broker import Broker, BrokerOptions, Listener
from worker.log.errors import LogError
from worker.log.kafka.connection import Connection, Tls
from worker.log.kafka.kafka_python.client import KafkaPython
from worker.log.kafka.librdkafka.client import Librdkafka

CLIENTS: dict[str, type[KafkaPython] | type[Librdkafka]] = {"kafka-python": KafkaPython, "librdkafka": Librdkafka}


class Late(Authority):
    """The same authority a day ago, as it were: what it issues has expired."""

    def __init__(self, other: Authority) -> None:
        self.__dict__.update(other.__dict__)

    def _run(self, *arguments: str) -> None:
        super()._run(*("-1" if before == "-days" else word for before, word in zip(("", *arguments), arguments, strict=False)))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return had("openssl", lambda: Authority(tmp_path_factory.mktemp("authority")), OpensslMissing)


@pytest.fixture(scope="module")
def certified(start_broker: StartBroker, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A listener for each certificate."""
    bundles = {
        "RIGHT": authority.issue("right"),
        "EXPIRED": Late(authority).issue("expired"),
        "ELSEWHERE": authority.issue("elsewhere", ("DNS:broker.example", "IP:192.0.2.1")),
        "STRANGER": Authority(tmp_path_factory.mktemp("stranger"), "stranger").issue("stranger"),
    }
    broker = start_broker(BrokerOptions(tuple(Listener(name, "SSL", certificate=bundle.bundle_file) for name, bundle in bundles.items())))
    yield broker
    broker.kill()


def spoken_to(client: str, address: str, authority: Authority, name: str, *, check_hostname: bool = True) -> None:
    """Make a producer, for which a broker must answer. Raises LogError."""
    tls = Tls(ca_file=str(authority.certificate_file), check_hostname=check_hostname)
    with closing(CLIENTS[client](Connection(address, "SSL", tls, None, BRISK)).publisher(name)):
        pass


@pytest.mark.parametrize("client", CLIENTS)
def test_the_right_certificate_is_spoken_to(client: str, certified: Broker, authority: Authority, fresh_name: Callable[[str], str]) -> None:
    name = fresh_name("id")
    spoken_to(client, certified.address("RIGHT"), authority, name)
    assert certified.running


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("listener", ["EXPIRED", "ELSEWHERE", "STRANGER"])
def test_another_is_refused_and_told(listener: str, client: str, certified: Broker, authority: Authority, fresh_name: Callable[[str], str]) -> None:
    with pytest.raises(LogError, match=r"(?i)certificate"):
        spoken_to(client, certified.address(listener), authority, fresh_name("id"))


@pytest.mark.parametrize("client", CLIENTS)
def test_the_host_alone_may_be_left_unchecked(client: str, certified: Broker, authority: Authority, fresh_name: Callable[[str], str]) -> None:
    name = fresh_name("id")
    spoken_to(client, certified.address("ELSEWHERE"), authority, name, check_hostname=False)
    with pytest.raises(LogError, match=r"(?i)certificate"):
        spoken_to(client, certified.address("EXPIRED"), authority, name, check_hostname=False)
