"""Which features there are, and how each is cut into bins: the form of the scorecard.

A feature owns one slot of a decision and a range of the weight table. Three kinds of slots:
graded   a number cut at fixed edges; bin 0 ("nothing") is the reference: it has no weight and gives no points
hashed   a text (its stable hash) in a bounded range of the table; an absent text is a value like any other
cross    several features together: dense where all are graded, hashed where one of them is

Edges were chosen for people ("1 to 2 in a day") and checked against finer and coarser ones; docs/quality.md has the figures.
Changing anything here changes what stored weights mean: raise FEATURES_VERSION.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from worker.core.profiles.layout import HALF_LIFE_NAMES, KINDS
from worker.core.settings import DAY_MS, HOUR_MS, MINUTE_MS

FEATURES_VERSION = 1

SECOND_MS = 1_000
COUNT_EDGES = (0.02, 0.1, 0.3, 0.6, 0.95, 1.5, 2.5, 4.5, 8.0, 16.0, 32.0)
TOTAL_EDGES = (0.02, 0.1, 0.3, 0.6, 0.95, 1.5, 2.5, 4.5, 8.0, 13.0, 20.0, 32.0, 50.0, 80.0, 130.0)
SESSION_EDGES = (1, 2, 3, 4, 6, 9, 13, 20, 35)
AGE_EDGES_MS = tuple(
    [1, SECOND_MS, 5 * SECOND_MS, 15 * SECOND_MS]
    + [m * MINUTE_MS for m in (1, 3, 10, 30)]
    + [h * HOUR_MS for h in (1, 3, 6, 12)]
    + [d * DAY_MS for d in (1, 2, 3, 5, 7, 10, 14, 21, 28, 45)]
)
GAP_EDGES_MS = AGE_EDGES_MS[5:]
LENGTH_EDGES_MS = tuple(s * SECOND_MS for s in (1, 5, 15, 30, 60, 120, 240, 480, 960, 1800, 3600))
BEFORE_EDGES_MS = tuple(s * SECOND_MS for s in (1, 15, 60, 240, 900, 1800))
TIMES_EDGES = (2, 3, 4, 5, 6, 8, 11, 15, 22, 35)
RATE_EDGES = (2, 3, 4, 5, 6, 8, 11, 16, 24, 40)
EVENTS_EDGES = (2, 3, 4, 5, 7, 10, 15, 25, 50, 100, 200)
PRICE_EDGES = (0.0, 2, 5, 10, 15, 20, 30, 40, 60, 80, 120, 200, 500)
SPEND_EDGES = (1, 20, 50, 100, 200, 500, 1000, 3000)
CART_EDGES = (0.01, 10, 20, 40, 70, 120, 200, 400)
DISCOUNT_EDGES = (0.001, 0.05, 0.1, 0.2, 0.35, 0.5)
PURCHASE_EDGES = (1, 2, 3, 5, 10, 20)
VARIETY_EDGES = (1, 2, 3, 4, 5, 6, 8, 10, 12)
REPEAT_EDGES = (1, 2, 3, 5)
NAME_VALUES = 128  # room for event names yet to be added

SLOT_HALF_LIVES = (0, 2, 4)  # of the five that profiles keep: 5 min, 1 d, 28 d; the two between added cost and no quality


@dataclass(frozen=True, slots=True)
class Slot:
    """One feature: where its bins stand in the table and how they are named."""

    name: str
    kind: str  # "count", "ms", "number", "share", "value", "hashed", "cross"
    size: int  # bins, the reference included
    base: int  # table index of its bin 0
    edges: tuple[float, ...] = ()
    parts: tuple[str, ...] = ()  # of a cross
    reference: bool = True  # bin 0 has no weight


GRADED: tuple[tuple[str, str, tuple[float, ...]], ...] = (
    *((f"{kind}.{HALF_LIFE_NAMES[h].replace(' ', '')}", "count", COUNT_EDGES) for kind in KINDS for h in SLOT_HALF_LIVES),
    *((f"session.{kind}", "number", SESSION_EDGES) for kind in KINDS),
    *((f"recency.{kind}", "ms", (0.0, *AGE_EDGES_MS)) for kind in KINDS),
    ("events.1h", "count", TOTAL_EDGES),
    ("events.7d", "count", TOTAL_EDGES),
    ("events.28d", "count", TOTAL_EDGES),
    ("events", "number", EVENTS_EDGES),
    ("recency", "ms", AGE_EDGES_MS),
    ("session.length", "ms", (0.0, *LENGTH_EDGES_MS)),
    ("session.before", "ms", (0.0, *BEFORE_EDGES_MS)),
    ("session.gap", "ms", (0.0, *GAP_EDGES_MS)),
    ("session.paths", "number", VARIETY_EDGES),
    ("session.cart_value", "number", CART_EDGES),
    ("session.item_again", "number", REPEAT_EDGES),
    ("sessions", "number", TIMES_EDGES),
    ("days", "number", TIMES_EDGES),
    ("tenure", "ms", AGE_EDGES_MS),
    ("events_per_session", "number", RATE_EDGES),
    ("price", "number", PRICE_EDGES),
    ("discount", "share", DISCOUNT_EDGES),
    ("purchases", "number", PURCHASE_EDGES),
    ("spend", "number", SPEND_EDGES),
    ("categories", "number", VARIETY_EDGES),
)
VALUES: tuple[tuple[str, int], ...] = (
    ("hour", 24),
    ("weekday", 7),
    ("season", 4),
    ("holiday", 3),
    ("event", NAME_VALUES),
    ("event_before", NAME_VALUES),
    ("cart", 4),
    ("checkout", 3),
)
HASHED: tuple[tuple[str, int], ...] = (("category", 2048), ("path", 2048), ("path_before", 2048), ("country", 512), ("device", 64), ("medium", 256))
CROSSED: tuple[tuple[tuple[str, ...], int], ...] = (
    (("event_before", "event"), 4096),
    (("cart", "checkout", "session.length"), 0),
    (("event", "session.length"), 0),
    (("sessions", "cart"), 0),
    (("recency", "sessions"), 0),
    (("recency", "days", "purchases"), 0),
    (("sessions", "days"), 0),
    (("sessions", "session.gap"), 0),
    (("tenure", "sessions"), 0),
    (("events.28d", "days"), 0),
    (("session.view_item", "session.add_to_cart"), 0),
    (("medium", "device"), 256),
    (("country", "medium"), 2048),
    (("country", "sessions"), 2048),
    (("path", "event"), 4096),
    (("path", "sessions"), 4096),
    (("path", "cart"), 4096),
    (("path", "days"), 4096),
    (("path", "events"), 4096),
    (("path", "events_per_session"), 4096),
    (("path_before", "path"), 4096),
    (("path_before", "path", "sessions"), 4096),
)
NO_SESSION = 4  # the value of "cart" while the user is in no session


def _build() -> tuple[tuple[Slot, ...], int]:
    slots: list[Slot] = []
    base = 1  # index 0 of the table is every slot's reference bin

    def add(name: str, kind: str, size: int, edges: tuple[float, ...] = (), parts: tuple[str, ...] = (), reference: bool = True) -> None:
        nonlocal base
        slots.append(Slot(name, kind, size, base, edges, parts, reference))
        base += size

    add("cause", "value", 1, reference=False)
    for name, kind, edges in GRADED:
        add(name, kind, len(edges) + 1, edges)
    for name, size in VALUES:
        add(name, "value", size + 1)
    for name, size in HASHED:
        add(name, "hashed", size, reference=False)
    sizes = {slot.name: slot.size for slot in slots}
    hashed = {name for name, _ in HASHED}
    for parts, size in CROSSED:
        dense = not size and not hashed & set(parts)
        total = size
        if dense:
            total = 1
            for part in parts:
                total *= sizes[part]
        add(" × ".join(parts), "cross", total, parts=parts, reference=False)
    return tuple(slots), base


SLOTS, BINS_PER_CAUSE = _build()
SLOT_OF = {slot.name: slot for slot in SLOTS}
TABLE_SIZE = 2 * BINS_PER_CAUSE  # events first, silence after: each cause has weights of its own
LAYOUT = f"{FEATURES_VERSION}-{hashlib.blake2b(repr(SLOTS).encode(), digest_size=4).hexdigest()}"
