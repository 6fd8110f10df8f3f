"""Access tokens: from a file, from a server, and every way in which that fails."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from worker.log.errors import LogUnavailable
from worker.log.kafka import oauth
from worker.log.kafka.connection import Sasl
from worker.log.kafka.failures import LoginRefused
from worker.log.kafka.oauth import access_token

HOUR_S = 3_600.0


class TokenServer(HTTPServer):
    """Answers every request with `status` and `body`, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status = 200
        self.body: bytes | dict[str, Any] = {"access_token": "abc", "expires_in": 60}
        self.headers: dict[str, str] = {}
        self.piece_waits: threading.Event | None = None
        self.asked: list[tuple[dict[str, str], dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"


class Answering(BaseHTTPRequestHandler):
    server: TokenServer

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append((dict(urllib.parse.parse_qsl(form)), dict(self.headers)))
        body = self.server.body if isinstance(self.server.body, bytes) else json.dumps(self.server.body).encode()
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.piece_waits is not None:
            self.server.piece_waits.wait(30)
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[TokenServer]:
    server = TokenServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    if server.piece_waits is not None:
        server.piece_waits.set()
    server.shutdown()
    thread.join()
    server.server_close()


def sasl(**fields: str) -> Sasl:
    return Sasl("OAUTHBEARER", **fields)


def jwt(**claims: Any) -> str:
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)) + "."


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    assert access_token(sasl(token_file=str(file)))[0] == "first"
    file.write_text("second")
    assert access_token(sasl(token_file=str(file)))[0] == "second"


def test_a_jwt_says_how_long_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "token"
    expiry = time.time() + 1_234.0
    file.write_text(jwt(exp=expiry))
    assert access_token(sasl(token_file=str(file))) == (jwt(exp=expiry), expiry)


@pytest.mark.parametrize("token", ["opaque", "a.b.c", jwt(sub="x"), jwt(exp="never"), jwt(exp=None), jwt(exp=float("nan")), f"x.{'!' * 8}.y", "x.W10.y"])
def test_any_other_token_is_taken_to_hold_an_hour(tmp_path: Path, token: str) -> None:
    file = tmp_path / "token"
    file.write_text(token)
    before = time.time()
    read, expiry = access_token(sasl(token_file=str(file)))
    assert read == token
    assert before + HOUR_S <= expiry <= time.time() + HOUR_S


def test_a_token_that_has_expired_may_be_replaced_yet(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(jwt(exp=1_000))
    with pytest.raises(LogUnavailable, match="expired"):
        access_token(sasl(token_file=str(file)))


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b" \n", "empty"), (b"\xff\xfe", "not text")])
def test_a_file_without_a_token_is_refused_with_its_path(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LoginRefused, match=words) as refused:
        access_token(sasl(token_file=str(file)))
    assert refused.value.problems[0].where == str(file)


def test_neither_file_nor_server_is_refused() -> None:
    with pytest.raises(LoginRefused, match="needs a token"):
        access_token(sasl())


def test_client_credentials_are_sent_as_the_standard_says(server: TokenServer) -> None:
    before = time.time()
    token, expiry = access_token(sasl(token_url=server.url, username="we:us", password="p w+ü", scope="kafka logs"))
    assert token == "abc"
    assert before + 60 <= expiry <= time.time() + 60
    [(form, headers)] = server.asked
    assert form == {"grant_type": "client_credentials", "scope": "kafka logs"}
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    kind, login = headers["Authorization"].split()
    assert (kind, base64.b64decode(login)) == ("Basic", b"we%3Aus:p+w%2B%C3%BC")


def test_without_a_scope_none_is_asked_for(server: TokenServer) -> None:
    access_token(sasl(token_url=server.url))
    assert server.asked[0][0] == {"grant_type": "client_credentials"}


def test_a_server_that_names_no_life_leaves_it_to_the_token(server: TokenServer) -> None:
    expiry = time.time() + 777
    server.body = {"access_token": jwt(exp=expiry)}
    assert access_token(sasl(token_url=server.url))[1] == expiry


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_told_in_the_servers_words(server: TokenServer, status: int) -> None:
    server.status = status
    server.body = {"error": "invalid_client", "error_description": "no such\nclient"}
    with pytest.raises(LoginRefused, match=f"answered {status} .*: invalid_client no such client") as refused:
        access_token(sasl(token_url=server.url, password="secret-word"))
    assert "\n" not in refused.value.problems[0].what
    assert "secret-word" not in str(refused.value)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_server_in_trouble_may_answer_later(server: TokenServer, status: int) -> None:
    server.status = status
    server.body = b"<html>"
    with pytest.raises(LogUnavailable, match=f"answered {status}"):
        access_token(sasl(token_url=server.url))


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"[]", b"7", b"{}"),
        *({"access_token": 7}, {"access_token": " "}, {"access_token": "ü"}),
        *({"access_token": "abc", "expires_in": "soon"}, {"access_token": "abc", "expires_in": []}, {"access_token": "abc", "expires_in": float("inf")}),
    ],
)
def test_an_answer_without_a_token_is_refused(server: TokenServer, body: bytes | dict[str, Any]) -> None:
    server.body = body
    with pytest.raises(LoginRefused, match="holds no access token"):
        access_token(sasl(token_url=server.url))


def test_no_server_may_come_later() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as gone:
        url = f"http://127.0.0.1:{gone.server_port}/"
    with pytest.raises(LogUnavailable, match=r"cannot be reached: .*refused"):
        access_token(sasl(token_url=url))


def test_a_server_that_is_too_slow_is_given_up(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "_WAIT_S", 0.05)
    server.piece_waits = threading.Event()
    with pytest.raises(LogUnavailable, match=r"did not answer in full: .*timed out"):
        access_token(sasl(token_url=server.url))


def test_an_answer_in_drops_is_given_up() -> None:
    class Dripping:
        def read1(self, _size: int) -> bytes:
            return b"x"

    with pytest.raises(TimeoutError, match="not within"):
        oauth._body(Dripping(), time.monotonic() - 1)


def test_an_endless_answer_is_given_up(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "_LARGEST_ANSWER_BYTES", 10)
    with pytest.raises(LogUnavailable, match="too long"):
        access_token(sasl(token_url=server.url))


def test_an_answer_that_breaks_off_may_come_later(server: TokenServer) -> None:
    server.headers = {"Transfer-Encoding": "chunked"}
    server.body = b"ffff\r\n{"
    with pytest.raises(LogUnavailable, match="did not answer in full"):
        access_token(sasl(token_url=server.url))


def test_the_secret_does_not_follow_a_redirect(server: TokenServer) -> None:
    server.status = 302
    server.headers = {"Location": server.url + "/elsewhere"}
    with pytest.raises(LoginRefused, match="answered 302"):
        access_token(sasl(token_url=server.url))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "url", ["http://example.com/token", "ftp://localhost/token", "file:///etc/passwd", "https://", "token", "http://127.0.0.1.example.com/"]
)
def test_the_secret_is_not_sent_in_the_open(url: str) -> None:
    with pytest.raises(LoginRefused, match="over https only"):
        access_token(sasl(token_url=url))


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://127.8.9.1:1/", "http://[::1]:1/"])
def test_http_is_good_enough_on_this_machine(url: str) -> None:
    with pytest.raises(LogUnavailable, match="cannot be reached"):
        access_token(sasl(token_url=url))
