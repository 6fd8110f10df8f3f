"""TLS to a destination: only a certificate of a trusted authority, for the name that was asked for, is spoken to."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.receivers import LOOPBACK, Receiver, receiver
from tests.kafka.certificates import Authority, OpensslMissing
from tests.machine import had
from worker.delivery.sending.exchange import Exchange


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return had("openssl", lambda: Authority(tmp_path_factory.mktemp("receivers")), OpensslMissing)


@pytest.fixture
def secure(authority: Authority) -> Iterator[Receiver]:
    """A receiver whose certificate is for 127.0.0.1 and localhost."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = authority.issue("receiver")
    tls.load_cert_chain(certificate.certificate_file, certificate.key_file)
    with receiver(tls=tls) as one:
        yield one


def exchange(url: str, ca_file: Path | str = "") -> Exchange:
    found = [(2, 1, 6, "", ("127.0.0.1", 0))]
    return Exchange(url, [ipaddress.ip_network(LOOPBACK)], 30.0, str(ca_file), lookup=lambda *_: found)


def test_a_trusted_certificate_for_the_name_is_spoken_to(secure: Receiver, authority: Authority) -> None:
    to = exchange(f"https://localhost:{secure.port}/", authority.certificate_file)
    assert [to.post({}, b"x").status for _ in range(2)] == [204, 204]
    assert secure.connections == 1
    to.close()


def test_an_unknown_authority_is_refused(secure: Receiver, tmp_path: Path) -> None:
    for ca_file in ("", Authority(tmp_path, "strangers").certificate_file):
        assert exchange(secure.url, ca_file).post({}, b"x").trouble.startswith("TLS certificate not trusted: ")
    assert secure.received == []


def test_a_certificate_for_another_name_is_refused(secure: Receiver, authority: Authority) -> None:
    answer = exchange(f"https://shop.example:{secure.port}/", authority.certificate_file).post({}, b"x")
    assert "Hostname mismatch" in answer.trouble
    assert secure.received == []


def test_who_speaks_no_tls_is_refused() -> None:
    with receiver() as plain:
        assert exchange(plain.url.replace("http:", "https:")).post({}, b"x").trouble.startswith(("TLS failed", "connection cut"))
        assert plain.received == []
