"""How long to wait after a failure: exponential with full jitter, and what Retry-After asks for (RFC 9110, 10.2.3)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_RETRY_AFTER_S = 86_400.0  # who asks for more gets this: one answer must not silence a destination for good


@dataclass(frozen=True, slots=True)
class Backoff:
    """The n-th failure waits between 0 and first_s * 2^(n-1), at most longest_s ("full jitter": all waits are equally likely, so that clients spread out)."""

    first_s: float
    longest_s: float
    chance: random.Random

    def wait_s(self, failures: int) -> float:
        """A wait after so many failures in a row, drawn anew each time."""
        return self.chance.uniform(0.0, min(self.longest_s, self.first_s * 2 ** min(failures - 1, 40)))


def retry_after_s(text: str | None, now_ms: int) -> float | None:
    """What a Retry-After header asks for, in seconds from now: whole seconds or an HTTP date. None where it says nothing that can be read."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)  # "-0000" is UTC without a word on the place
    return min(max(0.0, at.timestamp() - now_ms / 1000), LONGEST_RETRY_AFTER_S)
