"""Pseudonyms: what stands for a user where the id must not, in examples, receipts and the list of the suppressed.

A keyed hash (HMAC, RFC 2104, with SHA-256): without the key nobody can try ids out.
"""

from __future__ import annotations

import hmac

PURPOSE = b"clickscore pseudonym"  # the configured key has other purposes, whose keys say nothing of this one's
PUBLIC_KEY = b"clickscore: no privacy.key is set"


class Pseudonyms:
    """Names users with one key. Without one the key is public: that hides ids from a glance, and protects nobody from who tries ids out."""

    def __init__(self, key: bytes | None) -> None:
        """Any key is taken; what may be configured as one is for the settings to say."""
        self._naming = hmac.digest(key or PUBLIC_KEY, PURPOSE, "sha256")

    def of(self, user_id: str) -> str:
        """What stands for a user: 32 hexadecimal digits, the same for the same key and id."""
        return hmac.digest(self._naming, user_id.encode(), "sha256").hex()[:32]
