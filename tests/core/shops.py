"""Small clickstreams as JSON bytes, with everything in them that a real one has: users who come back after hours and after months, late events,
repeats, several events in one millisecond, refunds, repeated order lines, missing fields, unknown names, broken records, clocks that are wrong.

A stream is made from steps of small whole numbers, so that hypothesis can draw and shrink it and a seed can write a longer one.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

Value = bytes | None

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
START_MS = 1_609_535_000_000  # 2021-01-01, evening: days change soon

GAPS_MS = (
    *(0, 0, 0, 1, 7 * SECOND_MS, 20 * SECOND_MS, 50 * SECOND_MS, 3 * MINUTE_MS, 12 * MINUTE_MS, 30 * MINUTE_MS, 30 * MINUTE_MS + 1),
    *(HOUR_MS - 1, HOUR_MS, HOUR_MS + 1, 5 * HOUR_MS, 7 * HOUR_MS, 11 * HOUR_MS, 13 * HOUR_MS, DAY_MS, DAY_MS + 1, 2 * DAY_MS, 3 * DAY_MS),
    *(7 * DAY_MS, 7 * DAY_MS + 30 * MINUTE_MS, 9 * DAY_MS, 30 * DAY_MS, 91 * DAY_MS),
)
COMMON_GAPS = 17  # of them, that make up most of a stream
LATENESS_MS = (0, 1, 40 * SECOND_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 20 * HOUR_MS, DAY_MS, DAY_MS + 1, 3 * DAY_MS)
NAMES = (
    *("page_view", "view_item", "view_item", "user_engagement", "add_to_cart", "begin_checkout", "purchase", "purchase", "purchase", "refund"),
    *("search", "remove_from_cart", "add_payment_info", "session_start", "view_promotion", "no_such_event"),
)
FAULTS = ("again", "again", "again, later", "broken", "null", "nested", "no time", "wrong clock", "wrong clock")
BROKEN: dict[str, Value] = {
    "broken": b'{"event":"page_view","user_id":"u1"',
    "null": None,
    "nested": b'{"event":"page_view","user_id":"u1","timestamp":1609535000000,"path":{"a":1}}',
    "no time": b'{"event":"page_view","user_id":"u1"}',
}


class Step(NamedTuple):
    """What sets one record apart from the one before it; indices into the lists above."""

    user: int
    gap: int
    late: int
    name: int
    details: int  # bits: which optional fields there are, and their values
    fault: int  # beyond the list: none


def _fields(step: Step, number: int) -> dict[str, Any]:
    bits = step.details
    few = (bits >> 12) % 5
    optional: list[tuple[str, Any]] = [
        ("event_id", f"e{number}"),
        ("session_id", f"s{step.user}.{few // 3}"),
        ("order_id", f"o{few}"),
        ("price", (0, 0.5, 19.99, 120, 999_999_999)[few]),
        ("quantity", (1, 2, 0, 1000, 3.5)[few]),
        ("revenue", (40, 0, 12.5, 1e9, 7)[few]),
        ("discount", (0, 5, 1e9, 0.01, 3)[few]),
        ("item_id", f"i{few}"),
        ("item_category", ("hats", "shoes", "", "hats", "Ä/é")[few]),
        ("path", ("/", "/a", "/b", "/a", "/c?d")[few]),
        ("country", ("DE", "AT", "DE", "FR", "")[few]),
        ("device", ("phone", "desktop", "phone", "tv", "tablet")[few]),
    ]
    return {field: value for bit, (field, value) in enumerate(optional) if bits >> bit & 1}


def stream(steps: Iterable[Step]) -> list[Value]:
    """The records of these steps, in the order in which they arrive."""
    clock_ms = START_MS
    out: list[Value] = []
    sent: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for number, step in enumerate(steps):
        clock_ms += GAPS_MS[step.gap]
        fault = FAULTS[step.fault] if step.fault < len(FAULTS) else ""
        if fault in BROKEN:
            out.append(BROKEN[fault])
            continue
        record: dict[str, Any] = {
            "event": NAMES[step.name],
            "user_id": f"u{step.user}",
            "timestamp": clock_ms - LATENESS_MS[step.late],
            **_fields(step, number),
        }
        mine = sent.setdefault(step.user, [])
        if fault.startswith("again") and mine:
            record = dict(mine[-1 - step.details % min(len(mine), 9)][1])
            if fault == "again, later":  # the same event id under another time is still the same event
                record["timestamp"] = clock_ms
        elif fault == "wrong clock":
            record["timestamp"] = clock_ms + (400 + 37 * number) * DAY_MS
        else:
            mine.append((fault, record))
        out.append(json.dumps(record).encode())
    return out


def _frequent(size: int, common: int, share: int) -> st.SearchStrategy[int]:
    """Whole numbers below `size`, mostly those below `common`."""
    return st.integers(0, share * common + size - 1).map(lambda n: n % common if n < share * common else n - share * common)


steps = st.builds(
    Step,
    user=_frequent(7, 3, 4),
    gap=_frequent(len(GAPS_MS), COMMON_GAPS, 4),
    late=_frequent(len(LATENESS_MS), 1, 20),
    name=st.integers(0, len(NAMES) - 1),
    details=st.integers(0, 2**16 - 1),
    fault=st.integers(0, 8 * len(FAULTS)).map(lambda n: 8 * len(FAULTS) - n),  # small numbers shrink to "none"
)


def shops(max_size: int = 60) -> st.SearchStrategy[list[Value]]:
    """Streams of up to `max_size` records."""
    return st.lists(steps, min_size=1, max_size=max_size).map(stream)


def shop(seed: int, size: int, users: int = 40) -> list[Value]:
    """A longer stream: more users, of whom the first come often."""
    chance = random.Random(seed)

    def step() -> Step:
        gap = chance.randrange(9) if chance.random() < 0.8 else chance.randrange(COMMON_GAPS if chance.random() < 0.9 else len(GAPS_MS))
        late = 0 if chance.random() < 0.85 else chance.randrange(len(LATENESS_MS))
        user = min(chance.randrange(users) for _ in range(3))
        return Step(user, gap, late, chance.randrange(len(NAMES)), chance.getrandbits(16), chance.randrange(12 * len(FAULTS)))

    return stream(step() for _ in range(size))


def cuts(chance: random.Random, size: int, largest: int) -> list[int]:
    """Sizes of turns that take `size` records."""
    out: list[int] = []
    while sum(out) < size:
        out.append(min(chance.randint(1, largest), size - sum(out)))
    return out


def records(values: Sequence[Value]) -> list[tuple[int, dict[str, Any]]]:
    """Offset and fields of every record that is an event."""
    broken = set(BROKEN.values())
    return [(offset, json.loads(value)) for offset, value in enumerate(values) if value is not None and value not in broken]
