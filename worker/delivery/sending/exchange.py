"""One HTTP request and its answer, over connections that are kept: to a checked address, TLS verified, redirects not followed, within one time limit.

The limit holds for the whole exchange, however slowly a name is found and a destination takes or answers: every single wait is given only what is left
of it. Python's own HTTP client does all of this on a socket that is handed to it; docs/decisions/0008-delivery.md says why no library was taken.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from worker import __version__
from worker.delivery.sending.answers import Answer
from worker.delivery.sending.lookup import AddressRefused, LimitedLookup, Lookup, LookupOverrun, checked_addresses, system_lookup
from worker.destination.addresses import Network

BODY_BYTES = 65_536  # of an answer's body: what is longer ends the connection
IDLE_S, OLDEST_S = 20.0, 300.0  # a kept connection: many servers close after 30 s; names are looked up again after 5 min
_USER_AGENT = f"clickscore/{__version__}"


class _LimitedSocket:
    """A socket for http.client of which every wait ends at `until_s`."""

    def __init__(self, plain: socket.socket, clock_s: Callable[[], float]) -> None:
        self._socket = plain
        self._clock_s = clock_s
        self.until_s = 0.0

    def left_s(self) -> float:
        left_s = self.until_s - self._clock_s()
        if left_s <= 0:
            raise TimeoutError("timed out")
        return left_s

    def sendall(self, data: Any) -> None:
        self._socket.settimeout(self.left_s())
        self._socket.sendall(data)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self))

    def receive_into(self, buffer: Any) -> int:
        self._socket.settimeout(self.left_s())
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        self._socket.close()


class _Reading(io.RawIOBase):
    """What makefile() gives: closing it leaves the socket open."""

    def __init__(self, limited: _LimitedSocket) -> None:
        self._limited = limited

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._limited.receive_into(buffer)


@dataclass(slots=True)
class _Connection:
    client: http.client.HTTPConnection
    limited: _LimitedSocket
    opened_s: float
    used_s: float


class Exchange:
    """The connections to one destination. May be called from several threads."""

    def __init__(
        self,
        url: str,
        allowed: Sequence[Network],
        timeout_s: float,
        ca_file: str = "",
        lookup: Lookup = system_lookup,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url` was checked (delivery_settings.py). Raises OSError and ssl.SSLError for an authority's file that cannot be read."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._named = parts.netloc
        self._allowed, self._timeout_s, self._lookup, self._clock_s = allowed, timeout_s, LimitedLookup(lookup), clock_s
        self._tls = ssl.create_default_context(cafile=ca_file or None) if self._secure else None
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request, and return what came of it; nothing is raised for what the other side or the network does."""
        until_s = self._clock_s() + self._timeout_s
        try:
            connection = self._kept()
            if connection is not None:
                try:
                    return self._over(connection, headers, body, until_s)
                except (ConnectionError, http.client.BadStatusLine):  # RemoteDisconnected is one: closed while it lay idle, most likely
                    pass
            return self._over(self._connected(until_s), headers, body, until_s)
        except AddressRefused as refusal:
            return Answer(0, trouble=f"address refused: {refusal}")
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            return Answer(0, trouble=_in_words(error))

    def close(self) -> None:
        """Close what lies idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.client.close()

    def _kept(self) -> _Connection | None:
        now_s, stale = self._clock_s(), []
        with self._lock:
            found = None
            while self._idle and found is None:
                connection = self._idle.pop()
                if now_s - connection.used_s < IDLE_S and now_s - connection.opened_s < OLDEST_S:
                    found = connection
                else:
                    stale.append(connection)
        for connection in stale:
            connection.client.close()
        return found

    def _connected(self, until_s: float) -> _Connection:
        addresses = checked_addresses(self._host, self._port, self._allowed, partial(self._lookup.within, max(0.0, until_s - self._clock_s())))
        for number, address in enumerate(addresses, 1):
            left_s = until_s - self._clock_s()
            if left_s <= 0:
                raise TimeoutError("timed out")
            try:
                plain = socket.create_connection((address, self._port), timeout=left_s / (len(addresses) - number + 1))
                break
            except OSError:
                if number == len(addresses):
                    raise
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                plain.settimeout(max(0.001, until_s - self._clock_s()))
                plain = self._tls.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise
        client = http.client.HTTPConnection(self._host, self._port)
        client.auto_open = 0  # it never connects by itself: that would look the name up again, unchecked
        limited = _LimitedSocket(plain, self._clock_s)
        client.sock = limited  # it has the three methods that http.client calls
        now_s = self._clock_s()
        return _Connection(client, limited, now_s, now_s)

    def _over(self, connection: _Connection, headers: Mapping[str, str], body: bytes, until_s: float) -> Answer:
        connection.limited.until_s = until_s
        keep = False
        try:
            all_headers = {"host": self._named, "user-agent": _USER_AGENT, **headers, "content-length": str(len(body))}
            connection.client.request("POST", self._path, body, all_headers)
            response = connection.client.getresponse()
            content = _beginning(response)
            keep = response.isclosed() and not response.will_close
            return Answer(response.status, response.getheader("retry-after"), content)
        finally:
            connection.used_s = self._clock_s()
            if keep:
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.client.close()


def _beginning(response: http.client.HTTPResponse) -> bytes:
    """The body as far as it is of interest; one that was cut is no reason to doubt the status."""
    try:
        return response.read(BODY_BYTES)
    except (http.client.IncompleteRead, OSError):
        return b""


def _in_words(error: BaseException) -> str:
    """What went wrong, in one line without anything that the other side wrote."""
    if isinstance(error, LookupOverrun):
        return "name not looked up in time"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS certificate not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'unknown'}"
    if isinstance(error, http.client.RemoteDisconnected | http.client.IncompleteRead | ConnectionResetError | BrokenPipeError):
        return "connection cut"
    if isinstance(error, socket.gaierror):
        return f"name not found: {error.strerror}"
    if isinstance(error, http.client.HTTPException):
        return "no HTTP answer"
    return f"no connection: {error.strerror or type(error).__name__}" if isinstance(error, OSError) else type(error).__name__
