"""Requests and receipts: what is read, what is refused, and that a receipt names nobody and cannot be changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from worker.core.privacy.erasure import Erased
from worker.core.privacy.receipts import Receipts
from worker.core.privacy.requests import KINDS, Request, RequestRefused

SCHEMAS = Path(__file__).parents[3] / "schemas"
REQUEST = Request("DELETE", "r-17", "häns@example.org", 1_700_000_000_000)
RECEIPTS = Receipts(b"k" * 32)
RECEIPT = RECEIPTS.receipt(REQUEST, Erased(1, 3, 1, 0), 1_700_000_001_000, 2, 77)


def fits(name: str, value: bytes) -> bool:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return not list(Draft202012Validator(schema).iter_errors(json.loads(value)))


@pytest.mark.parametrize("kind", KINDS)
def test_requests_come_back_and_fit_their_schema(kind: Any) -> None:
    request = replace(REQUEST, kind=kind)
    assert Request.decode(request.key, request.encode()) == Request.decode(request.user_id.encode(), request.encode()) == request
    assert fits("privacy", request.encode())


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"request": "FORGET"}, "request is not one of"),
        ({"schema": 2}, "schema is not 1"),
        ({"schema": True}, "schema is not 1"),
        ({"user_id": ""}, "user_id is not a text"),
        ({"user_id": "x" * 257}, "user_id is not a text"),
        ({"request_id": 5}, "request_id is not a text"),
        ({"request_id": "1\n2"}, "request_id has a line feed"),
        ({"time_ms": -1}, "time_ms is not"),
        ({"time_ms": 1.5}, "time_ms is not"),
        ({"why": "so"}, "with the fields"),
    ],
)
def test_what_is_no_request_is_refused_with_a_reason_and_does_not_fit(changed: dict[str, Any], why: str) -> None:
    record = {**json.loads(REQUEST.encode()), **changed}
    with pytest.raises(RequestRefused, match=why):
        Request.decode(str(record["user_id"]).encode(), json.dumps(record).encode())
    assert changed == {"schema": True} or not fits("privacy", json.dumps(record).encode())


def test_a_key_that_is_another_user_is_refused() -> None:
    for key in (None, b"", b"somebody", REQUEST.user_id.encode() + b"\nanother"):
        with pytest.raises(RequestRefused, match="key"):
            Request.decode(key, REQUEST.encode())
    for value in (b"{", b"[]", b"null"):
        with pytest.raises(RequestRefused):
            Request.decode(b"u", value)


def test_a_receipt_fits_says_what_was_erased_and_names_nobody() -> None:
    assert fits("receipt", RECEIPT)
    record = json.loads(RECEIPT)
    assert record["erased"] == {"profile": 1, "decisions": 3, "action": 1, "waiting_events": 0}
    assert (record["request_id"], record["requested_ms"], record["done_ms"]) == ("r-17", 1_700_000_000_000, 1_700_000_001_000)
    assert (record["partition"], record["until"]) == (2, 77)
    assert "example.org" not in RECEIPT.decode()
    assert record["user"] == RECEIPTS.pseudonym("häns@example.org") != RECEIPTS.pseudonym("hans@example.org")


def test_who_is_let_in_again_keeps_what_was_learned_since() -> None:
    """A trainer passes over what came before `until`: of the end of a suppression that is nothing."""
    assert json.loads(RECEIPTS.receipt(replace(REQUEST, kind="UNSUPPRESS"), Erased(), 1, 2, 77))["until"] == 0
    assert json.loads(RECEIPTS.receipt(replace(REQUEST, kind="SUPPRESS"), Erased(), 1, 2, 77))["until"] == 77


def test_a_receipt_holds_until_anything_is_changed() -> None:
    assert RECEIPTS.holds(RECEIPT)
    record = json.loads(RECEIPT)
    assert RECEIPTS.holds(json.dumps(dict(reversed(record.items()))).encode())
    for changed in (
        {"done_ms": 5},
        {"until": 5},
        {"user": "0" * 32},
        {"erased": {**record["erased"], "profile": 0}},
        {"signature": "0" * 64},
        {"signature": "ü"},
        {"more": 1},
    ):
        assert not RECEIPTS.holds(json.dumps({**record, **changed}).encode())
    for value in (b"", b"{}", b"[]", b'{"signature":5}'):
        assert not RECEIPTS.holds(value)


def test_another_key_gives_other_names_and_other_signatures() -> None:
    other = Receipts(b"l" * 32)
    assert other.pseudonym("u1") != RECEIPTS.pseudonym("u1")
    assert not other.holds(RECEIPT)
    with pytest.raises(ValueError, match="31 bytes"):
        Receipts(b"k" * 31)
