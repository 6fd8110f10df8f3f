"""Which addresses may be called: public ones, and those of networks that are allowed. An IPv6 address that stands for an IPv4 one is judged as that."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Addresses that machines of clouds ask for their own secrets, where no private range holds them.
METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "fd00:ec2::254", "100.100.100.200", "192.0.0.192")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")  # IPv4-compatible, long given up


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
