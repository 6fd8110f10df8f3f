"""What the customers see, carry and pay: the details of an event, which tell of the customer's kind and state but decide nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from worker.demo.behaviour import KINDS, NODES, TEMPERAMENTS, Floats, behaviour
from worker.demo.walk import Ints, Wave

CATEGORIES = ("tents", "boots", "packs", "jackets", "sleeping-bags", "stoves", "lamps", "ropes", "maps", "bottles", "socks", "gloves")
_TYPICAL_PRICE = (220.0, 150.0, 110.0, 180.0, 160.0, 70.0, 45.0, 95.0, 14.0, 24.0, 16.0, 35.0)
ITEMS_PER_CATEGORY = 40
COUNTRIES = ("DE", "FR", "GB", "NL", "AT", "PL", "US", "ES")
MEDIA = ("organic", "cpc", "(none)", "email", "social", "referral")
_COUNTRY_BY_TEMPERAMENT = np.array(
    [
        [0.24, 0.12, 0.14, 0.08, 0.05, 0.11, 0.18, 0.08],
        [0.30, 0.14, 0.15, 0.10, 0.06, 0.09, 0.09, 0.07],
        [0.34, 0.14, 0.15, 0.11, 0.08, 0.07, 0.05, 0.06],
        [0.40, 0.13, 0.14, 0.13, 0.10, 0.04, 0.02, 0.04],
        [0.44, 0.12, 0.13, 0.14, 0.11, 0.03, 0.01, 0.02],
    ]
)
_MEDIUM_BY_TEMPERAMENT = np.array(
    [
        [0.34, 0.32, 0.06, 0.01, 0.21, 0.06],
        [0.36, 0.14, 0.20, 0.07, 0.17, 0.06],
        [0.38, 0.22, 0.18, 0.10, 0.06, 0.06],
        [0.26, 0.10, 0.34, 0.22, 0.04, 0.04],
        [0.16, 0.05, 0.44, 0.30, 0.02, 0.03],
    ]
)


@dataclass(slots=True)
class Details:
    """Columns beside a wave's events, [n] each: category and item are -1 where nothing is shown; money is in euros, NaN where none."""

    item: Ints
    category: Ints
    quantity: Ints
    revenue: Floats
    session: Ints
    order: Ints
    medium: Ints
    number: Ints
    """How many events this customer has had, this one included."""


def catalogue(random: Generator) -> Floats:
    """Prices of all items, float64[categories * 40], rising within a category."""
    spread = np.sort(np.exp(random.normal(0, 0.45, (len(CATEGORIES), ITEMS_PER_CATEGORY))), axis=1)
    return np.asarray(np.maximum(np.round(spread * np.array(_TYPICAL_PRICE)[:, None], 1), 1.0).ravel(), dtype=np.float64)


class Shoppers:
    """What each customer is and carries: [customers] columns, changed wave by wave."""

    def __init__(self, kind: Ints, prices: Floats, random: Generator) -> None:
        customers = len(kind)
        self._random, self._prices = random, prices
        self._temperament = np.array([TEMPERAMENTS.index(person) for person, _ in KINDS])[kind]
        self.country = _draw(random, _COUNTRY_BY_TEMPERAMENT[self._temperament])
        self._favourite = random.integers(len(CATEGORIES), size=customers)
        self._taste = np.clip(random.normal(0.35 + 0.08 * self._temperament, 0.18), 0, 1)  # those who buy more look at dearer things
        self._item, self._category = np.full(customers, -1), np.zeros(customers, np.int64)
        self._cart, self._cart_items, self._paid = np.zeros(customers), np.zeros(customers, np.int64), np.zeros(customers)
        self._session, self._order, self._number, self._medium = (np.zeros(customers, np.int64) for _ in range(4))
        self._node = behaviour().node
        self._kept, self._shown = np.array([node.kept for node in NODES]), np.array([node.shown for node in NODES])
        self._keen = np.array([node.kept or node.name.startswith("keen") for node in NODES])
        self._name = np.array([node.name for node in NODES])

    def act(self, wave: Wave) -> Details:
        """Let each customer of the wave do what the node says, and describe it."""
        who, node = wave.who, self._node[wave.state]
        name, shown = self._name[node], self._shown[node]
        self._number[who] += 1
        arrived = who[(name == "start") | (name == "start_cart")]
        self._session[arrived] += 1
        self._medium[arrived] = _draw(self._random, _MEDIUM_BY_TEMPERAMENT[self._temperament[arrived]])
        self._look(who[(shown == "new") | (shown == "list")], self._keen[node[(shown == "new") | (shown == "list")]])
        self._pick(who[(shown == "new") | ((shown == "same") & (self._item[who] < 0))])
        empty = who[~self._kept[node]]
        self._cart[empty], self._cart_items[empty] = 0.0, 0
        seen = (shown == "new") | (shown == "same")
        quantity, revenue = np.where(seen, 1, 0), np.full(len(who), np.nan)
        self._trade(who, name, quantity, revenue)
        ordered = (name == "purchase") | (name == "refund")
        return Details(
            item=np.where(seen, self._item[who], -1),
            category=np.where(seen | (shown == "list"), self._category[who], -1),
            quantity=quantity,
            revenue=revenue,
            session=self._session[who],
            order=np.where(ordered, self._order[who], 0),
            medium=self._medium[who],
            number=self._number[who],
        )

    def _look(self, who: Ints, keen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        """Turn to a category: those who are keen mostly to the one they love."""
        loyal = self._random.random(len(who)) < np.where(keen, 0.86, 0.28)
        self._category[who] = np.where(loyal, self._favourite[who], self._random.integers(len(CATEGORIES), size=len(who)))

    def _pick(self, who: Ints) -> None:
        """Look at an item of the category, priced to the customer's taste."""
        place = np.clip(self._taste[who] + self._random.normal(0, 0.2, len(who)), 0, 0.999)
        self._item[who] = self._category[who] * ITEMS_PER_CATEGORY + (place * ITEMS_PER_CATEGORY).astype(np.int64)

    def _trade(self, who: Ints, name: np.ndarray[tuple[int], np.dtype[np.str_]], quantity: Ints, revenue: Floats) -> None:
        """Carts filled, emptied, paid and refunded; `quantity` and `revenue` are filled in."""
        add, remove, buy, back = (name == word for word in ("add", "remove", "purchase", "refund"))
        quantity[add] = np.where(self._random.random(int(add.sum())) < 0.12, 2, 1)
        self._cart[who[add]] += self._prices[self._item[who[add]]] * quantity[add]
        self._cart_items[who[add]] += quantity[add]
        quantity[remove] = np.maximum(self._cart_items[who[remove]], 1)
        quantity[buy] = np.maximum(self._cart_items[who[buy]], 1)
        self._order[who[buy]] += 1
        self._paid[who[buy]] = np.round(self._cart[who[buy]], 2)
        revenue[buy | back] = self._paid[who[buy | back]]
        done = who[remove | buy]
        self._cart[done], self._cart_items[done] = 0.0, 0


def _draw(random: Generator, chances: Floats) -> Ints:
    """int64[n]: one choice a row of chances [n, choices]."""
    limits = np.cumsum(chances, axis=1)
    return np.asarray(np.minimum((random.random(len(chances))[:, None] >= limits).sum(axis=1), chances.shape[1] - 1), dtype=np.int64)
