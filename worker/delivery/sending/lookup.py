"""From a host's name to addresses that may be called.

A name is looked up once, every address it leads to is checked, and the connection goes to an address that was checked: what the name leads to a moment
later (DNS rebinding) does not matter. The system's resolver takes no time limit, and a thread that waits for it cannot be interrupted; so it is asked on a
thread of its own, and who wants to know waits only as long as there is time.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

from worker.destination.addresses import Network, may_call

Lookup = Callable[[str, int], Sequence[tuple[Any, ...]]]


class AddressRefused(Exception):
    """No address of the host may be called."""


class LookupOverrun(TimeoutError):
    """The resolver has not answered in time."""


def system_lookup(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    """Ask the system; raises OSError."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class LimitedLookup:
    """Looks names up within a time limit. May be called from several threads.

    However long a resolver hangs, one thread waits for it: who asks for the same name meanwhile waits for the same answer.
    """

    def __init__(self, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup
        self._asked: dict[tuple[str, int], _Asked] = {}
        self._lock = threading.Lock()

    def within(self, limit_s: float, host: str, port: int) -> Sequence[tuple[Any, ...]]:
        """What the lookup returns or raises; LookupOverrun where that takes longer than limit_s."""
        with self._lock:
            asked = self._asked.get((host, port))
            if asked is None:
                asked = self._asked[host, port] = _Asked()
                threading.Thread(target=self._ask, args=(asked, host, port), name=f"lookup-{host}", daemon=True).start()
        if not asked.answered.wait(limit_s):
            raise LookupOverrun("timed out")
        if asked.error is not None:
            raise asked.error
        return asked.found

    def _ask(self, asked: _Asked, host: str, port: int) -> None:
        try:
            asked.found = self._lookup(host, port)
        except Exception as error:  # noqa: BLE001 - who asked raises it
            asked.error = error
        with self._lock:
            del self._asked[host, port]
        asked.answered.set()


class _Asked:
    """A name that is being looked up, and what came of it."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.found: Sequence[tuple[Any, ...]] = ()
        self.error: Exception | None = None


def checked_addresses(host: str, port: int, allowed: Sequence[Network], lookup: Lookup = system_lookup) -> list[str]:
    """The addresses of a host that may be called, as the lookup ordered them. Raises AddressRefused where it has others only, OSError where it has none."""
    found = list(dict.fromkeys(str(entry[4][0]) for entry in lookup(host, port)))
    good = [text for text in found if may_call(text, allowed)]
    if not good:
        raise AddressRefused(
            f"{host} leads to {', '.join(found[:4]) or 'no address'}: private, local or reserved, and not among the networks of the destination"
        )
    return good
