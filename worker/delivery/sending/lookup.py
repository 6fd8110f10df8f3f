"""From a host's name to addresses that may be called.

A name is looked up once, every address it leads to is checked, and the connection goes to an address that was checked: what the name leads to a moment
later (DNS rebinding) does not matter.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from worker.destination.addresses import Network, may_call

Lookup = Callable[[str, int], Sequence[tuple[Any, ...]]]


class AddressRefused(Exception):
    """No address of the host may be called."""


def system_lookup(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    """Ask the system; raises OSError."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def checked_addresses(host: str, port: int, allowed: Sequence[Network], lookup: Lookup = system_lookup) -> list[str]:
    """The addresses of a host that may be called, as the lookup ordered them. Raises AddressRefused where it has others only, OSError where it has none."""
    found = list(dict.fromkeys(str(entry[4][0]) for entry in lookup(host, port)))
    good = [text for text in found if may_call(text, allowed)]
    if not good:
        raise AddressRefused(
            f"{host} leads to {', '.join(found[:4]) or 'no address'}: private, local or reserved, and not among the networks of the destination"
        )
    return good
