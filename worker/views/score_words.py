"""A score record in a person's words."""

from __future__ import annotations

from typing import Any

import orjson

from worker.core.settings import TargetSettings
from worker.errors import ClickscoreError
from worker.settings import SCORE_KEYS, duration_text
from worker.views.figures import printable

_OUTCOMES = {"any": "does anything", "purchase": "buys", "add_to_cart": "puts something into the cart", "begin_checkout": "begins to check out"}


def parsed(value: bytes | None, where: str) -> dict[str, Any]:
    """A score record's JSON; raises ClickscoreError when it is none."""
    try:
        record = orjson.loads(value or b"")
    except orjson.JSONDecodeError as error:
        raise ClickscoreError(f"a score record cannot be read: {error}", where, "check that the topic is the one that the worker writes") from None
    if not isinstance(record, dict) or "time_ms" not in record:
        raise ClickscoreError("this record is no score", where, "check that the topic is the one that the worker writes")
    return record


def targets_of(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The tables of the targets that a record scores."""
    return {name: table for name, table in record.items() if name not in SCORE_KEYS and isinstance(table, dict)}


def meaning(target: TargetSettings | None) -> str:
    """What a target's probability is the chance of: "buys within 7 d"; empty for a target that is not configured any more."""
    if target is None:
        return ""
    outcome = _OUTCOMES.get(target.outcome, f"does {printable(target.outcome)}")
    if target.absence:
        outcome = "does nothing" if target.outcome == "any" else f"never {outcome}"
    if not target.delay_ms:
        return f"{outcome} within {duration_text(target.horizon_ms)}"
    return f"{outcome} from {duration_text(target.delay_ms)} on, for {duration_text(target.horizon_ms)}"


def cause_words(record: dict[str, Any]) -> str:
    """What changed the score."""
    if record.get("cause") == "silence":
        return "after silence"
    return f"after event {printable(str(record['event_id']))}" if "event_id" in record else "after an event"


def signed(points: float) -> str:
    """Points as they add up: +0.83, −0.12."""
    return f"{'−' if points < 0 else '+'}{abs(points):.2f}"
