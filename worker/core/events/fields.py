"""The fields of an event and their limits, the same ones that `schemas/event.schema.json` states; a test compares the two.

Changing a limit here means changing the schema and `docs/events.md`; making one narrower turns events that were accepted into dead letters.
"""

from __future__ import annotations

REQUIRED = ("event", "user_id", "timestamp")

# Longest text of each field, in Unicode code points (what JSON Schema's maxLength counts).
TEXT_LIMITS: dict[str, int] = {
    "event": 256,
    "user_id": 256,
    "event_id": 256,
    "session_id": 256,
    "item_id": 256,
    "order_id": 256,
    "item_category": 256,
    "device": 256,
    "country": 256,
    "medium": 256,
    "currency": 256,
    "path": 2048,
    "search_term": 1024,
}

# Largest value of each number; the smallest is 0. Money is in whole units of the shop's currency.
NUMBER_LIMITS: dict[str, float] = {"price": 1e9, "quantity": 1e6, "revenue": 1e9, "discount": 1e9}

FIELDS = frozenset((*TEXT_LIMITS, *NUMBER_LIMITS, "timestamp"))

LAST_TIME_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z; the first is 0, 1970-01-01T00:00:00Z
RECORD_BYTES = 1_048_576

# Unknown fields are counted by name; these bound what one batch can be made to remember of them.
UNKNOWN_NAMES = 64
UNKNOWN_NAME_LENGTH = 40
UNKNOWN_OVERFLOW = "(other fields)"
