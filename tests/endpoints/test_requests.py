"""The reader of request heads: what it takes, what it refuses, and that nothing else ever comes out of it."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.endpoints.requests import LONGEST_HEAD, METHODS, MOST_FIELDS, Refused, parse

PIECES = [
    *(b"GET ", b"HEAD ", b"POST ", b"/", b"/metrics", b"http://h/", b"?q=1", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/9.9"),
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\t", b"\xff", b"a" * 3_000),
    *(b"Host: a", b"Host:", b"Content-Length: 0", b"Content-Length: 9", b"Transfer-Encoding: chunked", b"Authorization: Bearer x"),
]


def test_a_request_is_read() -> None:
    request = parse(b"GET /metrics?x=1 HTTP/1.1\r\nHost: here:9108\r\nAccept: a\r\naccept:  b \r\nX-Odd: caf\xe9\r\n\r\n")
    assert (request.method, request.path) == ("GET", "/metrics")
    assert request.fields == {"host": "here:9108", "accept": "a, b", "x-odd": "café"}
    assert parse(b"HEAD / HTTP/1.0\r\n\r\n").fields == {}


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
        (b"GET http://there/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),  # TLS
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 405),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        (b"GET /" + b"a" * 3_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (MOST_FIELDS + 1) + b"\r\n", 431),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
    ],
)
def test_what_is_no_request_is_refused_with_its_status(head: bytes, status: int) -> None:
    with pytest.raises(Refused) as refused:
        parse(head)
    assert refused.value.status == status
    assert refused.value.why


@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join)).map(lambda head: head + b"\r\n\r\n"))
@example(b"GET / HTTP/1.1\r\nHost: a" + b"\r\n\r\n")
def test_whatever_comes_is_a_sound_request_or_refused(head: bytes) -> None:
    with contextlib.suppress(Refused):
        request = parse(head[:LONGEST_HEAD])
        assert request.method in METHODS
        assert request.path.startswith("/")
        assert "?" not in request.path
        assert all(re.fullmatch(r"[\x21-\x7e]+", text) for text in (request.path, *request.fields))
        assert not any(char in value for value in request.fields.values() for char in "\r\n\0")
        assert request.fields.get("content-length", "0") == "0"
