"""The connections: whatever clients do, others are answered, and nothing grows."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.endpoints.clients import connected, exchange, get, serving, until_closed
from worker.endpoints.requests import LONGEST_HEAD, Request
from worker.endpoints.server import Answer, Limits, PortTaken, listening

MANY = Limits(connections=8, rate=2_000.0, asking_s=30.0, answering_s=30.0)


def test_get_and_head_are_answered_with_the_fields_that_keep_a_page_safe() -> None:
    with serving() as (server, failures):
        status, fields, body = get(server.port, "/x?y=1")
        assert (status, body) == (200, b"GET /x False")
        head = get(server.port, "/x", method="HEAD")
        assert head == (200, {**fields, "content-length": str(len(b"HEAD /x False")), "date": head[1]["date"]}, b"")
        assert not failures
    assert fields["content-security-policy"].startswith("default-src 'none'; ")
    assert "unsafe" not in fields["content-security-policy"]
    assert (fields["x-content-type-options"], fields["referrer-policy"], fields["cache-control"]) == ("nosniff", "no-referrer", "no-store")
    assert fields["connection"] == "close"


def test_other_methods_are_refused_by_name() -> None:
    with serving() as (server, _):
        status, fields, _ = get(server.port, "/", method="DELETE")
    assert (status, fields["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nx: " + b"a" * LONGEST_HEAD, b"\0" * (2 * LONGEST_HEAD), b"GET /" + b"a" * 100_000])
def test_a_head_that_does_not_end_is_refused_at_its_bound(head: bytes) -> None:
    with serving() as (server, _):
        assert exchange(server.port, head)[0] == 431


def test_a_body_of_megabytes_is_neither_read_nor_hides_the_refusal() -> None:
    with serving() as (server, failures):
        client = connected(server.port)
        sender = threading.Thread(target=_send_quietly, args=(client, b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + bytes(50_000_000)))
        sender.start()
        assert until_closed(client).startswith(b"HTTP/1.1 413 ")
        client.close()
        sender.join()
        assert get(server.port, "/after")[0] == 200
        assert not failures


def _send_quietly(client: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        client.sendall(data)


def test_clients_that_never_finish_asking_lock_nobody_out() -> None:
    with serving(limits=MANY) as (server, failures):
        slow = [connected(server.port) for _ in range(40)]
        for client in slow:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert [get(server.port, "/livez")[0] for _ in range(5)] == [200] * 5
        for client in slow[:20]:  # they have been asking for longest: their places went to others
            assert until_closed(client) == b""
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("endpoint") == 1
        assert not failures
        for client in slow:
            client.close()


def test_clients_that_never_read_their_answer_lock_nobody_out() -> None:
    huge = Answer(200, bytes(30_000_000))
    with serving(lambda request, _: huge if request.path == "/huge" else Answer(200, b"small"), MANY) as (server, failures):
        deaf = [connected(server.port) for _ in range(20)]
        for client in deaf:
            client.sendall(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [get(server.port, "/livez")[2] for _ in range(5)] == [b"small"] * 5
        assert not failures
        for client in deaf:
            client.close()


def test_a_slow_client_is_dropped_at_its_deadline() -> None:
    with serving(limits=Limits(asking_s=0.05)) as (server, failures), connected(server.port) as client:
        client.sendall(b"GET /")
        assert until_closed(client) == b""  # comes back only because the server has closed
        assert not failures


def test_a_fault_in_an_answer_is_told_and_ends_nothing() -> None:
    def broken(request: Request, _: bool) -> Answer:
        if request.path == "/broken":
            raise ZeroDivisionError("planted")
        return Answer(200, b"well")

    with serving(broken) as (server, failures):
        status, _, body = get(server.port, "/broken")
        assert status == 500
        assert b"planted" not in body
        assert [str(error) for error in failures] == ["planted"]
        assert get(server.port, "/")[2] == b"well"


def test_garbage_of_all_kinds_leaves_the_server_as_it_was() -> None:
    with serving(limits=Limits(rate=10_000.0)) as (server, failures):

        @settings(max_examples=60)
        @given(st.one_of(st.binary(max_size=400), st.binary(max_size=60).map(lambda data: b"GET /" + data + b" HTTP/1.1\r\nHost: a\r\n\r\n")), st.booleans())
        def thrown_at_it(data: bytes, wait: bool) -> None:
            with connected(server.port) as client:
                client.sendall(data)
                if wait:
                    with contextlib.suppress(OSError):  # it may have answered and gone
                        client.shutdown(socket.SHUT_WR)
                    answer = until_closed(client)
                    assert not answer or answer.startswith(b"HTTP/1.1 ")

        thrown_at_it()
        assert get(server.port, "/after")[2] == b"GET /after False"
        assert not failures


def test_a_closed_server_frees_its_port_at_once() -> None:
    with serving() as (server, _):
        port = server.port
        waiting = connected(port)
    assert until_closed(waiting) == b""
    waiting.close()
    again = listening("127.0.0.1", port)
    again.close()


def test_a_port_that_is_taken_is_said_with_what_to_do() -> None:
    with serving() as (server, _), pytest.raises(PortTaken, match=rf"127.0.0.1:{server.port}(.|\n)*--endpoint-port"):
        listening("127.0.0.1", server.port)


@pytest.mark.parametrize("host", ["::1", "[::1]", "localhost"])
def test_names_and_the_newer_protocol_are_listened_on_too(host: str) -> None:
    with listening(host, 0) as listener:
        assert listener.getsockname()[1] > 0
