"""Signatures after Standard Webhooks (specification of standard-webhooks, "Signature scheme"): HMAC-SHA256 over id, time and body, one for each secret."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64  # as the specification has it


def secret_bytes(text: str) -> bytes:
    """The key that a secret such as "whsec_MfKQ…" stands for. Raises ValueError, which never says the secret."""
    if not text.startswith(PREFIX):
        raise ValueError(f"a secret begins with {PREFIX}: make one with `echo {PREFIX}$(openssl rand -base64 32)`")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"what follows {PREFIX} is not base64: make one with `echo {PREFIX}$(openssl rand -base64 32)`") from None
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"a secret holds {LEAST_BYTES} to {MOST_BYTES} bytes, and this one {len(key)}: make one with `openssl rand -base64 32`")
    return key


def signature(keys: Iterable[bytes], message_id: str, time_s: int, body: bytes) -> str:
    """The header webhook-signature: one signature for each key, so that a receiver who knows any of them can check. `time_s` is Unix time."""
    signed = b"%s.%d.%s" % (message_id.encode(), time_s, body)
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
