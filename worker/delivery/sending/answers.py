"""What an answer means for the triggers that were sent, and for the destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

# A 4xx that says something of the destination or of the moment, and not of the request: the next try may well succeed.
# 401 and 403 are among them, because a secret can be put right while the program runs.
PASSING = frozenset({401, 403, 407, 408, 421, 423, 425, 429})

Meaning = Literal["delivered", "refused", "failed", "throttled"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status with the headers of interest and the beginning of the body, or status 0 and in `trouble` what kept it from coming."""

    status: int
    retry_after: str | None = None
    body: bytes = b""
    trouble: str = ""

    @property
    def in_words(self) -> str:
        """For logs and dead letters: never a word of the body, which the destination chose."""
        return f"HTTP {self.status}" if self.status else self.trouble


def meaning(answer: Answer) -> Meaning:
    """delivered; refused: this request will never be taken; failed: try again; throttled: try again when the destination wants it.

    A redirect is a failure: it is not followed, for who redirects could lead anywhere.
    """
    if 200 <= answer.status < 300:
        return "delivered"
    if answer.status == 429 or (answer.status == 503 and answer.retry_after is not None):
        return "throttled"
    if 400 <= answer.status < 500 and answer.status not in PASSING:
        return "refused"
    return "failed"


def blamed_items(answer: Answer, where: tuple[str, str] | None) -> Mapping[int, str]:
    """Of an answer of success, the numbers of items that were refused all the same, each with a word on why; empty where the form knows of none."""
    if where is None:
        return {}
    listing, key = where
    try:
        content: Any = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    entries = content.get(listing) if isinstance(content, dict) else None
    if not isinstance(entries, list):
        return {}
    return {
        entry[key]: f"HTTP {answer.status}, refused in the answer's list of {listing}"
        for entry in entries
        if isinstance(entry, dict) and type(entry.get(key)) is int
    }
