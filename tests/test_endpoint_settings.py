"""The settings of the endpoint: what would let strangers in, or contradicts itself, is refused before anything listens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from worker.configuration import load
from worker.endpoint_settings import EndpointSettings
from worker.errors import ClickscoreError

TOKEN = "planted-secret-0123456789"
TLS = {"tls_certificate_file": "server.pem", "tls_key_file": "server.key"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]"])
def test_the_loopback_demands_nothing(host: str) -> None:
    assert EndpointSettings(host=host).on_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "worker-1.example", "localhost.example"])
def test_an_open_address_demands_a_token_or_mutual_tls(host: str) -> None:
    with pytest.raises(ValidationError, match="can be reached from other machines: give token"):
        EndpointSettings(host=host)
    with pytest.raises(ValidationError, match="can be reached"):  # TLS alone says who serves, not who asks
        EndpointSettings(host=host, **TLS)
    for given in ({"token": TOKEN}, {"token_file": "token"}, {**TLS, "tls_client_ca_file": "ca.pem"}, {"port": 0}):
        assert not EndpointSettings(host=host, **given).on_loopback


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tls_key_file": "k.pem"}, "belong together"),
        ({"tls_client_ca_file": "ca.pem"}, "needs tls_certificate_file"),
        ({"token": TOKEN, "token_file": "token"}, "give one of them"),
        ({"token": "short"}, "at least 16"),
        ({"token": "0123456789abcdef\n"}, "made of letters"),
        ({"token": "0123456789 abcdef"}, "made of letters"),
    ],
)
def test_what_contradicts_itself_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EndpointSettings(**changed)


@pytest.mark.parametrize(
    "text",
    [
        f'token = ["{TOKEN}"]',
        f'token = {{ value = "{TOKEN}" }}',
        f'token = "{TOKEN} "',
        f'token = "{TOKEN}"\ntoken_file = "f"',
        f'token = "{TOKEN}"\nhost = "a/b"',
        "token = 12345678901234567890",
        f'token = "{TOKEN}"\nport = "x"',
    ],
)
def test_a_refusal_never_shows_the_token(tmp_path: Path, text: str) -> None:
    file = tmp_path / "clickscore.toml"
    file.write_text(f"[endpoint]\n{text}\n")
    with pytest.raises(ClickscoreError) as refused:
        load(file, environ={})
    said = "\n".join(map(str, refused.value.problems)) + str(refused.value) + repr(refused.value)
    assert "endpoint" in said
    assert "planted-secret" not in said
    assert "1234567890" not in said


def test_the_token_is_not_in_the_settings_as_text() -> None:
    assert TOKEN not in repr(EndpointSettings(token=TOKEN))
