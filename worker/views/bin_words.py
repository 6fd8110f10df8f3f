"""Bins in a person's words: "add_to_cart.1h 1–2" is said "1–2 cart adds in 1 h". A name that is not known is shown as it is, without underscores."""

from __future__ import annotations

import re

from worker.views.figures import printable

_MANY = {
    "other": "other events",
    "page_view": "page views",
    "engagement": "signs of interest",
    "view_item": "item views",
    "select_item": "list views",
    "promotion": "promotions",
    "search": "searches",
    "add_to_cart": "cart adds",
    "view_cart": "cart views",
    "begin_checkout": "checkouts",
    "payment_info": "payment steps",
    "purchase": "purchases",
    "events": "events",
}
_ONE = {
    "other": "other event",
    "page_view": "page view",
    "engagement": "sign of interest",
    "view_item": "item view",
    "select_item": "list view",
    "promotion": "promotion",
    "search": "search",
    "add_to_cart": "cart add",
    "view_cart": "cart view",
    "begin_checkout": "checkout",
    "payment_info": "payment step",
    "purchase": "purchase",
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
    "discount": "discount {}",
    "purchases": "{} purchases before",
    "spend": "{} spent before",
    "categories": "{} categories seen",
    "hour": "hour {}",
    "event": "now: {}",
    "event_before": "before: {}",
    "path_before": "came from {}",
}
_FORMS_OF_ONE = {
    "events": "first event",
    "session.paths": "1 page this visit",
    "session.item_again": "same item once",
    "sessions": "first visit",
    "days": "first day here",
    "events_per_session": "1 event a visit",
    "purchases": "1 purchase before",
    "categories": "1 category seen",
}
_COUNTER = re.compile(r"(\w+)\.(\d+)(min|h|d)")


def in_words(name: str) -> str:
    """The bin's name as a short phrase; never empty for a name that is not, and free of control characters."""
    feature, _, value = printable(name).strip().partition(" ")
    if not value or value.startswith("×"):
        return _plain(printable(name))
    counter = _COUNTER.fullmatch(feature)
    if counter and counter[1] in _MANY:
        return f"{value} {_noun(counter[1], value)} in {counter[2]} {counter[3]}"
    family, _, kind = feature.partition(".")
    if family == "session" and kind in _MANY:
        return f"{value} {_noun(kind, value)} this visit"
    if family == "recency" and kind in _ONE:
        return f"{_ONE[kind]} {value} ago"
    if value == "1" and feature in _FORMS_OF_ONE:
        return _FORMS_OF_ONE[feature]
    if feature in _FORMS:
        return _FORMS[feature].format(_plain(value) if feature.startswith("event") else value)
    return _plain(f"{feature} {value}")


def _noun(kind: str, value: str) -> str:
    return _ONE.get(kind, _MANY[kind]) if value == "1" else _MANY[kind]


def _plain(text: str) -> str:
    return text.replace("_", " ").strip() or text
