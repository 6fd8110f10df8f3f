"""Requests to be forgotten (schemas/privacy.schema.json): DELETE, SUPPRESS, UNSUPPRESS, one record each.

The key is the user id, a line feed and the request's id, so that compaction cannot put one request of a user in the place of another that nobody has read.
Who writes requests with a producer of his own may leave the rest out, for the partition to follow from the key as with events: then of two that were not
read yet the latest alone is sure to be. Either way the answer is a tombstone under the key as it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson

SCHEMA = 1
MOST_USER_ID = 256  # characters, as of an event
Kind = Literal["DELETE", "SUPPRESS", "UNSUPPRESS"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_FIELDS = frozenset(("schema", "request", "request_id", "user_id", "time_ms"))
_LATEST_MS = 253_402_300_799_999  # the end of the year 9999


class RequestRefused(ValueError):
    """A record that is no request; the text says why, and has no value of it: it comes into logs."""


@dataclass(frozen=True, slots=True)
class Request:
    """DELETE forgets what is known of a user; SUPPRESS keeps anything from being known from then on, until UNSUPPRESS."""

    kind: Kind
    request_id: str  # the sender's, to find the receipt by
    user_id: str
    time_ms: int  # when it was asked for

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"{self.user_id}\n{self.request_id}".encode()

    @property
    def erases(self) -> bool:
        """Whether what is known of the user goes. SUPPRESS is no less than DELETE: of two requests for a user the first may never be read."""
        return self.kind != "UNSUPPRESS"

    def encode(self) -> bytes:
        """The request as one JSON record."""
        return orjson.dumps({"schema": SCHEMA, "request": self.kind, "request_id": self.request_id, "user_id": self.user_id, "time_ms": self.time_ms})

    @classmethod
    def decode(cls, key: bytes | None, value: bytes) -> Request:
        """Read a record; raises RequestRefused for anything that encode() does not write, and where the key is another user: it decides who acts on it."""
        try:
            record: Any = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise RequestRefused(f"it is not JSON ({error})") from None
        if not isinstance(record, dict) or record.keys() != _FIELDS:
            raise RequestRefused(f"it is not an object with the fields {', '.join(sorted(_FIELDS))}")
        if type(record["schema"]) is not int or record["schema"] != SCHEMA:
            raise RequestRefused(f"schema is not {SCHEMA}, which this program reads")
        if record["request"] not in KINDS:
            raise RequestRefused(f"request is not one of {', '.join(KINDS)}")
        for name, most in (("user_id", MOST_USER_ID), ("request_id", 64)):
            if type(record[name]) is not str or not 1 <= len(record[name]) <= most:
                raise RequestRefused(f"{name} is not a text of 1 to {most} characters")
        if "\n" in record["request_id"]:
            raise RequestRefused("request_id has a line feed")
        if type(record["time_ms"]) is not int or not 0 <= record["time_ms"] <= _LATEST_MS:
            raise RequestRefused("time_ms is not epoch milliseconds")
        request = cls(record["request"], record["request_id"], record["user_id"], record["time_ms"])
        if key not in (request.key, request.user_id.encode()):
            raise RequestRefused("its key is not its user_id, nor that with a line feed and its request_id")
        return request
