"""One exchange with real servers that are slow, refuse, cut the connection and lead elsewhere."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import socket
import threading

import pytest

from tests.delivery.receivers import LOOPBACK, Cut, Receiver, Reply, receiver, unused_port
from worker.delivery.sending.answers import Answer, Meaning, blamed_items, meaning
from worker.delivery.sending.exchange import BODY_BYTES, IDLE_S, Exchange

ALLOWED = [ipaddress.ip_network(LOOPBACK)]


def exchange_with(one: Receiver, timeout_s: float = 30.0) -> Exchange:
    return Exchange(one.url, ALLOWED, timeout_s)


def test_a_request_arrives_as_it_was_written_and_the_connection_is_kept() -> None:
    with receiver(lambda *_: Reply(200, (("Retry-After", "3"),), b'{"ok": 1}')) as one:
        exchange = exchange_with(one)
        answers = [exchange.post({"x-shop": "7", "content-type": "application/json"}, b"body") for _ in range(3)]
        assert answers == [Answer(200, "3", b'{"ok": 1}')] * 3
        first = one.received[0]
        assert (first.path, first.body, first.headers["x-shop"], first.headers["content-type"]) == ("/hook?shop=1", b"body", "7", "application/json")
        assert first.headers["user-agent"].startswith("clickscore/")
        assert one.connections == 1
        exchange.close()


def test_a_connection_that_is_cut_before_the_answer_is_a_failure() -> None:
    with receiver(lambda *_: Reply(200, cut="before")) as one:
        answer = exchange_with(one).post({}, b"x")
        assert (answer.trouble, meaning(answer)) == ("connection cut", "failed")


@pytest.mark.parametrize("cut", ["in headers", "in body"])
def test_an_answer_that_is_cut_after_its_status_keeps_it(cut: Cut) -> None:
    with receiver(lambda *_: Reply(202, body=b"half", cut=cut)) as one:
        exchange = exchange_with(one)
        assert [exchange.post({}, b"x").status for _ in range(2)] == [202, 202]
        assert one.connections == 2


def test_a_kept_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    with receiver(lambda number, _: Reply(cut="before" if number == 1 else "")) as one:
        exchange = exchange_with(one)
        assert [exchange.post({}, b"x").status for _ in range(2)] == [204, 204]
        assert [request.connection for request in one.received] == [1, 1, 2]
        exchange.close()


def test_a_connection_that_lay_idle_for_long_is_not_used_again() -> None:
    with receiver() as one:
        now_s = [100.0]
        exchange = Exchange(one.url, ALLOWED, 30.0, clock_s=lambda: now_s[0])
        exchange.post({}, b"x")
        now_s[0] += IDLE_S + 1
        assert exchange.post({}, b"x").status == 204
        assert one.connections == 2
        exchange.close()


def test_a_refused_connection_is_a_failure() -> None:
    kept, port = unused_port()
    with kept:
        answer = Exchange(f"http://127.0.0.1:{port}/", ALLOWED, 30.0).post({}, b"x")
    assert answer.trouble == "no connection: Connection refused"


def test_a_slow_answer_ends_at_the_time_limit() -> None:
    with receiver(lambda *_: Reply(held=True)) as one:
        assert exchange_with(one, timeout_s=0.2).post({}, b"x").trouble == "no answer in time"
        assert len(one.received) == 1


def test_an_answer_that_drips_ends_at_the_time_limit_too() -> None:
    """Every single part comes in time; the whole does not. The clock of the limit moves with each part, nobody waits."""
    listener = socket.create_server(("127.0.0.1", 0))
    dripping = threading.Thread(target=drip, args=(listener,))
    dripping.start()
    clock = itertools.count(0.0, 0.5)
    answer = Exchange(f"http://127.0.0.1:{listener.getsockname()[1]}/", ALLOWED, 20.0, clock_s=lambda: next(clock)).post({}, b"x")
    dripping.join()
    listener.close()
    assert answer.trouble == "no answer in time"


def drip(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        for _ in range(200_000):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def test_redirects_are_not_followed() -> None:
    with receiver() as inner, receiver(lambda *_: Reply(307, (("Location", inner.url),))) as outer:
        answer = exchange_with(outer).post({}, b"x")
        assert (answer.status, meaning(answer)) == (307, "failed")
        assert inner.connections == 0


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    with receiver(lambda *_: Reply(200, body=b"y" * (3 * BODY_BYTES))) as one:
        exchange = exchange_with(one)
        assert len(exchange.post({}, b"x").body) == BODY_BYTES
        assert exchange.post({}, b"x").status == 200
        assert one.connections == 2


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        *((Answer(status), "delivered") for status in (200, 201, 202, 204, 299)),
        *((Answer(status), "refused") for status in (400, 404, 405, 410, 413, 415, 422)),
        *((Answer(status), "failed") for status in (0, 301, 302, 307, 308, 401, 403, 408, 425, 500, 502, 503, 504, 600)),
        (Answer(429), "throttled"),
        (Answer(429, "5"), "throttled"),
        (Answer(503, "5"), "throttled"),
    ],
)
def test_what_an_answer_means(answer: Answer, means: Meaning) -> None:
    assert meaning(answer) == means


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"errors": 1}', b'{"errors": [1, {}, {"index": true}, {"index": "1"}]}'])
def test_an_answer_that_blames_nobody(body: bytes) -> None:
    assert blamed_items(Answer(201, body=body), ("errors", "index")) == {}


def test_an_answer_of_success_may_blame_single_items() -> None:
    answer = Answer(201, body=b'{"errors": [{"type": "bad", "input_array": "events", "index": 3}]}')
    assert set(blamed_items(answer, ("errors", "index"))) == {3}
    assert blamed_items(answer, None) == {}
