"""What a secret and a token look like. No error ever shows one."""

from __future__ import annotations

import base64
import binascii
import re

NO_HEADER = re.compile(r"[^\x20-\x7e]")  # what no header's value may hold
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


def keys_of(text: str) -> list[bytes]:
    """The keys of secrets with white space between them. Raises ValueError, also where there is none."""
    keys = [secret_bytes(secret) for secret in text.split()]
    if not keys:
        raise ValueError("there is no secret in it")
    return keys


def token_of(text: str) -> str:
    """A token without the white space around it. Raises ValueError for what no header could carry."""
    token = text.strip()
    if NO_HEADER.search(token):
        raise ValueError("a token is one line of plain letters, digits and signs")
    return token
