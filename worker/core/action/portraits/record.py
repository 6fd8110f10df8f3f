"""One user's portrait as a record (schemas/portrait.schema.json): every field that conditions may read, and what is behind some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.action.guards.consent import source_of, state_of
from worker.core.action.portraits import interests
from worker.core.action.portraits.fields import Moments, Portraits
from worker.core.action.records import Because

SCHEMA = 1
Floats = NDArray[np.float64]


def portrait_of(
    user_id: str,
    time_ms: int,
    profile: Floats,
    interest: Floats,
    scores: Mapping[str, Any],
    segments: Sequence[str],
    labels: Mapping[int, str],
    portraits: Portraits,
) -> dict[str, Any]:
    """The portrait at `time_ms` (epoch milliseconds) from the rows of the user's profile and interests, the latest score's targets and the segments."""
    scored = [[float(scores.get(target, {}).get(what, np.nan)) for target in portraits.targets] for what in ("p", "lift")]
    p, lift = (np.array([row]) for row in scored)
    moments = Moments(
        np.array([time_ms]),
        lambda column: profile[column : column + 1],
        lambda column: interest[column : column + 1],
        p,
        lift,
        tuple("abstain" in scores.get(target, {}) for target in portraits.targets),
    )
    because = Because(portraits.types(), labels, portraits.columns(moments))
    own = [name for name in portraits.fields if name.partition(".")[0] not in portraits.targets]
    said = float(interest[interests.CONSENT])
    consent: dict[str, Any] = {"state": state_of(said)}
    if said:
        consent |= {"time_ms": int(interest[interests.CONSENT_MS]), "source": source_of(said)}
    zone = labels.get(int(interest[interests.ZONE])) if interest[interests.ZONE] else None
    return {
        "schema": SCHEMA,
        "user_id": user_id,
        "time_ms": time_ms,
        "fields": because.at(np.zeros(1, dtype=np.int64), own)[0],
        "categories": [[labels.get(code, f"{code:x}"), round(share, 6)] for code, share in interests.favourites(interest[None])[0]],
        "hours": [int(hour) for hour in interest[interests.HOURS : interests.HOURS + interests.HOURS_OF_DAY]],
        "consent": consent,
        "timezone": zone,
        "segments": list(segments),
        "scores": dict(scores),
    }
