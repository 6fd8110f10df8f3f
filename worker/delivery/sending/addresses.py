"""Which addresses may be called: public ones, and those of networks that the settings allow.

A name is looked up once, every address it leads to is checked, and the connection goes to an address that was checked: what the name leads to a moment
later (DNS rebinding) does not matter. An IPv6 address that stands for an IPv4 one is judged as that one.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str, int], Sequence[tuple[Any, ...]]]

# Addresses that machines of clouds ask for their own secrets, where no private range holds them.
METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "fd00:ec2::254", "100.100.100.200", "192.0.0.192")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")  # IPv4-compatible, long given up


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


def may_call(text: str, allowed: Sequence[Network]) -> bool:
    """Whether an address is public, or in one of the networks. One with a zone (fe80::1%eth0) is local, and text that is no address is refused."""
    try:
        address = _meant(ipaddress.ip_address(text))
    except ValueError:
        return False
    if any(address in network for network in allowed):
        return True
    return address.is_global and not address.is_multicast and address not in METADATA


def is_private_literal(host: str, allowed: Sequence[Network]) -> bool:
    """Whether a URL's host is itself an address that may not be called; a name is found out when it is looked up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return not may_call(host, allowed)


def _meant(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and (address in _NAT64 or address in _COMPATIBLE) and int(address) > 1:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner or address
