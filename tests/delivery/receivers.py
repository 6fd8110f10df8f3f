"""Real receivers of webhooks on a port of this machine, that behave as a test writes down."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

LOOPBACK = "127.0.0.1/32"
PATIENCE_S = 30.0  # only reached when something is broken

Cut = Literal["", "before", "in headers", "in body"]


@dataclass(frozen=True, slots=True)
class Reply:
    """`cut`: the connection ends there instead of the answer going on. `held`: the answer waits until the receiver is let go."""

    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    cut: Cut = ""
    held: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int  # which of the receiver's connections it came over

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """Answers 204 unless its script says otherwise: what `answer` returns for a request and its number, counted from 0."""

    def __init__(self, answer: Callable[[int, Received], Reply] = lambda *_: Reply(), tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.received: list[Received] = []
        self.connections = 0
        self.let_go = threading.Event()
        self._under_way, self.most_under_way = 0, 0
        self._changed = threading.Condition()
        self._server = _server_of(self)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/hook?shop=1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def take(self, received: Received) -> Reply:
        with self._changed:
            number = len(self.received)
            self.received.append(received)
            self._under_way += 1
            self.most_under_way = max(self.most_under_way, self._under_way)
            self._changed.notify_all()
        reply = self.answer(number, received)
        if reply.held:
            assert self.let_go.wait(PATIENCE_S)
        with self._changed:
            self._under_way -= 1
        return reply

    def wait_for(self, requests: int) -> None:
        """Until so many requests have come in."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= requests, PATIENCE_S), f"{len(self.received)} of {requests} came"

    def ids(self) -> Counter[str]:
        """How often each message came in."""
        with self._changed:
            return Counter(one.id for one in self.received)

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def receiver(answer: Callable[[int, Received], Reply] = lambda *_: Reply(), tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    one = Receiver(answer, tls)
    try:
        yield one
    finally:
        one.close()


def unused_port() -> tuple[socket.socket, int]:
    """A port that refuses connections for as long as the socket is kept: bound, and nobody listens."""
    kept = socket.socket()
    kept.bind(("127.0.0.1", 0))
    return kept, kept.getsockname()[1]


def _server_of(owner: Receiver) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            owner.connections += 1
            self.number = owner.connections

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            reply = owner.take(Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body, self.number))
            with contextlib.suppress(OSError):  # the sender may have given up
                self._send(reply)

        def _send(self, reply: Reply) -> None:
            if reply.cut == "before":
                self._cut()
                return
            self.wfile.write(b"HTTP/1.1 %d Said So\r\n" % reply.status)
            if reply.cut == "in headers":
                self._cut()
                return
            for name, value in reply.headers:
                self.wfile.write(f"{name}: {value}\r\n".encode())
            more = 10 if reply.cut else 0
            self.wfile.write(b"content-length: %d\r\n\r\n%s" % (len(reply.body) + more, reply.body))
            if reply.cut:
                self._cut()

        def _cut(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

        def handle_error(self, *_: Any) -> None:
            """A sender that goes away is no fault."""

    return Server(("127.0.0.1", 0), Handler)
