"""Clients as tests need them: raw bytes over a socket, and a server of nothing but itself."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from worker.endpoints.requests import Request
from worker.endpoints.server import Answer, Limits, Respond, Server, listening

DEADLINE_S = 20.0  # only reached when something is broken


def path_told(request: Request, certified: bool) -> Answer:
    """Answers with what was understood."""
    return Answer(200, f"{request.method} {request.path} {certified}".encode())


@contextmanager
def serving(respond: Respond = path_told, limits: Limits | None = None, tls: ssl.SSLContext | None = None) -> Iterator[tuple[Server, list[Exception]]]:
    """A server on a free port of the loopback, and the failures that it has told."""
    failures: list[Exception] = []
    server = Server(listening("127.0.0.1", 0), respond, failures.append, lambda: None, tls, limits)
    server.start()
    try:
        yield server, failures
    finally:
        server.close()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), DEADLINE_S)


def exchange(port: int, data: bytes, tls: ssl.SSLContext | None = None) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, and read until the server closes: status, fields (small names) and body; status 0 where nothing came."""
    client = connected(port)
    if tls:
        client = tls.wrap_socket(client, server_hostname="localhost")
    with client:
        client.sendall(data)
        received = until_closed(client)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]) if received else 0, fields, body


def until_closed(client: socket.socket) -> bytes:
    """All that the server sends; a reset ends it too."""
    received = b""
    try:
        while data := client.recv(1 << 16):
            received += data
    except ConnectionError:
        pass
    return received


def get(port: int, path: str, tls: ssl.SSLContext | None = None, method: str = "GET", **fields: str) -> tuple[int, dict[str, str], bytes]:
    """A request as a well-behaved client sends it; `fields` with _ for -."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in {"Host": f"127.0.0.1:{port}", **fields}.items())]
    return exchange(port, "\r\n".join([*lines, "", ""]).encode(), tls)
