"""Which addresses may be called: no private, local, reserved or metadata address unless it was allowed, whatever form it hides in."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from tests.delivery.receivers import receiver
from worker.delivery.sending.exchange import Exchange
from worker.delivery.sending.lookup import AddressRefused, checked_addresses
from worker.destination.addresses import is_private_literal, may_call

REFUSED = """127.0.0.1 127.255.255.254 0.0.0.0 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 169.254.0.1 100.64.0.1 100.100.100.200
    168.63.129.16 192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 233.252.0.1 239.1.1.1 240.0.0.1 255.255.255.255
    :: ::1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1 2001:db8::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1 ::127.0.0.1
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: 2002:a00:1::1 2001:0:4136:e378:8000:63bf:f5ff:fffe not-an-address""".split()
CALLED = "8.8.8.8 1.1.1.1 93.184.215.14 172.32.0.1 2606:4700:4700::1111 2a00:1450:4001:81b::200e ::ffff:8.8.8.8 64:ff9b::808:808".split()


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not may_call(address, ())


@pytest.mark.parametrize("address", CALLED)
def test_public_addresses_are_called(address: str) -> None:
    assert may_call(address, ())


def test_a_network_that_was_allowed_is_called_and_nothing_beside_it() -> None:
    allowed = [ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd12::/32")]
    assert may_call("10.20.3.4", allowed)
    assert may_call("::ffff:10.20.3.4", allowed)
    assert may_call("fd12::1", allowed)
    assert not may_call("10.21.0.1", allowed)
    assert not may_call("127.0.0.1", allowed)


def found(*addresses: str) -> list[tuple[Any, ...]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]


def test_of_a_names_addresses_only_those_are_called_that_may_be() -> None:
    assert checked_addresses("shop.example", 443, (), lambda *_: found("10.0.0.1", "8.8.8.8", "8.8.8.8", "127.0.0.1")) == ["8.8.8.8"]
    with pytest.raises(AddressRefused, match=r"shop\.example leads to 10\.0\.0\.1, 127\.0\.0\.1"):
        checked_addresses("shop.example", 443, (), lambda *_: found("10.0.0.1", "127.0.0.1"))


def test_a_literal_in_a_url_is_known_before_anything_is_sent() -> None:
    assert is_private_literal("169.254.169.254", ())
    assert is_private_literal("::1", ())
    assert not is_private_literal("8.8.8.8", ())
    assert not is_private_literal("localhost", ())


def test_a_name_that_changes_its_mind_is_looked_up_once_and_the_checked_address_is_called() -> None:
    """DNS rebinding: the first answer is allowed, every later one would lead elsewhere."""
    with receiver() as wanted, receiver() as other:
        asked: list[str] = []

        def lookup(host: str, port: int) -> list[tuple[Any, ...]]:
            asked.append(host)
            return found("127.0.0.1" if len(asked) == 1 else "127.0.0.2")

        exchange = Exchange(f"http://shop.example:{wanted.port}/", [ipaddress.ip_network("127.0.0.1/32")], 30.0, lookup=lookup)
        assert exchange.post({}, b"{}").status == 204
        assert asked == ["shop.example"]
        assert wanted.received[0].headers["host"] == f"shop.example:{wanted.port}"
        exchange.close()
        answer = exchange.post({}, b"{}")
        assert answer.status == 0
        assert answer.trouble.startswith("address refused: shop.example leads to 127.0.0.2")
        assert (len(wanted.received), len(other.received)) == (1, 0)


def test_a_name_for_this_machine_is_refused() -> None:
    with receiver() as local:
        answer = Exchange(f"http://localhost:{local.port}/", (), 30.0).post({}, b"{}")
        assert answer.trouble.startswith("address refused")
        assert local.received == []
        assert local.connections == 0
