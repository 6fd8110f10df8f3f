"""Signatures after Standard Webhooks (specification of standard-webhooks, "Signature scheme"): HMAC-SHA256 over id, time and body, one for each secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable


def signature(keys: Iterable[bytes], message_id: str, time_s: int, body: bytes) -> str:
    """The header webhook-signature: one signature for each key, so that a receiver who knows any of them can check. `time_s` is Unix time."""
    signed = b"%s.%d.%s" % (message_id.encode(), time_s, body)
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
