"""A TCP proxy before a broker that makes network faults at a chosen request: cut, stall, delay, refuse.

It knows where Kafka's frames begin and what their headers say, and nothing of their bodies. A broker tells its clients where to connect, so it needs a
listener that advertises this proxy (the fixture `broker` has one); whoever then bootstraps from `proxy.address` comes through here with everything.

Source: Kafka protocol guide (request header: api_key int16, api_version int16, correlation_id int32, client_id nullable string; a frame is its size as
int32, then that many bytes; an answer begins with the correlation id of its request).
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, NamedTuple

from worker.demo.broker.process import bound_socket
from worker.demo.broker.properties import LOOPBACK

PATIENCE_S = 30.0  # only reached when something is broken
FOREVER = 1 << 62

Place = Literal["request", "answer"]


class Api(IntEnum):
    """The requests that tests name, by their key in the protocol guide."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    INIT_PRODUCER_ID = 22
    OFFSET_FOR_LEADER_EPOCH = 23
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


class Request(NamedTuple):
    """The header of one request, as it passed. `api` is the plain key where Api has no name for it."""

    api: int
    version: int
    correlation: int
    client: str


@dataclass(eq=False)
class Rule:
    """One fault. It acts on the n-th matching request since it was made (or on that request's answer), and on the following ones up to `times`.

    `api` None and `client` "" match all; `client` is looked for within the client's id.
    """

    action: Literal["cut", "stall", "delay"]
    place: Place
    api: Api | None = None
    nth: int = 1
    times: int = 1
    client: str = ""
    delay_s: float = 0.0
    matched: int = 0
    fired: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def takes(self, request: Request) -> bool:
        """Count a request that this rule is about; returns whether it is one to act on."""
        if self.released.is_set() or (self.api is not None and self.api != request.api) or self.client not in request.client:
            return False
        self.matched += 1
        return self.nth <= self.matched < self.nth + self.times

    def wait(self) -> None:
        """Until it has acted for the first time: the connection is cut, or the bytes are held."""
        assert self.fired.wait(PATIENCE_S), f"no request came that this rule is about: {self}"

    def release(self) -> None:
        """Let go what a stall holds, in order, and act no more."""
        self.released.set()


class Proxy:
    """Listens on `address` from the beginning, and forwards to `target` (HOST:PORT) as soon as that is set."""

    def __init__(self) -> None:
        self.target = ""
        self.requests: list[Request] = []  # all that came since the last reset, those cut off included
        self._rules: list[Rule] = []
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        listening = bound_socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port: int = listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._do(self._listen(listening))

    @property
    def address(self) -> str:
        """HOST:PORT to bootstrap from."""
        return f"{LOOPBACK}:{self._port}"

    def cut(self, api: Api | None = None, *, place: Place = "request", nth: int = 1, times: int = 1, client: str = "") -> Rule:
        """Close the connection at both ends instead of forwarding the request, or instead of forwarding the answer that the broker gave to it."""
        return self._add(Rule("cut", place, api, nth, times, client))

    def stall(self, api: Api | None = None, *, place: Place = "request", nth: int = 1, times: int = FOREVER, client: str = "") -> Rule:
        """Hold the request, or its answer, and all that comes behind it on the same connection and way, until release()."""
        return self._add(Rule("stall", place, api, nth, times, client))

    def delay(self, delay_ms: float, api: Api | None = None, *, place: Place = "request", nth: int = 1, times: int = FOREVER, client: str = "") -> Rule:
        """Forward the request, or its answer, so much later; what comes behind it on the same connection and way waits as well."""
        return self._add(Rule("delay", place, api, nth, times, client, delay_ms / 1_000))

    def refuse(self) -> None:
        """Refuse new connections; those that are open stay."""
        self._do(self._refuse())

    def accept(self) -> None:
        """Take new connections again."""
        self._do(self._listen())

    def cut_all(self) -> None:
        """Close all connections that are open now."""
        self._do(self._cut_all())

    def seen(self, api: Api, client: str = "") -> int:
        """How many requests of a kind came since the last reset."""
        return sum(request.api == api and client in request.client for request in tuple(self.requests))

    def reset(self) -> None:
        """Forget all rules and requests, close all connections (what a stall holds is lost with them), and accept new ones."""
        self._rules = []
        self.cut_all()
        self.accept()
        self.requests = []

    def close(self) -> None:
        """Close everything and end the thread."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    # ---- in the proxy's thread

    def _add(self, rule: Rule) -> Rule:
        self._rules = [*self._rules, rule]  # the thread goes on with the list that it has begun
        return rule

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _listen(self, listening: socket.socket | None = None) -> None:
        if self._server is not None:
            return
        if listening is None:
            self._server = await asyncio.start_server(self._serve, LOOPBACK, self._port, reuse_address=True)
        else:
            self._server = await asyncio.start_server(self._serve, sock=listening)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end(self) -> None:
        await self._refuse()
        for _ in range(3):  # so long it may take until a connection that came just now is one of ours
            await self._cut_all()
            await asyncio.sleep(0)

    async def _cut_all(self) -> None:
        ended = [connection.task for connection in self._connections]
        for connection in tuple(self._connections):
            connection.cut()
        await asyncio.gather(*ended, return_exceptions=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Known from the start: a task that is cancelled before its first step closes nothing."""
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        connection.task.add_done_callback(lambda _: self._connections.discard(connection))

    def came(self, request: Request) -> list[Rule]:
        """Note a request; returns the rules that act on it or on its answer."""
        self.requests.append(request)
        return [rule for rule in self._rules if rule.takes(request)]


