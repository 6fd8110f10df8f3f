"""A plain reading of a stream: one event at a time, in ordinary Python, sharing no code with the core but the watermark's verdicts and JSON.

It says who was silent when, who is forgotten, what was counted, and which event of a day was drawn; outcomes are read off the raw events afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tests.core.shops import DAY_MS, Value, records
from worker.core.event_time.watermark import Watermark
from worker.core.events.names import EVENT_NAMES
from worker.core.settings import CoreSettings

HALF_LIVES_MS = tuple(minutes * 60_000 for minutes in (5, 60, 1440, 7 * 1440, 28 * 1440))
KINDS = {
    **dict.fromkeys(("page_view", "screen_view"), "page_view"),
    **dict.fromkeys(("user_engagement", "scroll"), "engagement"),
    **dict.fromkeys(("view_item_list", "select_item"), "select_item"),
    **dict.fromkeys(("view_promotion", "select_promotion"), "promotion"),
    **dict.fromkeys(("search", "view_search_results"), "search"),
    **dict.fromkeys(("view_cart", "remove_from_cart", "add_to_wishlist"), "view_cart"),
    **dict.fromkeys(("add_shipping_info", "add_payment_info"), "payment_info"),
    **{name: name for name in ("view_item", "add_to_cart", "begin_checkout", "purchase")},
}


@dataclass
class Event:
    """An event that counted: neither late nor a duplicate."""

    user: str
    time_ms: int
    name: str
    offset: int
    reached_ms: int  # the watermark when it was processed
    order: str
    life: int  # how many users had been forgotten when this user was first seen
    kind: str = "other"
    overtaken: bool = False  # the user had a later event before it


@dataclass
class User:
    """What is remembered of one user, from the first event after having been forgotten on."""

    born: int
    events: list[Event] = field(default_factory=list)
    ids: list[str] = field(default_factory=lambda: [""] * 6)  # the latest event ids, one place an event
    orders: list[tuple[str, int]] = field(default_factory=lambda: [("", 0)] * 3)  # standing orders with their times
    last_ms: int = 0
    fired: int = 0  # marks of silence since the latest event
    session_start_ms: int = 0
    session: str = ""
    sessions: int = 0
    in_session: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Reading:
    """The stream, read to its end."""

    def __init__(self, values: Sequence[Value], settings: CoreSettings, ends: bool = True) -> None:
        self.settings = settings
        self.users: dict[str, User] = {}
        self.silences: list[tuple[str, int, int]] = []  # user, time, offset of the event before
        self.counted: list[Event] = []
        self.duplicates = 0
        self.forgotten: list[str] = []
        events = records(values)
        watermark = Watermark(settings.events.jump_ms, settings.events.allowed_lateness_ms, settings.events.future_tolerance_ms)
        times = np.array([record["timestamp"] for _, record in events], dtype=np.int64)
        verdicts = [watermark.admit([record["user_id"] for _, record in events], times, None)]
        if ends:
            verdicts.append(watermark.finish(times))
        self.late = sum(len(verdict.late) for verdict in verdicts)
        self.future = sum(len(verdict.future) for verdict in verdicts)
        for verdict in verdicts:
            for number, reached_ms in zip(verdict.order.tolist(), verdict.watermark_ms.tolist(), strict=True):
                offset, record = events[number]
                self._take(record, offset, reached_ms)
        self.end_ms = watermark.value
        self.pass_time(self.end_ms)

    def pass_time(self, watermark_ms: int) -> None:
        """Fire the silences before this watermark and forget whoever was silent for too long."""
        marks_ms, time_to_live_ms = self.settings.silence.marks_ms, self.settings.profiles.time_to_live_ms
        for name, user in list(self.users.items()):
            while user.fired < len(marks_ms) and user.last_ms + marks_ms[user.fired] < watermark_ms:
                self.silences.append((name, user.last_ms + marks_ms[user.fired], user.events[-1].offset))
                user.fired += 1
            if user.last_ms + time_to_live_ms < watermark_ms:
                del self.users[name]
                self.forgotten.append(name)

    def _take(self, record: dict[str, Any], offset: int, reached_ms: int) -> None:
        self.pass_time(reached_ms)
        name = record["event"] if record["event"] in EVENT_NAMES else "other"
        user = self.users.setdefault(record["user_id"], User(len(self.forgotten)))
        event = Event(record["user_id"], record["timestamp"], name, offset, reached_ms, record.get("order_id", ""), user.born, KINDS.get(name, "other"))
        event_id = record.get("event_id", "")
        if event_id and event_id in user.ids:
            self.duplicates += 1
            return
        if event_id:
            user.ids[len(user.events) % len(user.ids)] = event_id
        self._session(user, event, record.get("session_id", ""))
        trade(user.orders, event)
        if event.time_ms >= user.session_start_ms:
            user.in_session[event.kind] += 1
        event.overtaken = event.time_ms < user.last_ms
        if event.time_ms > user.last_ms:
            user.last_ms, user.fired = event.time_ms, 0
        user.events.append(event)
        self.counted.append(event)

    def _session(self, user: User, event: Event, session: str) -> None:
        if event.time_ms < user.last_ms:
            return
        if not user.events or event.time_ms - user.last_ms > self.settings.profiles.session_gap_ms or (session and session != user.session):
            user.session_start_ms, user.session = event.time_ms, session
            user.sessions += 1
            user.in_session.clear()

    def counters(self, user: User) -> dict[str, list[float]]:
        """The decayed counts of each kind at the user's latest event, summed over every event there was."""
        out: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(HALF_LIVES_MS))
        for event in user.events:
            for number, half_life_ms in enumerate(HALF_LIVES_MS):
                out[event.kind][number] += 0.5 ** ((user.last_ms - event.time_ms) / half_life_ms)
        return out

    def drawn(self, seed: int) -> dict[int, Event]:
        """The day's decision of every user and day, by offset: the last event of the millisecond in which the smallest draw fell."""
        days: dict[tuple[str, int], list[Event]] = defaultdict(list)
        for event in self.counted:
            # What comes after its day has ended cannot change the day's decision, and what was overtaken knows what came after it.
            if event.time_ms // DAY_MS == event.reached_ms // DAY_MS and not event.overtaken:
                days[event.user, event.time_ms // DAY_MS].append(event)
        out: dict[int, Event] = {}
        for events in days.values():
            smallest = min(events, key=lambda event: splitmix64(event.offset, seed))
            speaker = [event for event in events if event.time_ms == smallest.time_ms][-1]
            out[speaker.offset] = speaker
        return out

    def happened(self, user: str, time_ms: int, outcome: str, delay_ms: int, horizon_ms: int) -> bool:
        """Whether the outcome is among the user's events in (time + delay, time + delay + horizon], as known when that window closed."""
        opens_ms, closes_ms = time_ms + delay_ms, time_ms + delay_ms + horizon_ms
        known = [event for event in self.counted if event.user == user and event.reached_ms <= closes_ms]
        if outcome == "any":
            return any(opens_ms < event.time_ms <= closes_ms for event in known)
        if outcome != "purchase":
            return any(opens_ms < event.time_ms <= closes_ms for event in known if event.name == outcome)
        orders = [("", 0)] * 3
        for event in known:
            if event.life == known[-1].life:  # what came before the user was forgotten is forgotten
                trade(orders, replace(event, kind=KINDS.get(event.name, "other")))
        return any(opens_ms < placed_ms <= closes_ms for _, placed_ms in orders)


def trade(orders: list[tuple[str, int]], event: Event) -> None:
    """Place or take back an order; three are remembered. A further line of a standing order is an event of kind "other"."""
    times = [placed_ms for _, placed_ms in orders]
    if event.kind == "purchase":
        if event.order and event.order in [order for order, placed_ms in orders if placed_ms]:
            event.kind = "other"
            return
        orders[times.index(min(times))] = (event.order, event.time_ms)
    elif event.name == "refund":
        for number, (order, placed_ms) in enumerate(orders):
            if placed_ms and (order == event.order if event.order else placed_ms == max(times)):
                orders[number] = ("", 0)
                return


def splitmix64(key: int, seed: int) -> int:
    """The 64-bit number behind a draw (Steele, Lea and Flood 2014), of key and seed."""
    mask = 2**64 - 1
    x = (key * 0x9E3779B97F4A7C15 + seed * 0x94D049BB133111EB + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & mask
    return (x ^ x >> 31) >> 11
