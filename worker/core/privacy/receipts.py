"""Receipts of erasure (schemas/receipt.schema.json): what was erased when, of a user whom only who holds the key and knows the id can find.

Users are named by a keyed hash (HMAC, RFC 2104, with SHA-256): without the key nobody can try ids out. Pseudonyms and signatures have keys of their
own, derived from the configured one, so that neither says anything of the other.
"""

from __future__ import annotations

import hmac
from dataclasses import asdict
from typing import Any

import orjson

from worker.core.privacy.erasure import Erased
from worker.core.privacy.pseudonyms import Pseudonyms
from worker.core.privacy.requests import Request

SCHEMA = 1
LEAST_KEY_BYTES = 32


class Receipts:
    """Writes and checks receipts with one key."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError for a key that could be guessed."""
        if len(key) < LEAST_KEY_BYTES:
            raise ValueError(f"the key has {len(key)} bytes; at least {LEAST_KEY_BYTES} are needed")
        self._pseudonyms = Pseudonyms(key)
        self._signing = hmac.digest(key, b"clickscore receipt", "sha256")

    def pseudonym(self, user_id: str) -> str:
        """What stands for a user: 32 hexadecimal digits."""
        return self._pseudonyms.of(user_id)

    def key(self, request: Request, partition: int) -> bytes:
        """The key of a request's receipt: a request may be one for several users, and be put to several partitions."""
        return f"{request.request_id}/{self.pseudonym(request.user_id)}/{partition}".encode()

    def receipt(self, request: Request, erased: Erased, done_ms: int, partition: int, until: int) -> bytes:
        """The receipt of a request that was carried out at `done_ms`, of the turn's clock, by the owner of a partition of the input.

        `until` is the offset of that partition up to which everything was read: examples of decisions before it are of the user as erased.
        """
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "user": self.pseudonym(request.user_id),
            "request": request.kind,
            "request_id": request.request_id,
            "requested_ms": request.time_ms,
            "done_ms": done_ms,
            "partition": partition,
            "until": until if request.erases else 0,
            "erased": asdict(erased),
        }
        return orjson.dumps({**record, "signature": self._signature(record)})

    def holds(self, value: bytes) -> bool:
        """Whether a receipt was written with this key, and not changed since."""
        try:
            record = orjson.loads(value)
        except orjson.JSONDecodeError:
            return False
        if not isinstance(record, dict) or not isinstance(signature := record.pop("signature", None), str):
            return False
        return hmac.compare_digest(signature.encode(), self._signature(record).encode())

    def _signature(self, record: dict[str, Any]) -> str:
        """Over the record with its keys in order, whatever their order was on the way."""
        return hmac.digest(self._signing, orjson.dumps(record, option=orjson.OPT_SORT_KEYS), "sha256").hex()
