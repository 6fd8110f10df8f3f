"""The section of the configuration on erasure: [privacy]."""

from __future__ import annotations

from pydantic import Field, field_validator

from worker.core.settings import Section
from worker.kafka_settings import SECRET

LEAST_KEY_BYTES = 32


class PrivacySettings(Section):
    """Erasure of users, and what stands for them where their id must not."""

    key: str = Field(
        "",
        description="What pseudonyms and receipts are made with, at least 32 bytes, the same for all workers and for good: under another one no example is "
        "found again. Without it nobody can be erased, and pseudonyms hide ids but do not protect them.",
        json_schema_extra=SECRET,
        repr=False,
    )

    @field_validator("key")
    @classmethod
    def _long_enough(cls, key: str) -> str:
        """Refuse what could be guessed, without repeating it."""
        if key and len(key.encode()) < LEAST_KEY_BYTES:
            raise ValueError(f"a key of {len(key.encode())} bytes could be guessed: give at least {LEAST_KEY_BYTES}; `openssl rand -base64 32` makes one")
        return key

    @property
    def key_bytes(self) -> bytes | None:
        """The key as it is used; None where none is set."""
        return self.key.encode() or None
