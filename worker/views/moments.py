"""Times as people type them: ISO 8601, UTC where no zone is given, or an age."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS_MS = {"s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def moment_ms(text: str, now_ms: int) -> int:
    """Unix time in milliseconds of "2026-03-01", "2026-03-01T12:00:30+01:00", or of an age such as "2 h". Raises ValueError."""
    if age := re.fullmatch(r"\s*(\d+)\s*(s|min|h|d)\s*", text):
        return now_ms - int(age[1]) * _UNITS_MS[age[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no time: write 2026-03-01, 2026-03-01T12:00 (UTC), 2026-03-01T12:00+01:00, or an age such as '2 h'") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
