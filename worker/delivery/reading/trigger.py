"""A record of the topic of triggers (schemas/trigger.schema.json), as far as delivery needs to understand it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from worker.core.events.fields import LAST_TIME_MS

SCHEMA = 1
_TEXTS = ("trigger_id", "rule", "user_id", "local_time", "score_id")
_NUMBERS = ("time_ms", "crossed_ms", "expires_ms", "priority")


class TriggerUnreadable(ValueError):
    """The record is no trigger of a form that is known here. The text has no value of it: it comes into logs."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that fired. Times are Unix milliseconds; `fields` is the whole record."""

    trigger_id: str
    rule: str
    user_id: str
    time_ms: int
    expires_ms: int
    fields: Mapping[str, Any]


def read_trigger(value: bytes | None) -> Trigger | None:
    """The trigger of a record; None for what nobody is to act on (held, suppressed, a tombstone). Raises TriggerUnreadable."""
    if value is None:
        return None
    try:
        record = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise TriggerUnreadable(f"it is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise TriggerUnreadable("it is not an object")
    if record.get("schema") != SCHEMA:
        raise TriggerUnreadable(f"its schema is not {SCHEMA}, which is known here")
    if record.get("result") in ("held", "suppressed"):
        return None
    if record.get("result") != "fired":
        raise TriggerUnreadable("its result is none that is known here")
    for name, kind in (*((name, str) for name in _TEXTS), *((name, int) for name in _NUMBERS), ("because", dict)):
        if type(record.get(name)) is not kind:
            raise TriggerUnreadable(f"its field {name} is missing or of another type")
    if not all(0 <= record[name] <= LAST_TIME_MS for name in ("time_ms", "expires_ms")):
        raise TriggerUnreadable("its times are outside the years 1970 to 9999")
    return Trigger(record["trigger_id"], record["rule"], record["user_id"], record["time_ms"], record["expires_ms"], record)