class _Connection:
    """One client's connection and the one to the broker behind it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._reader, self._writers = proxy, reader, [writer]
        self.task = asyncio.get_running_loop().create_task(self._run())
        self._at_answers: dict[int, list[Rule]] = {}  # by correlation id

    async def _run(self) -> None:
        """Forward both ways until one end closes, or a rule cuts."""
        ways: list[asyncio.Task[None]] = []
        host, _, port = self._proxy.target.rpartition(":")
        try:
            answers, to_broker = await asyncio.open_connection(host, int(port or 0))
            self._writers.append(to_broker)
            ways = [asyncio.create_task(self._forward_requests(to_broker)), asyncio.create_task(self._forward_answers(answers))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass  # the broker is not there, or cut_all() was called: the client sees its connection end
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for writer in self._writers:
                writer.close()  # what one end sent before it closed still reaches the other

    def cut(self) -> None:
        """End it from outside."""
        self._abort()
        self.task.cancel()

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _forward_requests(self, to_broker: asyncio.StreamWriter) -> None:
        while True:
            frame = await _frame(self._reader)
            request = _header(frame)
            rules = self._proxy.came(request)
            at_answer = [rule for rule in rules if rule.place == "answer"]
            if at_answer:
                self._at_answers[request.correlation] = at_answer
            await self._act([rule for rule in rules if rule.place == "request"])
            to_broker.write(frame)
            await to_broker.drain()

    async def _forward_answers(self, answers: asyncio.StreamReader) -> None:
        to_client = self._writers[0]
        while True:
            frame = await _frame(answers)
            (correlation,) = struct.unpack_from(">i", frame, 4)
            await self._act(self._at_answers.pop(correlation, []))
            to_client.write(frame)
            await to_client.drain()

    async def _act(self, rules: list[Rule]) -> None:
        for rule in rules:
            if rule.action == "cut":
                self._abort()
                rule.fired.set()
                raise ConnectionAbortedError
            rule.fired.set()
            if rule.action == "delay":
                await asyncio.sleep(rule.delay_s)
            while rule.action == "stall" and not rule.released.is_set():
                await asyncio.sleep(0.002)  # an asyncio.Event could not be set from a test's thread


async def _frame(stream: asyncio.StreamReader) -> bytes:
    """One frame with its size in front. Raises IncompleteReadError at the stream's end."""
    size = await stream.readexactly(4)
    return size + await stream.readexactly(struct.unpack(">i", size)[0])


def _header(frame: bytes) -> Request:
    api, version, correlation, length = struct.unpack_from(">hhih", frame, 4)
    return Request(int(api), int(version), int(correlation), frame[14 : 14 + max(0, length)].decode("utf-8", "replace"))
