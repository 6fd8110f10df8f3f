"""Numbers and times as people read them; a number that is not there is a dash."""

from __future__ import annotations

import math
from datetime import UTC, datetime

MISSING = "–"
_LEAST_SHOWN = 1e-4
_SPANS_MS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000))


def count(number: float) -> str:
    """Whole things: 9,812 — and from ten million on 12.3 M."""
    if not math.isfinite(number):
        return MISSING
    return f"{number / 1e6:,.1f} M" if abs(number) >= 1e7 else f"{number:,.0f}"


def percent(share: float, sign: bool = True) -> str:
    """A probability with two digits that mean something: 62 %, 3.1 %, 0.42 %, <0.01 %. Without `sign` for columns that are headed %."""
    if not math.isfinite(share):
        return MISSING
    unit = " %" if sign else ""
    if 0 < share < _LEAST_SHOWN:
        return f"<{_LEAST_SHOWN * 100:.2f}{unit}"
    if _LEAST_SHOWN > 1 - share > 0:
        return f">{100 - _LEAST_SHOWN * 100:.2f}{unit}"
    hundred = share * 100
    digits = 0 if (hundred >= 9.95 and hundred <= 99) or hundred in (0, 100) else 1 if hundred >= 0.995 else 2
    return f"{hundred:.{digits}f}{unit}"


def loss(value: float) -> str:
    """A log-loss, to four places."""
    return f"{value:.4f}" if math.isfinite(value) else MISSING


def ratio(value: float) -> str:
    """A factor: 1.02, 19×-like values are written by the caller."""
    return f"{value:.2f}" if math.isfinite(value) else MISSING


def lift(value: float) -> str:
    """How many times the base rate: 19×, 3.9×, 0.4×."""
    if not math.isfinite(value):
        return MISSING
    return f"{value:,.0f}×" if value >= 9.95 else f"{value:.1f}×"


def milliseconds(value_ms: float) -> str:
    """A short duration: 0.4 ms, 41 ms, 2.3 s."""
    if not math.isfinite(value_ms):
        return MISSING
    if value_ms >= 1000:
        return f"{value_ms / 1000:.1f} s"
    return f"{value_ms:.0f} ms" if value_ms >= 9.95 else f"{value_ms:.1f} ms"


def span(length_ms: float) -> str:
    """A long duration in its largest unit: 3 d, 14 h, 20 min."""
    if not math.isfinite(length_ms):
        return MISSING
    for unit, unit_ms in _SPANS_MS:
        if length_ms >= unit_ms:
            return f"{length_ms / unit_ms:.0f} {unit}"
    return "0 s"


def moment(time_ms: int) -> str:
    """A time of the shop, in UTC: Thu 20 Mar 14:30."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%a %d %b %H:%M")


def day(time_ms: int) -> str:
    """A date in UTC: 2025-03-20."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d")


def printable(text: str) -> str:
    """Text from data with everything that could steer a terminal or a page shown as �."""
    return "".join(char if char.isprintable() else "�" for char in text)
