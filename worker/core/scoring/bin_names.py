"""What a bin is called: the words of a score's reasons.

A graded bin has one name for ever. The name of a hashed value is looked up from the texts that the partition has seen, since several values may share
a bin: a reason names the value that this user has.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from worker.core.events.names import EVENT_NAMES
from worker.core.scoring.features import HASHED_COLUMNS, SLOT_NUMBER, hashed_bins, is_plain, local_bins
from worker.core.scoring.slots import BINS_PER_CAUSE, SLOT_OF, SLOTS, Slot
from worker.core.settings import DAY_MS, HOUR_MS, MINUTE_MS

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SEASONS = ("winter", "spring", "summer", "autumn")
HOLIDAYS = ("unknown", "ordinary day", "eve of a holiday", "holiday")
STARTING_AT_ONE = frozenset(("events", "sessions", "days", "events_per_session"))
CART = ("empty", "1 item", "2 items", "3 or more items", "no session")


def duration_text(value_ms: float) -> str:
    """A span of time as people say it: "15 s", "3 h", "2 d"."""
    for unit, size in (("d", DAY_MS), ("h", HOUR_MS), ("min", MINUTE_MS), ("s", 1_000)):
        if value_ms >= size:
            return f"{value_ms / size:g} {unit}"
    return f"{value_ms:g} ms"


def _range(slot: Slot, local: int) -> str:
    """The words of a graded bin: between which edges it lies. Bin 0 is below the first edge."""
    edges = slot.edges
    if slot.kind == "ms":
        if local == 0:
            return "never" if edges[0] == 0.0 else "now"
        low, high = edges[local - 1], edges[local] if local < len(edges) else None
        if high is None:
            return f"over {duration_text(low)}"
        return f"under {duration_text(high)}" if low <= 1 else f"{duration_text(low)} – {duration_text(high)}"
    if local == 0:
        return f"under {edges[0]:g}" if edges[0] >= 1 and slot.kind == "number" and slot.name in STARTING_AT_ONE else "none"
    whole = slot.kind == "number" and slot.name not in ("price", "spend", "session.cart_value", "events_per_session")
    low, high = edges[local - 1], edges[local] if local < len(edges) else None
    if slot.kind == "share":
        return f"over {low:.0%}" if high is None else f"{low:.0%} – {high:.0%}"
    if high is None:
        return f"{low:g} or more"
    if whole:
        return f"{low:g}" if high == low + 1 else f"{low:g} – {high - 1:g}"
    return f"{low:g} – {high:g}"


def _value(name: str, local: int) -> str:
    if local == 0 and name not in ("cart", "checkout"):
        return "none"
    if name == "hour":
        return f"{local - 1:02d}:00 UTC"
    if name == "weekday":
        return WEEKDAYS[local - 1]
    if name == "season":
        return SEASONS[local - 1]
    if name == "holiday":
        return HOLIDAYS[local]
    if name == "cart":
        return CART[local]
    if name == "checkout":
        return ("not begun", "begun", "further", "far")[local]
    return EVENT_NAMES[local - 1] if local <= len(EVENT_NAMES) else f"#{local - 1}"


def level_text(slot: Slot, local: int) -> str:
    """The words of one bin of a graded or plain slot, without the slot's name."""
    return _value(slot.name, local) if slot.kind == "value" else _range(slot, local)


class BinNames:
    """Names of active bins."""

    def __init__(self, labels: Mapping[int, str]) -> None:
        self.labels = labels  # hash -> text, owned and filled by the pipeline

    def name(self, slot_number: int, bins: NDArray[np.int32], codes: Mapping[str, int]) -> str:
        """The words for one active bin of a score, given the score's bins and its texts' hashes by the name of their slot:
        "recency.view_item 1 min – 3 min", "country × medium: DE × email"."""
        slot = SLOTS[slot_number]
        local = int(local_bins(bins[slot_number], slot_number))
        if slot.name == "cause":
            return "cause silence" if bins[slot_number] >= BINS_PER_CAUSE else "cause event"
        if slot.kind == "hashed":
            return f"{slot.name} {self._text(codes[slot.name])}"
        if slot.kind == "cross":
            return f"{slot.name}: {' × '.join(self._part(part, bins, codes) for part in slot.parts)}"
        return f"{slot.name} {level_text(slot, local)}"

    def _part(self, part: str, bins: NDArray[np.int32], codes: Mapping[str, int]) -> str:
        if part in HASHED_COLUMNS:
            return self._text(codes[part])
        return level_text(SLOT_OF[part], int(local_bins(bins[SLOT_NUMBER[part]], SLOT_NUMBER[part])))

    def _text(self, code: int) -> str:
        return "none" if code == 0 else self.labels.get(code, f"#{code:x}")


def bin_name(bin_: int) -> str:
    """The words for a bin of the table where no score is at hand: hashed bins are named by their slot and number."""
    index = bin_ - BINS_PER_CAUSE if bin_ >= BINS_PER_CAUSE else bin_
    number = bisect_right(_BASES, index) - 1
    slot, local = SLOTS[number], index - SLOTS[number].base
    cause = "silence: " if bin_ >= BINS_PER_CAUSE else ""
    if is_plain(number) and slot.kind == "cross":
        texts: list[str] = []
        for part in reversed(slot.parts):
            local, level = divmod(local, SLOT_OF[part].size)
            texts.append(level_text(SLOT_OF[part], level))
        return f"{cause}{slot.name}: {' × '.join(reversed(texts))}"
    if slot.name == "cause":
        return f"{cause}always"
    return f"{cause}{slot.name} {level_text(slot, local)}" if is_plain(number) else f"{cause}{slot.name} #{local}"


def value_names(states: NDArray[np.float64], labels: Mapping[int, str]) -> dict[int, str]:
    """Names of the bins of hashed slots, by the values that these users have (n x WIDTH): "path /basket", or several values that share a bin."""
    names: dict[int, str] = {}
    for slot in (slot for slot in SLOTS if slot.kind == "hashed"):
        codes = np.unique(states[:, HASHED_COLUMNS[slot.name]])
        texts: dict[int, list[str]] = {}
        for code, local in zip(codes.astype(np.int64).tolist(), hashed_bins(slot.name, codes).tolist(), strict=True):
            texts.setdefault(slot.base + local, []).append("none" if code == 0 else labels.get(code, f"#{code:x}"))
        for bin_, found in texts.items():
            shown = " or ".join(found[:2]) + (" or others" if len(found) > 2 else "")
            names[bin_] = f"{slot.name} {shown}"
            names[bin_ + BINS_PER_CAUSE] = f"silence: {slot.name} {shown}"
    return names


_BASES = [slot.base for slot in SLOTS]
