"""Who is let in: tokens, certificates, and this machine alone where there is neither."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest

from tests.endpoints.clients import exchange, get, serving
from tests.kafka.certificates import Authority, OpensslMissing
from tests.machine import had
from worker.endpoint_settings import EndpointSettings
from worker.endpoints.access import Access, AccessUnusable, tls_context
from worker.endpoints.requests import Request
from worker.endpoints.server import Answer, Limits, Respond

TOKEN = "planted-secret-0123456789"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return had("openssl", lambda: Authority(tmp_path_factory.mktemp("endpoint_certificates")), OpensslMissing)


def guarded(settings: EndpointSettings) -> Respond:
    access = Access(settings)
    return lambda request, certified: access.refusal(request, certified) or Answer(200, b"in")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("by", ["token", "file"])
def test_a_token_lets_in_as_bearer_and_as_password(tmp_path: Path, by: str) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    settings = EndpointSettings(token=TOKEN) if by == "token" else EndpointSettings(token_file=str(file))
    with serving(guarded(settings)) as (server, _):
        for shown in (f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(f"anyone:{TOKEN}"), basic(f":{TOKEN}")):
            assert get(server.port, "/", Authorization=shown)[::2] == (200, b"in")
        for wrong in (
            "",
            "Bearer",
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            TOKEN,
            f"Digest {TOKEN}",
            basic(TOKEN),
            "Basic ====",
            "Basic \xff",
            f"Bearer {TOKEN} x",
        ):
            status, fields, body = get(server.port, "/", Authorization=wrong)
            assert status == 401
            assert "www-authenticate" in fields
            assert b"planted-secret" not in body
        assert get(server.port, "/")[0] == 401
        # a name that means this machine is not asked for where a token is
        assert get(server.port, "/", Host="shop.example", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_without_a_token_a_page_elsewhere_cannot_read_through_a_browser_here() -> None:
    with serving(guarded(EndpointSettings())) as (server, _):
        for host in ("localhost:9108", "127.0.0.1", "[::1]:9108", "LOCALHOST"):
            assert get(server.port, "/", Host=host)[0] == 200
        for host in ("evil.example", "127.0.0.1.evil.example:9108", "", "[::2]", "10.0.0.1"):
            assert get(server.port, "/", Host=host)[0] == 421


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"", "at least 16"), (b"short", "at least 16"), (b"\xff" * 20, "no text"), (b"a b" * 9, "made of")]
)
def test_a_token_file_that_cannot_be_used_is_said_without_what_is_in_it(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AccessUnusable, match=words) as refused:
        Access(EndpointSettings(token_file=str(file)))
    assert "a ba b" not in str(refused.value)


def test_mutual_tls_lets_certified_clients_in_and_refuses_others(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> None:
    own, client = authority.issue("localhost"), authority.issue("client")
    strangers = Authority(tmp_path_factory.mktemp("strangers"), "strangers").issue("client")
    files = {"tls_certificate_file": str(own.certificate_file), "tls_key_file": str(own.key_file), "tls_client_ca_file": str(authority.certificate_file)}
    settings = EndpointSettings(**files)
    patient = Limits(asking_s=60, answering_s=60)  # whoever waits for one of these waits beyond the client's own deadline
    with serving(guarded(settings), patient, tls_context(settings)) as (server, failures):
        trusting = ssl.create_default_context(cafile=str(authority.certificate_file))
        assert get(server.port, "/", trusting)[0] == 403
        trusting.load_cert_chain(client.certificate_file, client.key_file)
        assert get(server.port, "/", trusting)[::2] == (200, b"in")
        untrusted = ssl.create_default_context(cafile=str(authority.certificate_file))
        untrusted.load_cert_chain(strangers.certificate_file, strangers.key_file)
        try:
            status = get(server.port, "/", untrusted)[0]
        except ssl.SSLError:  # with TLS 1.3 the refusal arrives with the first answer, or instead of it
            status = 0
        assert status == 0
        assert exchange(server.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] in (0, 400)  # no TLS at all
        assert get(server.port, "/", trusting)[0] == 200
        assert not failures


def test_tls_that_cannot_be_set_up_is_said(authority: Authority, tmp_path: Path) -> None:
    own, other = authority.issue("localhost"), authority.issue("other", password="pass-phrase")
    for certificate, key in ((own.certificate_file, other.key_file), (own.certificate_file, tmp_path / "none"), (own.key_file, own.key_file)):
        with pytest.raises(AccessUnusable, match="TLS cannot be set up"):
            tls_context(EndpointSettings(tls_certificate_file=str(certificate), tls_key_file=str(key)))


def test_the_loopback_is_read_by_whoever_asks_for_it_by_name() -> None:
    assert Access(EndpointSettings()).refusal(Request("GET", "/", {}), False) is None
