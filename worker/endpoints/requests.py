"""The head of an HTTP request, read strictly (RFC 9112): GET and HEAD without a body, and nothing that two readers could take differently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_HEAD = 8_192  # bytes, request line and header fields
LONGEST_TARGET = 2_048
MOST_FIELDS = 64
METHODS = ("GET", "HEAD")

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/(\d)\.(\d)")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\x20-\x7e\x80-\xff\t]*)")
_ONCE = ("host", "authorization", "content-length")


class Refused(Exception):
    """A request that is not answered: the status that says so, and why in words."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. `path` is without its query and as it came; names of `fields` are small."""

    method: str
    path: str
    fields: Mapping[str, str]


def parse(head: bytes) -> Request:
    """The request of a head that ends with its empty line. Raises Refused."""
    if not head.endswith(b"\r\n\r\n"):
        raise Refused(400, "the head does not end with an empty line")
    first, *lines = head[:-4].split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise Refused(400, "the first line is no request line")
    method, target = line[1].decode("ascii"), line[2].decode("ascii")
    if line[3] != b"1":
        raise Refused(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    if method not in METHODS:
        raise Refused(405, f"only {' and '.join(METHODS)} are answered here")
    if len(target) > LONGEST_TARGET:
        raise Refused(414, "the path is too long")
    if not target.startswith("/"):
        raise Refused(400, "the request's target is no path")
    fields = _fields(lines)
    if line[4] != b"0" and "host" not in fields:
        raise Refused(400, "there is no field Host")
    if "transfer-encoding" in fields or fields.get("content-length", "0") != "0":
        raise Refused(413, "a request here has no body")
    return Request(method, target.partition("?")[0], fields)


def _fields(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > MOST_FIELDS:
        raise Refused(431, "there are too many header fields")
    fields: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Refused(400, "a line is no header field")
        name, value = field[1].decode("ascii").lower(), field[2].decode("latin-1").strip(" \t")
        if name in fields and name in _ONCE:
            raise Refused(400, f"the field {name} is given twice")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields
