"""How the shop's customers behave: a Markov chain in continuous time, one a kind of customer.

A kind is a temperament (how often they come, how readily they buy) on a device. Within a visit the chain walks over nodes,
and entering a node is one event. Between visits it waits in away states (hot, warm, cold) from which people return ever more
slowly, until they are gone. A waiting customer's rates follow the hour and the weekday, a visiting one's do not.
Everything that decides the future is in the pair (kind, state) and the time of the week, so that `truth` can work out the
true probabilities; items, prices, countries and media only tell of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SECOND_MS, HOUR_MS, DAY_MS, WEEK_MS = 1_000, 3_600_000, 86_400_000, 604_800_000
SLOT_MS = 1_800_000
SLOTS = WEEK_MS // SLOT_MS
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday; Monday is 0


@dataclass(frozen=True, slots=True)
class Node:
    """A place in a visit. Entering it is one event; `kept` says that there is a cart, `shown` what of the shop is seen."""

    name: str
    event: str
    dwell_s: float
    kept: bool = False
    shown: str = ""  # "" nothing, "list" a category, "new" another item than before, "same" the item last seen


NODES = (
    Node("start", "session_start", 4),
    Node("start_cart", "session_start", 4, kept=True),
    Node("home", "page_view", 20),
    Node("list", "view_item_list", 30, shown="list"),
    Node("search", "search", 25),
    Node("view", "view_item", 40, shown="new"),
    Node("scroll", "user_engagement", 25, shown="same"),
    Node("keen_list", "view_item_list", 35, shown="list"),
    Node("keen_search", "search", 25),
    Node("keen_view", "view_item", 60, shown="new"),
    Node("keen_scroll", "user_engagement", 45, shown="same"),
    Node("wish", "add_to_wishlist", 20, shown="same"),
    Node("promotion", "view_promotion", 20),
    Node("add", "add_to_cart", 20, kept=True, shown="same"),
    Node("cart_list", "view_item_list", 30, kept=True, shown="list"),
    Node("cart_view", "view_item", 50, kept=True, shown="new"),
    Node("view_cart", "view_cart", 35, kept=True),
    Node("remove", "remove_from_cart", 15, kept=True, shown="same"),
    Node("checkout", "begin_checkout", 50, kept=True),
    Node("shipping", "add_shipping_info", 60, kept=True),
    Node("payment", "add_payment_info", 45, kept=True),
    Node("purchase", "purchase", 12, kept=True),
    Node("thanks", "page_view", 30),
    Node("refund", "refund", 20),
)
AWAY = ("hot", "warm", "cold", "cart_hot", "cart_warm", "bought_hot", "bought_warm")
STAGES = ("fresh", "known")


@dataclass(frozen=True, slots=True)
class Temperament:
    """A sort of person. Rates are per day of the average season; the others are chances within a visit."""

    name: str
    share: float
    visits: float
    """Returns per day while hot."""
    cooling: float
    """Moves per day from hot to warm; half as fast from warm to cold."""
    keen: float
    """Chance that a look at an item makes them keen."""
    cart: float
    """Chance that a keen look ends in the cart."""
    finish: float
    """How readily a checkout is carried on, 1 being the most."""


TEMPERAMENTS = (
    Temperament("passing", 0.58, 0.22, 1.00, 0.04, 0.04, 0.58),
    Temperament("browsing", 0.23, 0.60, 0.30, 0.07, 0.035, 0.62),
    Temperament("comparing", 0.12, 0.50, 0.45, 0.15, 0.10, 0.72),
    Temperament("regular", 0.055, 0.36, 0.16, 0.22, 0.14, 0.84),
    Temperament("devoted", 0.015, 0.60, 0.09, 0.30, 0.18, 0.94),
)
DEVICES = ("desktop", "mobile")
_HASTE = {"desktop": 1.0, "mobile": 0.75}  # dwell times on a phone are shorter, and checkouts end sooner
_PATIENCE = {"desktop": 1.0, "mobile": 0.86}
KINDS = tuple((temperament, device) for temperament in TEMPERAMENTS for device in DEVICES)


def _paths(person: Temperament, patience: float) -> dict[str, dict[str, float]]:
    """Chances of the next node; what is left over to 1 is the end of the visit."""
    keen, cart, go = person.keen, person.cart, person.finish * patience
    look = 1 - keen
    return {
        "start": {"home": 0.34, "list": 0.20, "search": 0.08, "view": 0.22 * look, "keen_view": 0.22 * keen + 0.04, "promotion": 0.10},
        "start_cart": {"home": 0.16, "view_cart": 0.38, "cart_view": 0.26, "cart_list": 0.16},
        "home": {"list": 0.34, "search": 0.14, "view": 0.12, "promotion": 0.06},
        "list": {"view": 0.50 * look, "keen_view": 0.50 * keen, "list": 0.18, "search": 0.06},
        "search": {"view": 0.52 * look, "keen_view": 0.52 * keen, "search": 0.16, "list": 0.08},
        "view": {"scroll": 0.30, "list": 0.20, "view": 0.16 * look, "keen_view": 0.16 * keen, "keen_scroll": 0.06 * keen},
        "scroll": {"view": 0.30 * look, "keen_view": 0.30 * keen, "list": 0.18, "home": 0.06},
        "keen_list": {"keen_view": 0.72, "keen_search": 0.06, "list": 0.08},
        "keen_search": {"keen_view": 0.70, "keen_list": 0.12, "list": 0.06},
        "keen_view": {"add": cart, "keen_scroll": 0.34 - cart / 3, "keen_view": 0.16, "keen_list": 0.18, "wish": 0.05, "view": 0.06},
        "keen_scroll": {"add": cart, "keen_view": 0.36, "keen_list": 0.16, "wish": 0.04, "home": 0.04},
        "wish": {"keen_view": 0.46, "keen_list": 0.18, "home": 0.06},
        "promotion": {"list": 0.24, "view": 0.26 * look, "keen_view": 0.26 * keen + 0.05, "home": 0.08},
        "add": {"view_cart": 0.32, "cart_view": 0.26, "cart_list": 0.14, "checkout": 0.16 * go},
        "cart_list": {"cart_view": 0.62, "view_cart": 0.14, "cart_list": 0.06},
        "cart_view": {"add": cart, "cart_view": 0.18, "cart_list": 0.18, "view_cart": 0.18, "checkout": 0.04 * go},
        "view_cart": {"checkout": 0.42 * go, "cart_view": 0.14, "cart_list": 0.10, "remove": 0.08},
        "remove": {"keen_view": 0.24, "keen_list": 0.18, "home": 0.12},
        "checkout": {"shipping": 0.74 * go, "view_cart": 0.10, "checkout": 0.03},
        "shipping": {"payment": 0.84 * go, "checkout": 0.05},
        "payment": {"purchase": 0.92 * go, "payment": 0.04},
        "purchase": {"thanks": 0.85},
        "thanks": {},
        "refund": {},
    }


def _waits(person: Temperament, stage: str, refunds: float) -> dict[str, dict[str, float]]:
    """Rates per day of the average season out of each away state; a newcomer cools twice as fast as one who came before."""
    visits, cooling = person.visits, person.cooling * (2.0 if stage == "fresh" else 1.0)
    return {
        "hot": {"start": visits, "warm": cooling},
        "warm": {"start": visits / 4, "cold": cooling / 2},
        "cold": {"start": visits / 25, "gone": cooling / 5},
        "cart_hot": {"start_cart": visits * 1.6, "cart_warm": cooling},
        "cart_warm": {"start_cart": visits / 3, "cold": cooling / 2},
        "bought_hot": {"start": visits / 2, "bought_warm": cooling + 0.10, "refund": 0.015 * refunds},
        "bought_warm": {"start": visits / 5, "cold": cooling / 4 + 0.02, "refund": 0.006 * refunds},
    }


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """The chains of all kinds over one list of states; arrays are float64.

    `jumps` [kinds, states, states]: chance of each next state. `rates` [kinds, states]: moves per millisecond, for waiting states
    (`waits`) per millisecond of the average season. `node` [states]: index into NODES, -1 where no event happens.
    """

    names: tuple[str, ...]
    jumps: Floats
    rates: Floats
    waits: NDArray[np.bool_]
    node: NDArray[np.int64]
    index: dict[str, int] = field(default_factory=dict)


@cache
def behaviour(refunds: float = 1.0) -> Behaviour:
    """The chains, built once; `refunds` makes them so many times as frequent."""
    names = tuple(f"{stage}/{node.name}" for stage in STAGES for node in NODES) + tuple(f"{stage}/{away}" for stage in STAGES for away in AWAY) + ("gone",)
    index = {name: number for number, name in enumerate(names)}
    jumps = np.zeros((len(KINDS), len(names), len(names)))
    rates = np.zeros((len(KINDS), len(names)))
    for number, (person, device) in enumerate(KINDS):
        for stage in STAGES:
            _fill_visits(jumps[number], rates[number], index, person, device, stage)
            _fill_waits(jumps[number], rates[number], index, person, stage, refunds)
    node = np.array([NODE_INDEX.get(name.partition("/")[2], -1) for name in names])
    return Behaviour(names, jumps, rates, node < 0, node, index)


def _fill_visits(jumps: Floats, rates: Floats, index: dict[str, int], person: Temperament, device: str, stage: str) -> None:
    """Nodes of a visit. A fresh visitor who leaves is known from then on, more often than not, and may be as good as gone."""
    for name, onward in _paths(person, _PATIENCE[device]).items():
        node, row = NODES[NODE_INDEX[name]], index[f"{stage}/{name}"]
        rates[row] = 1 / (node.dwell_s * _HASTE[device] * SECOND_MS)
        for target, chance in onward.items():
            jumps[row, index[f"{stage}/{target}"]] += chance
        left = 1 - sum(onward.values())
        if left < -1e-12:
            raise ValueError(f"the chances out of {name} add up to more than 1 for {person.name}")
        memory = "bought_" if name in {"purchase", "thanks"} else "cart_" if node.kept and name != "remove" else ""
        if stage == "known":
            ends = {f"known/{memory}hot": 1.0}
        else:
            ends = {f"known/{memory}hot": 0.55, f"fresh/{memory}hot": 0.15, "fresh/cold": 0.30} if not memory else {f"known/{memory}hot": 1.0}
        for target, chance in ends.items():
            jumps[row, index[target]] += max(left, 0.0) * chance


def _fill_waits(jumps: Floats, rates: Floats, index: dict[str, int], person: Temperament, stage: str, refunds: float) -> None:
    """States between visits."""
    for name, onward in _waits(person, stage, refunds).items():
        row, total = index[f"{stage}/{name}"], sum(onward.values())
        rates[row] = total / DAY_MS
        for target, per_day in onward.items():
            jumps[row, index["gone" if target == "gone" else f"{stage}/{target}"]] += per_day / total


NODE_INDEX = {node.name: number for number, node in enumerate(NODES)}


@cache
def season() -> Floats:
    """How busy each half hour of the week is, from Monday 0:00 in UTC: float64[336], mean 1, in few levels so that each is worked out once."""
    hours = (np.arange(SLOTS) * SLOT_MS / HOUR_MS + 1) % 24  # the shop's customers live an hour ahead of UTC
    day = 0.10 + np.exp(-(((hours - 20) / 3.2) ** 2)) + 0.65 * np.exp(-(((hours - 12.5) / 3.5) ** 2)) + np.exp(-(((hours + 4) / 3.2) ** 2))
    weekday = np.repeat([1.0, 1.0, 0.96, 0.98, 0.92, 1.06, 1.24], SLOTS // 7)
    busy = day * weekday
    levels = np.maximum(np.round(busy / busy.mean() * 12), 1)
    return np.asarray(levels / levels.mean(), dtype=np.float64)


def week_position_ms(time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Milliseconds since the last Monday 0:00 UTC, for epoch milliseconds."""
    return np.asarray((time_ms + _EPOCH_WEEKDAY * DAY_MS) % WEEK_MS, dtype=np.int64)


