"""What events say of consent, in three forms, and the one number that stands for it in a row of interests.

own       `consent`: "granted", "denied" or "unsubscribed", or true or false
ga4       `consent.PURPOSE` or `privacy_info.PURPOSE`: as in Google's consent mode and its Measurement Protocol, and in GA4's export
segment   `context.consent.categoryPreferences.CATEGORY`: as in Segment's consent management

Events are flat, so what is nested where they come from has the names that a flattening gives (Kafka Connect's, for one): the path with points.
The own form speaks of messages. The others speak of purposes and categories, most of which are about storing and measuring; which of them stand for
consent to messages only the shop knows, so nothing is read in a form before the configuration names them (`Forms`). Consent has three states and a way
out: granted, denied, unknown (nothing was said yet), and unsubscribed. Only `granted` lets a trigger through.

What was said in the own form counts before the others, whenever they say something: they come with every event, so that a banner's yes would undo
somebody's unsubscribing with the next page. Within one form, and between the others, what was said last counts, by the events' own times.

Sources: consent mode and Measurement Protocol, Google Analytics for developers; Consent in Unify, Segment's documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worker.core.events.hashing import stable_hash

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Consent = Literal["granted", "denied", "unsubscribed", "unknown"]
Source = Literal["own", "ga4", "segment"]

GRANTED, DENIED, UNSUBSCRIBED = (stable_hash(word) for word in ("granted", "denied", "unsubscribed"))
_GA4, _SEGMENT = {"granted": -1, "denied": -3}, {"granted": -2, "denied": -4}  # a no is less than a yes, and either less than nothing
_MEANING: dict[int, tuple[Consent, Source]] = {
    GRANTED: ("granted", "own"),
    DENIED: ("denied", "own"),
    UNSUBSCRIBED: ("unsubscribed", "own"),
    _GA4["granted"]: ("granted", "ga4"),
    _GA4["denied"]: ("denied", "ga4"),
    _SEGMENT["granted"]: ("granted", "segment"),
    _SEGMENT["denied"]: ("denied", "segment"),
}
_IN_OWN_FORM = {code: stable_hash(state) for code, (state, source) in _MEANING.items() if source != "own"}

_PLAIN = {str, bool, NoneType}
_GA4_PLACES, _SEGMENT_PLACE = ("consent", "privacy_info"), "context.consent.categoryPreferences."
_OWN_WORDS = {"granted": GRANTED, "denied": DENIED, "unsubscribed": UNSUBSCRIBED}
_NOTHING, _AGREED, _REFUSED = 0, 1, 2
_WORDS = {"granted": _AGREED, "yes": _AGREED, "true": _AGREED, "denied": _REFUSED, "no": _REFUSED, "false": _REFUSED}


def state_of(code: float) -> Consent:
    """The state behind a number of the column interests.CONSENT."""
    return _MEANING.get(int(code), ("unknown", "own"))[0]


def source_of(code: float) -> Source:
    """The form in which that was said; of a number that is not 0."""
    return _MEANING[int(code)][1]


def in_own_form(codes: Floats) -> Floats:
    """A column of interests.CONSENT without its sources: hashes of the states' names, 0 where unknown."""
    out = codes
    for code, own in _IN_OWN_FORM.items():
        out = np.where(codes == code, own, out)
    return out


@dataclass(frozen=True, slots=True)
class Forms:
    """What has to be granted, in each form beside the own, to stand for consent to messages; a form without any is not read."""

    ga4: tuple[str, ...] = ()  # purposes
    segment: tuple[str, ...] = ()  # categories

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of events that are read."""
        return ("consent", *(f"{place}.{purpose}" for place in _GA4_PLACES for purpose in self.ga4), *(_SEGMENT_PLACE + category for category in self.segment))

    def codes(self, further: Mapping[str, Sequence[Any]], order: Ints) -> Ints:
        """What the events at the positions `order` say, as numbers, 0 where nothing. In one event the own form comes before the others, and a no before a yes.

        `further` has the values, as they came, of those of `fields` that any event carries. What is not understood says nothing.
        """
        of_ga4 = (self._together([further.get(f"{place}.{purpose}") for purpose in self.ga4], _GA4, absent=_NOTHING) for place in _GA4_PLACES)
        of_segment = self._together([further.get(_SEGMENT_PLACE + category) for category in self.segment], _SEGMENT, absent=_REFUSED)
        said = [codes for codes in (*of_ga4, of_segment) if codes is not None]
        if words := further.get("consent"):
            own = column_of(words, _own_code)
            said = [np.where(own != 0, own, np.minimum.reduce(said)) if said else own]
        return np.minimum.reduce(said)[order] if said else np.zeros(len(order), dtype=np.int64)

    def _together(self, columns: Sequence[Sequence[Any] | None], form: Mapping[str, int], absent: int) -> Ints | None:
        """What some purposes say together, if any event names any: denied if one is refused, granted if all are agreed to, else nothing.

        `absent` is what it means where an event names some and leaves this one out: for Segment that it is refused, for consent mode nothing.
        """
        size = max((len(column) for column in columns if column), default=0)
        if not size:
            return None
        words = np.stack([column_of(column, _word_code) if column else np.zeros(size, dtype=np.int64) for column in columns])
        words[(words == _NOTHING) & words.any(axis=0)] = absent
        return np.where((words == _REFUSED).any(axis=0), form["denied"], np.where((words == _AGREED).all(axis=0), form["granted"], 0))


def column_of(values: Sequence[Any], code: Callable[[Any], int]) -> Ints:
    """The codes of plain values, few of which are different; anything else is as if it were absent."""
    if not set(map(type, values)) <= _PLAIN:
        values = [value if type(value) in _PLAIN else None for value in values]
    codes = {value: code(value) for value in set(values)}  # True and False equal no text
    return np.fromiter(map(codes.__getitem__, values), dtype=np.int64, count=len(values))


def _own_code(value: Any) -> int:
    if isinstance(value, bool):
        return GRANTED if value else DENIED
    return _OWN_WORDS.get(value, 0) if isinstance(value, str) else 0


def _word_code(value: Any) -> int:
    return _WORDS.get(str(value).lower(), _NOTHING)  # true and false as texts too
