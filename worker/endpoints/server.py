"""The connections: one thread with an event loop, and a bound on everything that a client could grow or draw out.

Why not http.server: it gives every connection a thread, and reads for as long as a client writes. Here a connection costs a task of a few KiB:
- one request a connection, a head of at most LONGEST_HEAD bytes, no body; one deadline for TLS and the head, one for the answer
- at most `connections` at a time; when one more comes, the one that has been asking for longest gives its place up: slow clients lock nobody out
- at most `rate` connections a second are taken up; others wait in the kernel's queue, so that a flood leaves the interpreter to the scorer
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from worker.endpoints.requests import LONGEST_HEAD, METHODS, Refused, Request, parse
from worker.errors import ClickscoreError

LINGER_S, LINGER_BYTES = 0.5, 1 << 18  # what a client still sends is read for so long, or it would lose the answer to a reset
ENDING_S = 2.0
REGULARLY_S = 2.0


class PortTaken(ClickscoreError):
    """The endpoint cannot listen where it was asked to."""

    exit_code = 78


# Everything comes from here and from nowhere else, nothing may be framed, guessed at, kept or told to others.
POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "connect", "img")),
        *(f"{what} 'none'" for what in ("base-uri", "form-action", "frame-ancestors", "trusted-types")),
        "require-trusted-types-for 'script'",
    )
)
SECURITY_FIELDS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may use."""

    connections: int = 32
    rate: float = 100.0  # connections a second, after a burst of as many as may be open
    asking_s: float = 5.0  # from accepting to the end of the request's head
    answering_s: float = 10.0  # until the client has taken the answer


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, what is sent, and how it is to be read. `fields` are sent as they are."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    fields: tuple[tuple[str, str], ...] = ()


Respond = Callable[[Request, bool], Answer]  # the bool: whether the client showed a certificate that holds


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens at this address. Raises PortTaken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        what = f"the endpoint cannot listen: {getattr(error, 'strerror', None) or error}"
        raise PortTaken(what, f"{host}:{port}", "stop what listens there, or choose another port with --endpoint-port (0 serves nothing)") from None
    listener.setblocking(False)
    return listener


