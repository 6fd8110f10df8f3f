"""Bins in a person's words: "session.add_to_cart 1" is said "1 cart add this visit". What is not known is shown as it is, without underscores.

Names come in three forms: "feature value"; "feature × feature: value × value" for several together; and either with "silence: " before
it where the weight is one of silence. Fading counts ("add_to_cart.1d 1.5 – 2.5") are said in whole numbers.
"""

from __future__ import annotations

import math
import re

from worker.views.figures import printable

_KINDS = {
    "other": ("other event", "other events"),
    "page_view": ("page view", "page views"),
    "engagement": ("sign of interest", "signs of interest"),
    "view_item": ("item view", "item views"),
    "select_item": ("list view", "list views"),
    "promotion": ("promotion", "promotions"),
    "search": ("search", "searches"),
    "add_to_cart": ("cart add", "cart adds"),
    "view_cart": ("cart view", "cart views"),
    "begin_checkout": ("checkout", "checkouts"),
    "payment_info": ("payment step", "payment steps"),
    "purchase": ("purchase", "purchases"),
    "events": ("event", "events"),
}
_FORMS = {
    "events": "{} events so far",
    "recency": "seen {} ago",
    "session.length": "{} into the visit",
    "session.before": "last visit {} long",
    "session.gap": "{} between visits",
    "session.paths": "{} pages this visit",
    "session.cart_value": "cart worth {}",
    "session.item_again": "same item {} times",
    "sessions": "{} visits",
    "days": "{} days here",
    "tenure": "known for {}",
    "events_per_session": "{} events a visit",
    "price": "looks at prices {}",
    "purchases": "{} purchases before",
    "spend": "{} spent before",
    "categories": "{} categories seen",
    "hour": "at {}",
    "weekday": "on {}",
    "season": "in {}",
    "holiday": "{}",
    "event": "now: {}",
    "event_before": "before: {}",
    "path_before": "came from {}",
    "cause": "because of {}",
}
_OF_ONE = {
    **dict.fromkeys(("events 1", "events under 2"), "first event"),
    **dict.fromkeys(("sessions 1", "sessions under 2"), "first visit"),
    **dict.fromkeys(("days 1", "days under 2"), "first day here"),
    "events_per_session under 2": "1 event a visit",
    "session.paths 1": "1 page this visit",
    "session.item_again 1": "same item once",
    "purchases 1": "1 purchase before",
    "categories 1": "1 category seen",
}
_OF_NONE = {
    "recency": "just seen",
    "session.length": "no visit now",
    "session.before": "no visit before",
    "session.gap": "no visit before",
    "session.paths": "no pages this visit",
    "session.cart_value": "empty cart",
    "session.item_again": "no item twice",
    "price": "no price seen",
    "discount": "no discount",
    "purchases": "no purchase before",
    "spend": "nothing spent before",
    "categories": "no category seen",
    "event_before": "no event before",
    "path_before": "no page before",
}
_NOTHING = {"none", "never", "now"}
_COUNTER = re.compile(r"(\w+)\.(\d+)(min|h|d)")
_SAME_UNIT = re.compile(r"([\d.]+) ?(ms|s|min|h|d|%) – ([\d.]+) ?\2")
_FADED = 0.95  # below it a count is of events longer ago than its half-life


def in_words(name: str) -> str:
    """The bin's name as a short phrase without control characters; empty only for a name that is."""
    name = printable(name).strip()
    if name.startswith("silence: "):
        return f"in silence: {in_words(name.removeprefix('silence: '))}"
    features, colon, values = name.partition(": ")
    if colon and " × " in features:
        pairs = list(zip(features.split(" × "), values.split(" × "), strict=False))
        whole = len(pairs) == values.count(" × ") + 1 == features.count(" × ") + 1
        return ", ".join(_phrase(feature, value) for feature, value in pairs) if whole else _plain(name)
    feature, _, value = name.partition(" ")
    return _phrase(feature, value) if value and not value.startswith("×") else _plain(name)


def _phrase(feature: str, value: str) -> str:
    """One feature with its value."""
    value = _SAME_UNIT.sub(r"\1–\3 \2", value).replace(" – ", "–" if re.fullmatch(r"[\d.]+ – [\d.]+", value) else " – ")
    counter = _COUNTER.fullmatch(feature)
    if counter and counter[1] in _KINDS:
        return _faded(*_KINDS[counter[1]], value, f"{counter[2]} {counter[3]}")
    family, _, kind = feature.partition(".")
    if kind in _KINDS and family in ("session", "recency"):
        one, many = _KINDS[kind]
        if family == "recency":
            return f"no {one} yet" if value in _NOTHING else f"{one} {value} ago"
        return f"no {many} this visit" if value in _NOTHING else f"{value} {one if value == '1' else many} this visit"
    if f"{feature} {value}" in _OF_ONE:
        return _OF_ONE[f"{feature} {value}"]
    if value in _NOTHING and feature in _OF_NONE:
        return _OF_NONE[feature]
    if feature in _FORMS:
        return _FORMS[feature].format(_plain(value) if feature.startswith("event") else value)
    return _plain(f"{feature} {value}")


def _faded(one: str, many: str, value: str, half_life: str) -> str:
    """A count that fades by half in `half_life`, in whole numbers: "about 2 cart adds in 1 d"."""
    if value in _NOTHING:
        return f"no {many} in {half_life}"
    edges = re.fullmatch(r"([\d.]+)–([\d.]+)", value)
    if edges is None:
        return f"{value} {one if value == '1' else many} in {half_life}"
    low, high = float(edges[1]), float(edges[2])
    if high <= _FADED:
        return f"{many} some time ago ({half_life})"
    first, last = math.ceil(max(low, 1.0)), math.floor(high)
    if first >= last:
        return f"about {first} {one if first == 1 else many} in {half_life}"
    return f"{first}–{last} {many} in {half_life}"


def _plain(text: str) -> str:
    return text.replace("_", " ").strip() or text
