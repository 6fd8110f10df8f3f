"""What is published: changes of segments (schemas/segment.schema.json) and what became of triggers (schemas/trigger.schema.json), as JSON bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core.action.guards.guards import Held, Person, Rule, Verdict
from worker.core.action.guards.local_time import local_time
from worker.core.action.language.evaluation import Column, code_of
from worker.core.action.language.expressions import Type
from worker.core.action.portraits.fields import STAGES

Ints = NDArray[np.int64]

SCHEMA = 1
_WORDS = {int(code_of(word)): word for word in (*STAGES, "granted", "denied", "unsubscribed")} | {0: ""}


class Because:
    """The values that a condition read, for people."""

    def __init__(self, types: Mapping[str, Type], labels: Mapping[int, str], column: Callable[[str], Column]) -> None:
        self._types = types
        self._labels = labels
        self._column = column

    def at(self, moments: Ints, names: Sequence[str]) -> list[dict[str, Any]]:
        """The named fields' values at each of some moments; null is a span that never began."""
        columns = [self._values(name, self._column(name)[moments]) for name in names]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)] if names else [{} for _ in moments]

    def _values(self, name: str, values: Column) -> list[Any]:
        kind = self._types[name]
        if kind == "flag":
            return list(values.tolist())
        if kind == "text":
            codes: list[int] = values.astype(np.int64).tolist()
            return [_WORDS.get(code) or self._labels.get(code, f"{code:x}" if code else "") for code in codes]
        return [round(value, 6) if isfinite(value) else None for value in values.tolist()]


def segment_record(user_id: str, score_id: str, time_ms: int, members: list[str], entered: dict[str, dict[str, Any]], left: dict[str, dict[str, Any]]) -> bytes:
    """A user's segments after a score that changed them: all that the user is in, and what was entered and left, each with why."""
    return orjson.dumps(
        {
            "schema": SCHEMA,
            "user_id": user_id,
            "time_ms": time_ms,
            "score_id": score_id,
            "segments": members,
            "entered": entered,
            "left": left,
        }
    )


def trigger_record(rule: Rule, person: Person, held: Held, verdict: Verdict, now_ms: int, because: dict[str, Any]) -> bytes:
    """What became of a crossing: `held` names it, `because` are the values that the rule's condition read."""
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "trigger_id": held.trigger_id,
        "rule": rule.name,
        "user_id": person.user_id,
        "time_ms": now_ms,
        "local_time": local_time(now_ms, person.zone),
        "result": verdict.result,
        "score_id": held.score_id,
        "crossed_ms": held.crossed_ms,
        "expires_ms": held.decided_ms + rule.expiry_ms,
        "priority": rule.priority,
        "because": because,
    }
    if verdict.reason:
        record["reason"] = verdict.reason
    if verdict.result == "held":
        record["until_ms"] = verdict.until_ms
    return orjson.dumps(record)
