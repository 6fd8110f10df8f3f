"""Segments and triggers of the fault tests: rules that follow from behaviour alone, so that what should come of them can be recomputed from the input."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime

import orjson

CONFIGURATION = """\
[segments.browsers]
when = "sessions >= 2"
[segments.quiet]
when = "days_since_seen > 0.9"
[triggers.back]
when = "!segments.quiet && days_known > 0.5"
cap = 2
cap_days = 3
[triggers.look]
when = "favourite_share > 0.5"
stay = "favourite_share > 0.3"
holdout = 0.2
[triggers.basket]
when = "cart_value > 20.0"
priority = 3
expiry = "12 h"
[action]
cap = 2
timezone = "Europe/Berlin"
"""
CAPS = {"back": (2, 3), "look": (1, 1), "basket": (1, 1)}  # so many in so many days
CAP_OF_ALL = 2  # a day


def agreed(lines: Iterable[bytes]) -> list[bytes]:
    """The lines, in which most users agree, and one in eight does not."""
    return [line.replace(b'"user_id"', b'"consent":%s,"user_id"' % (b"false" if sum(line) % 8 == 0 else b"true")) for line in lines]


def assert_each_once_and_no_cap_exceeded(values: Iterable[bytes | None]) -> None:
    """What is published of triggers: each is settled once and fires at most once, and no user gets more than the caps allow in any calendar day of theirs."""
    records = [orjson.loads(value or b"") for value in values]
    settled = Counter(record["trigger_id"] for record in records if record["result"] != "held")
    held = Counter(record["trigger_id"] for record in records if record["result"] == "held")
    assert set(settled.values()) == {1}
    assert set(held.values()) <= {1}
    fired: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for record in records:
        if record["result"] == "fired":
            fired[record["user_id"]].append((datetime.fromisoformat(record["local_time"]).toordinal(), record["rule"]))
    assert len(fired) > 10
    for days in fired.values():
        for day, _ in days:
            assert sum(other == day for other, _ in days) <= CAP_OF_ALL
            for rule, (cap, span) in CAPS.items():
                assert sum(day - span < other <= day for other, name in days if name == rule) <= cap
