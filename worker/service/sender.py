"""Sending lines to the input topic: in steps, each keyed by its user, at a given rate or as fast as the log takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import orjson

from worker.log.contract import Log, Message
from worker.service.clock import Clock

AT_ONCE = 2_000  # lines in one transaction
STEP_S = 0.05  # at a given rate: what is due in this time goes together


@dataclass(slots=True)
class Sent:
    """How many lines are in the log by now; `bare` of them have no user that can be read, and so no key."""

    lines: int = 0
    bare: int = 0


def send_lines(log: Log, topic: str, lines: Iterable[bytes], clock: Clock, rate: float | None = None) -> Iterator[Sent]:
    """Append the lines in order, and yield the count after each step. `rate` is lines a second.

    What was yielded is in the log for good. Raises UnknownTopic, LogUnavailable, RecordRefused; nothing of that step is in the log then.
    """
    at_once = AT_ONCE if rate is None else max(1, min(AT_ONCE, int(rate * STEP_S)))
    rest, sent, began_s = iter(lines), Sent(), clock.elapsed_s()
    while True:
        if rate is not None:  # before the lines are taken: who makes them knows when they are written
            early_s = began_s + sent.lines / rate - clock.elapsed_s()
            if early_s > 0:
                clock.sleep(early_s)
        step = list(islice(rest, at_once))
        if not step:
            return
        messages = [Message(line, _key(line)) for line in step]
        log.append(topic, messages)
        sent = Sent(sent.lines + len(step), sent.bare + sum(message.key is None for message in messages))
        yield sent


def _key(line: bytes) -> bytes | None:
    """The user's id as the record's key; None where the worker will say what is wrong with the line."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    user_id = event.get("user_id") if isinstance(event, dict) else None
    return user_id.encode("utf-8", "replace") if isinstance(user_id, str) and user_id else None