def after_wait(time_ms: NDArray[np.int64], wait_ms: Floats) -> NDArray[np.int64]:
    """int64[n] epoch milliseconds: when a wait of `wait_ms` of the average season ends that began at `time_ms`."""
    edges, busy = np.arange(SLOTS + 1) * float(SLOT_MS), np.concatenate([[0.0], np.cumsum(season())]) * SLOT_MS
    position = week_position_ms(time_ms)
    weeks, rest = np.divmod(np.interp(position, edges, busy) + wait_ms, WEEK_MS)
    return np.asarray(time_ms - position + weeks.astype(np.int64) * WEEK_MS + np.interp(rest, busy, edges).astype(np.int64), dtype=np.int64)


def settled(mean_age_ms: float) -> Floats:
    """float64[kinds, states]: where those are who first came long ago, in an average season; what is missing to 1 are the gone and the visiting.

    Ages are exponential with the given mean, so that the distribution is a resolvent of the chain: start · (1 − mean age · flow)⁻¹.
    """
    chain = behaviour()
    states = len(chain.names)
    flow = chain.jumps * chain.rates[..., None] - np.eye(states) * chain.rates[:, None, :]
    start = np.zeros(states)
    start[chain.index["fresh/start"]] = 1.0
    everyone = np.linalg.solve(np.swapaxes(np.eye(states) - mean_age_ms * flow, 1, 2), np.broadcast_to(start[:, None], (len(KINDS), states, 1)))[..., 0]
    here = [
        chain.index[f"{stage}/{name}"] for stage in STAGES for name in ("hot", "warm", "cold")
    ]  # with empty hands: carts were filled in the shop's own time
    result = np.zeros_like(everyone)
    result[:, here] = everyone[:, here]
    return result