class Server:
    """Answers requests on a listening socket from start() to close(). `respond` runs in the server's own thread and must be quick."""

    def __init__(
        self,
        listener: socket.socket,
        respond: Respond,
        failed: Callable[[Exception], None],
        regularly: Callable[[], None],
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._listener = listener
        self._respond = respond
        self._failed = failed
        self._regularly = regularly  # called in the server's thread every REGULARLY_S
        self._tls = tls
        self._limits = limits or Limits()
        self._open: dict[asyncio.Task[None], socket.socket] = {}  # in the order in which they came
        self._asking: dict[asyncio.Task[None], None] = {}  # those of them that have not asked yet
        self._next_s = 0.0  # when the pace takes up one more connection
        self._loop = asyncio.new_event_loop()
        self._running: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="endpoint", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Free the port; whoever is still connected is dropped."""
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    # ---- the server's own thread

    def _run(self) -> None:
        try:
            self._loop.call_soon(self._again)
            self._running = self._loop.create_task(self._accept())
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._running)
            if left := list(self._open):
                for task in left:
                    task.cancel()
                self._loop.run_until_complete(asyncio.wait(left, timeout=ENDING_S))
        finally:
            self._listener.close()
            self._loop.close()

    def _stop(self) -> None:
        if self._running:
            self._running.cancel()

    def _again(self) -> None:
        self._loop.call_later(REGULARLY_S, self._again)
        try:
            self._regularly()
        except Exception as error:  # noqa: BLE001 - as for an answer
            self._failed(error)

    async def _accept(self) -> None:
        while True:
            try:
                connection = await self._next()
            except OSError as error:  # no more file descriptors, or the client is gone already
                self._failed(error)
                await asyncio.sleep(0.1)
                continue
            try:
                await self._make_room()
            except asyncio.CancelledError:
                connection.close()
                raise
            task = self._loop.create_task(self._serve(connection))
            self._open[task], self._asking[task] = connection, None
            task.add_done_callback(self._ended)
            await self._pace()

    async def _next(self) -> socket.socket:
        """The next connection. Taken without awaiting anything: loop.sock_accept() loses one that comes while the server is being closed."""
        while True:
            with contextlib.suppress(BlockingIOError):
                return self._listener.accept()[0]
            readable = asyncio.Event()
            self._loop.add_reader(self._listener, readable.set)
            try:
                await readable.wait()
            finally:
                self._loop.remove_reader(self._listener)

    async def _make_room(self) -> None:
        """Let go whoever has been asking for longest, else whoever is here for longest, until one more may come."""
        while len(self._open) >= self._limits.connections:
            next(iter(self._asking or self._open)).cancel()
            await asyncio.wait(list(self._open), return_when=asyncio.FIRST_COMPLETED)

    async def _pace(self) -> None:
        """Wait until the next connection may be taken up."""
        now_s, step_s = self._loop.time(), 1 / self._limits.rate
        self._next_s = max(self._next_s, now_s - step_s * self._limits.connections) + step_s
        if self._next_s > now_s:
            await asyncio.sleep(self._next_s - now_s)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._open.pop(task).close()  # a task that was let go before its first step has not done so
        self._asking.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            self._failed(error if isinstance(error, Exception) else RuntimeError(str(error)))

    async def _serve(self, connection: socket.socket) -> None:
        """One connection: its request, its answer, its end."""
        reader = asyncio.StreamReader(limit=LONGEST_HEAD, loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        connection.setblocking(False)
        transport: asyncio.Transport | None = None
        # A client that goes away, or talks what is no TLS, is nobody's fault.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            try:
                async with asyncio.timeout(self._limits.asking_s):
                    bounds = {"ssl_handshake_timeout": self._limits.asking_s, "ssl_shutdown_timeout": LINGER_S} if self._tls else {}
                    transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls, **bounds)
                    transport.set_write_buffer_limits(1, 0)  # drain() is to wait until the kernel has all of it; TLS never goes on from 0
                    writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
                    answer, method = await self._answer(reader, transport)
                self._asking.pop(asyncio.current_task(), None)  # type: ignore[arg-type]
                async with asyncio.timeout(self._limits.answering_s):
                    writer.write(wire(answer, method))
                    await writer.drain()
                    await self._linger(reader, writer)
            finally:
                if transport is None:
                    connection.close()
                else:
                    transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, transport: asyncio.Transport) -> tuple[Answer, str]:
        try:
            request = parse(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.LimitOverrunError:
            return refusal(Refused(431, "the head of the request is too long")), "GET"
        except Refused as refused:
            return refusal(refused), "GET"
        try:
            return self._respond(request, bool(transport.get_extra_info("peercert"))), request.method
        except Refused as refused:
            return refusal(refused), request.method
        except Exception as error:  # noqa: BLE001 - a fault of one answer must not end the thread
            self._failed(error)
            return Answer(500, b"this could not be answered: the worker's log says why\n"), request.method

    async def _linger(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Wait until the client has stopped sending, or has sent too much."""
        if not writer.can_write_eof():  # TLS says goodbye by itself
            writer.close()
            await writer.wait_closed()
            return
        writer.write_eof()
        left = LINGER_BYTES
        async with asyncio.timeout(LINGER_S):
            while left > 0 and (data := await reader.read(1 << 14)):
                left -= len(data)


def refusal(refused: Refused) -> Answer:
    """What a client is told whose request is not answered."""
    fields = (("Allow", ", ".join(METHODS)),) if refused.status == 405 else ()
    return Answer(refused.status, f"{refused.why}\n".encode(), fields=fields)


def wire(answer: Answer, method: str) -> bytes:
    """An answer as it is sent; to HEAD without its body."""
    head = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in SECURITY_FIELDS + answer.fields),
    ]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + (b"" if method == "HEAD" else answer.body)
