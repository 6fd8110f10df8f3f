"""Triggers as the topic holds them, and secrets to sign them with."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from worker.delivery.reading.queue import Job
from worker.delivery.reading.trigger import Trigger, read_trigger
from worker.log.contract import Record

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000


def trigger_value(number: int = 0, user: str = "u1", **changed: Any) -> bytes:
    """A trigger that fired NOW_MS + number, worth sending for a day."""
    record = {
        "schema": 1,
        "trigger_id": f"{number:032x}",
        "rule": "hurry",
        "user_id": user,
        "time_ms": NOW_MS + number,
        "local_time": "2027-01-15T08:00:00+00:00",
        "result": "fired",
        "score_id": "0-3",
        "crossed_ms": NOW_MS + number,
        "expires_ms": NOW_MS + number + DAY_MS,
        "priority": 5,
        "because": {"purchase.p": 0.31, "segments.keen": True, "days_since_purchase": None},
    }
    return orjson.dumps(record | changed)


def job(number: int, user: str = "u1", partition: int = 0, **changed: Any) -> Job:
    """The job of a trigger at offset `number`."""
    value = trigger_value(number, user, **changed)
    return Job(Record("clickscore.triggers", partition, number, user.encode(), value, (), NOW_MS), read_trigger(value))


def numbers(jobs: list[Job]) -> list[int]:
    """Their offsets."""
    return [one.record.offset for one in jobs]


def secret_of(letter: str) -> str:
    return "whsec_" + base64.b64encode((letter * 32)[:32].encode()).decode()


def trigger(number: int = 0, **changed: Any) -> Trigger:
    read = read_trigger(trigger_value(number, **changed))
    assert read is not None
    return read
