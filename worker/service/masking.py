"""Users without their ids, for who may see the worker's log or page and not its users."""

from __future__ import annotations

import hashlib
import secrets

_SALT = secrets.token_bytes(16)  # one a process: a masked user can be followed through its log and its page, and not found out by trying ids


def masked(user: str) -> str:
    """A name for a user that says nothing about them: the same one in one process, another in the next."""
    return "user#" + hashlib.blake2b(user.encode("utf-8", "surrogatepass"), key=_SALT, digest_size=4).hexdigest()
