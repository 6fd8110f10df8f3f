"""Events as they go over the wire: one JSON object each, put together from parts that are written once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import orjson

from worker.demo.behaviour import DEVICES, NODES, Floats
from worker.demo.goods import CATEGORIES, COUNTRIES, ITEMS_PER_CATEGORY, MEDIA, Details
from worker.demo.walk import Ints

_PLACES = {
    "search": "/search",
    "promotion": "/sale",
    "keen_search": "/search",
    "view_cart": "/cart",
    "checkout": "/checkout",
    "shipping": "/checkout/shipping",
    "payment": "/checkout/payment",
    "purchase": "/checkout/done",
    "thanks": "/checkout/thanks",
}
_BUYING = NODES.index(next(node for node in NODES if node.name == "purchase"))
_REFUND = NODES.index(next(node for node in NODES if node.name == "refund"))
_SEARCH = frozenset(number for number, node in enumerate(NODES) if node.event == "search")
_SCROLL = frozenset(number for number, node in enumerate(NODES) if node.event == "user_engagement")
_OTHER_EVERY = 12  # every so many signs of engagement one carries a name that is this shop's own


def user_name(who: int) -> str:
    """A customer's user_id."""
    return f"u{who:06d}"


class Wire:
    """Writes events of known customers and items."""

    def __init__(self, prices: Floats, kind: Ints, country: Ints) -> None:
        self._items = [_item(number, float(price)) for number, price in enumerate(prices)]
        self._lists = [_fields({"item_category": name, "path": f"/c/{name}"}) for name in CATEGORIES]
        self._places = [_fields({"path": _PLACES.get(node.name, "/")}) for node in NODES]
        self._names = [_fields({"event": node.event}) for node in NODES]
        self._media = [_fields({"medium": name}) for name in MEDIA]
        self._lands = [[_fields({"country": name, "device": device}) for device in DEVICES] for name in COUNTRIES]
        self._kind, self._country = kind, country

    def write(self, who: Ints, node: Ints, time_ms: Ints, details: Details) -> Iterator[tuple[str, str, bytes]]:
        """(user_id, event_id, value) of each event."""
        device, country = (self._kind[who] % len(DEVICES)).tolist(), self._country[who].tolist()
        columns = (details.item, details.category, details.quantity, details.revenue, details.session, details.order, details.medium, details.number)
        rows = zip(who.tolist(), node.tolist(), time_ms.tolist(), country, device, *(column.tolist() for column in columns), strict=True)
        for customer, place, at_ms, land, machine, item, category, quantity, revenue, session, order, medium, number in rows:
            user, event_id = f"u{customer:06d}", f"e{customer:06d}-{number}"
            if place == _REFUND:  # booked by the back office, which has its own habits
                yield user, event_id, _refund(user, event_id, at_ms, order, customer, revenue)
                continue
            if place == _BUYING:
                seen = f'{self._places[place]}"order_id":"o{customer:06d}-{order}","revenue":{revenue},"quantity":{quantity},"currency":"EUR",'
            elif item >= 0:
                seen = f'{self._items[item]}"quantity":{quantity},' if quantity > 1 else self._items[item]
            elif category >= 0:
                seen = self._lists[category]
            elif place in _SEARCH:
                seen = f'{self._places[place]}"search_term":"{CATEGORIES[(customer + session) % len(CATEGORIES)]}",'
            else:
                seen = self._places[place]
            name = '"event":"size_guide_opened",' if place in _SCROLL and number % _OTHER_EVERY == 0 else self._names[place]
            yield (
                user,
                event_id,
                f'{{"event_id":"{event_id}",{name}"user_id":"{user}","session_id":"s{customer:06d}-{session}","timestamp":{at_ms},'
                f"{seen}{self._lands[land][machine]}{self._media[medium][:-1]}}}".encode(),
            )


def _fields(values: dict[str, str | float]) -> str:
    """JSON members, each followed by a comma."""
    return orjson.dumps(values).decode()[1:-1] + ","


def _item(number: int, price: float) -> str:
    """One item in five is on sale, at its category's price less a tenth."""
    category = CATEGORIES[number // ITEMS_PER_CATEGORY]
    name = f"{category}-{number % ITEMS_PER_CATEGORY:02d}"
    values: dict[str, str | float] = {"item_id": name, "item_category": category, "price": price, "currency": "EUR", "path": f"/p/{name}"}
    if number % 5 == 0:
        values["discount"] = round(price / 10, 2)
    return _fields(values)


def _refund(user: str, event_id: str, at_ms: int, order: int, customer: int, revenue: float) -> bytes:
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    refund = {"event_id": event_id, "event": "refund", "user_id": user, "timestamp": at, "order_id": f"o{customer:06d}-{order}", "revenue": revenue}
    return orjson.dumps(refund | {"currency": "EUR", "source": "back office"})
