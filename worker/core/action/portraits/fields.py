"""Portraits: what a marketer may ask of a user, as named fields worked out from profile, interests and scores, for many moments at once.

`fields` is the schema that expressions are checked against. Every field has a value at every moment: a span since something that never happened is
infinite, a text that is not known is empty. Texts are columns of hashes (evaluation.code_of).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.core.action.guards.consent import in_own_form
from worker.core.action.language.evaluation import Column, code_of
from worker.core.action.language.expressions import Type
from worker.core.action.portraits import interests
from worker.core.profiles import layout as at
from worker.core.profiles.event_columns import PURCHASE
from worker.core.settings import DAY_MS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SEGMENT = "segments."
STAGES = ("new", "active", "at_risk", "lost", "won_back")


@dataclass(frozen=True, slots=True)
class Stages:
    """When a user counts as new, at risk and lost."""

    new_for_ms: int
    at_risk_after_ms: int
    lost_after_ms: int


@dataclass(slots=True)
class Moments:
    """n moments of users, in columns: when, and what was known then. `profile` and `interest` give a column of the state at each."""

    time_ms: Ints
    profile: Callable[[int], Floats]
    interest: Callable[[int], Floats]
    p: Floats  # n x targets, as published
    lift: Floats
    warming_up: tuple[bool, ...]  # by target
    segments: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    known: dict[str, Column] = field(default_factory=dict)  # fields that were worked out


class Field(NamedTuple):
    """One field of the portrait."""

    type: Type
    meaning: str
    column: Callable[[Moments], Column]


def _since(name: int) -> Callable[[Moments], Floats]:
    def days(moments: Moments) -> Floats:
        times = moments.profile(name)
        return np.asarray(np.where(times > 0, np.maximum(moments.time_ms - times, 0) / DAY_MS, np.inf))

    return days


def _profile(column: int) -> Callable[[Moments], Floats]:
    return lambda moments: moments.profile(column)


def _average_order(moments: Moments) -> Floats:
    return np.asarray(moments.profile(at.SPEND) / np.maximum(moments.profile(at.PURCHASES), 1))


def _weights(moments: Moments) -> Floats:
    return np.stack([moments.interest(interests.WEIGHT + i) for i in range(interests.FAVOURITES)])


def _favourite(moments: Moments) -> Floats:
    weights = _weights(moments)
    hashes = np.stack([moments.interest(interests.CATEGORY + i) for i in range(interests.FAVOURITES)])
    place = weights.argmax(axis=0)
    return np.asarray(np.take_along_axis(hashes, place[None], axis=0)[0])


def _favourite_share(moments: Moments) -> Floats:
    weights = _weights(moments)
    return np.asarray(weights.max(axis=0) / np.maximum(weights.sum(axis=0), 1e-300))


def _usual_hour(moments: Moments) -> Floats:
    counts = np.stack([moments.interest(interests.HOURS + hour) for hour in range(interests.HOURS_OF_DAY)])
    return np.asarray(counts.argmax(axis=0), dtype=np.float64)


def _consent(moments: Moments) -> Floats:
    return in_own_form(moments.interest(interests.CONSENT))


FIELDS: dict[str, Field] = {
    "days_since_seen": Field("number", "Days since the user's latest event.", _since(at.LAST)),
    "days_known": Field("number", "Days since the user's first event.", _since(at.FIRST)),
    "sessions": Field("number", "Visits so far, this one included.", _profile(at.SESSIONS)),
    "active_days": Field("number", "Days (UTC) with an event.", _profile(at.DAYS)),
    "gap_days": Field("number", "Days of silence before the latest visit.", lambda moments: moments.profile(at.GAP) / DAY_MS),
    "days_since_purchase": Field("number", "Days since the latest purchase; infinite where there was none.", _since(at.LAST_OF + PURCHASE)),
    "purchases": Field("number", "Purchases so far, without refunded ones.", _profile(at.PURCHASES)),
    "spend": Field("number", "What was spent so far, in the shop's currency, without refunds.", _profile(at.SPEND)),
    "average_order": Field("number", "Spend over purchases; 0 where there was none.", _average_order),
    "cart_value": Field("number", "What was put into the cart in the latest visit.", _profile(at.CART_VALUE)),
    "price_level": Field("number", "Mean price of what was looked at lately; 0 where none was seen.", _profile(at.PRICE)),
    "discount_share": Field("number", "Mean discount of what was looked at lately, as a share of the price.", _profile(at.DISCOUNT)),
    "favourite_category": Field("text", "The category looked at most, fading with a half-life of 28 d.", _favourite),
    "favourite_share": Field("number", "Its share among the user's five categories.", _favourite_share),
    "usual_hour": Field("number", "Hour of the day (UTC) with most events.", _usual_hour),
    "category": Field("text", "The category looked at last.", _profile(at.CATEGORY)),
    "device": Field("text", "The device seen last.", _profile(at.DEVICE)),
    "country": Field("text", "The country seen last.", _profile(at.COUNTRY)),
    "medium": Field("text", "The medium that brought the latest visit.", _profile(at.MEDIUM)),
    "consent": Field("text", "What the user said last: granted, denied or unsubscribed; empty is unknown.", _consent),
}


class Portraits:
    """The fields of a configuration: the fixed ones, the stage, the scores of its targets, and in rules the segments."""

    def __init__(self, targets: Iterable[str], stages: Stages) -> None:
        self.targets = tuple(targets)
        self.stages = stages
        self._codes = np.array([code_of(stage) for stage in STAGES])
        self.fields: dict[str, Field] = {**FIELDS, "stage": Field("text", "new, active, at_risk, lost or won_back.", self._stage)}
        for number, target in enumerate(self.targets):
            self.fields[f"{target}.p"] = Field("number", f"The probability of {target}, as published.", _score("p", number))
            self.fields[f"{target}.lift"] = Field("number", f"The same over the average user's {target}.", _score("lift", number))

    def types(self, segments: Iterable[str] = ()) -> dict[str, Type]:
        """The type of every field, those of segments included."""
        return {name: field.type for name, field in self.fields.items()} | {f"segments.{name}": "flag" for name in segments}

    def columns(self, moments: Moments) -> Callable[[str], Column]:
        """A field's values for the moments, each worked out once."""
        known = moments.known

        def column(name: str) -> Column:
            if name not in known:
                known[name] = moments.segments[name[len(_SEGMENT) :]] if name.startswith(_SEGMENT) else self.fields[name].column(moments)
            return known[name]

        return column

    def _stage(self, moments: Moments) -> Floats:
        silent = moments.time_ms - moments.profile(at.LAST)
        known = moments.time_ms - moments.profile(at.FIRST)
        stages = self.stages
        came_back = moments.profile(at.GAP) >= stages.lost_after_ms
        place = np.select([silent >= stages.lost_after_ms, silent >= stages.at_risk_after_ms, came_back, known < stages.new_for_ms], [3, 2, 4, 0], 1)
        return np.asarray(self._codes[place])


def _score(what: str, number: int) -> Callable[[Moments], Floats]:
    def column(moments: Moments) -> Floats:
        table: Floats = getattr(moments, what)
        return table[:, number]

    return column
