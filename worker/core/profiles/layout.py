"""The columns of a profile: what is remembered of one user, as one row of float64.

A row is the whole of a user's state, so a changelog record is the row's bytes and a restored row equals the live one byte for byte.
Whole numbers up to 2^53 (times in epoch milliseconds, 52-bit hashes, counts) are exact in float64. 0 means "never" or "none" unless said otherwise.
Columns are only ever appended, and LAYOUT_VERSION goes up with every change of meaning: it is written into each changelog record.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.core.settings import DAY_MS, HOUR_MS, MINUTE_MS

LAYOUT_VERSION = 1

HALF_LIVES_MS: NDArray[np.float64] = np.array([5 * MINUTE_MS, HOUR_MS, DAY_MS, 7 * DAY_MS, 28 * DAY_MS], dtype=np.float64)
HALF_LIFE_NAMES = ("5 min", "1 h", "1 d", "7 d", "28 d")

# Event names are counted in groups: enough to tell intents apart, few enough to keep a profile under 1 KiB.
KINDS = (
    "other",
    "page_view",
    "engagement",
    "view_item",
    "select_item",
    "promotion",
    "search",
    "add_to_cart",
    "view_cart",
    "begin_checkout",
    "payment_info",
    "purchase",
)
KIND_OF_EVENT = {
    "page_view": "page_view",
    "screen_view": "page_view",
    "user_engagement": "engagement",
    "scroll": "engagement",
    "view_item": "view_item",
    "view_item_list": "select_item",
    "select_item": "select_item",
    "view_promotion": "promotion",
    "select_promotion": "promotion",
    "search": "search",
    "view_search_results": "search",
    "add_to_cart": "add_to_cart",
    "view_cart": "view_cart",
    "remove_from_cart": "view_cart",
    "add_to_wishlist": "view_cart",
    "begin_checkout": "begin_checkout",
    "add_shipping_info": "payment_info",
    "add_payment_info": "payment_info",
    "purchase": "purchase",
}
N_KINDS = len(KINDS)
N_HALF_LIVES = len(HALF_LIVES_MS)
EVENT_RING = 6  # event ids remembered for telling duplicates
ORDER_RING = 3  # purchases remembered for repeated order ids and refunds
OUTCOMES = 2  # outcome event names that targets may watch besides purchase and any event

_columns: list[str] = []


def _take(name: str, width: int = 1) -> int:
    start = len(_columns)
    _columns.extend([name] if width == 1 else [f"{name}.{i}" for i in range(width)])
    return start


COUNTERS = _take("counter", N_KINDS * N_HALF_LIVES)  # decayed counts as of LAST, kind-major
LAST_OF = _take("last_of", N_KINDS)  # time of the latest event of each kind
IN_SESSION = _take("in_session", N_KINDS)  # events of each kind in the current session
EVENTS = _take("event_ring", EVENT_RING)  # hashes of the latest event ids
ORDERS = _take("order_ring", ORDER_RING)  # hashes of the latest orders (1 = an order without id), 0 = free or taken back
ORDER_TIMES = _take("order_time", ORDER_RING)  # when each of them was placed
LAST = _take("last")  # time of the latest event
FIRST = _take("first")  # time of the earliest event
SESSION_START = _take("session_start")
SESSION = _take("session")  # hash of the current session id
SESSIONS = _take("sessions")  # sessions so far, the current one included
DAYS = _take("days")  # distinct UTC days with an event
DAY = _take("day")  # the latest of them, days since 1970
GAP = _take("gap")  # silence before the current session, ms
SESSION_BEFORE = _take("session_before")  # length of the session before, ms
PRICE = _take("price")  # running mean of prices seen
PRICES = _take("prices")  # prices seen
LAST_PRICE = _take("last_price")
DISCOUNT = _take("discount")  # running mean of discount / price over prices seen
PURCHASES = _take("purchases")
SPEND = _take("spend")
CART_VALUE = _take("cart_value")  # price x quantity put into the cart in this session
NAME = _take("name")  # latest event name, index into EVENT_NAMES
NAME_BEFORE = _take("name_before")
CATEGORY = _take("category")  # hashes of the latest value seen of each; these six stand together
PATH = _take("path")
COUNTRY = _take("country")
DEVICE = _take("device")
MEDIUM = _take("medium")
ITEM = _take("item")
PATH_BEFORE = _take("path_before")
REPEATS = _take("repeats")  # views of the item viewed just before, in this session
CATEGORIES = _take("categories")  # 52-bit set of the categories seen, one bit a hash; the two sets stand together
PATHS = _take("paths")  # 52-bit set of the paths of this session
TOTAL = _take("total")  # events so far
OUTCOME = _take("outcome", OUTCOMES)  # time of the latest event of each further outcome name, in the order of the configuration
OFFSET = _take("offset")  # offset of the event that wrote the row last

COLUMNS = tuple(_columns)
WIDTH = len(COLUMNS)
