"""Events to measure with: the same ones in every run, made quickly and before anything is measured.

They are shaped as a shop's: some 230 bytes, texts that repeat, a price at every other one. What is done to whom when is drawn at random, so there is
little to learn from them; the synthetic shop of the demo (worker/demo) is for that.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Spread = Literal["uniform", "zipf", "hot"]

START_MS = 1_750_000_000_000
CHUNK = 50_000
SESSION_MS = 1_800_000
KINDS = ("page_view", "view_item", "scroll", "view_item_list", "add_to_cart", "begin_checkout", "view_search_results", "purchase")
SHARES = (0.40, 0.28, 0.12, 0.06, 0.07, 0.03, 0.03, 0.01)
DEVICES, COUNTRIES, MEDIA = ("mobile", "desktop", "tablet"), ("DE", "US", "FR", "IN", "BR", "JP", "CA", "GB"), ("organic", "cpc", "email", "referral", "(none)")
PATHS, ITEMS, CATEGORIES = 400, 2_000, 30


class Stream:
    """Events in the order of their time, `rate_per_s` of event time, endless: take() goes on where the last one ended.

    `spread` says whose they are: "uniform" anybody's; "zipf" the nth user's share is 1/n; "hot" every other event is the first user's.
    """

    def __init__(self, users: int, spread: Spread = "uniform", rate_per_s: float = 4_000.0, start_ms: int = START_MS, seed: int = 1, name: str = "e") -> None:
        self.users, self.spread, self.rate_per_s, self.start_ms, self.name = users, spread, rate_per_s, start_ms, name
        self.number = 0
        self._random = np.random.default_rng(seed)
        weights = 1.0 / np.arange(1, users + 1) if spread == "zipf" else np.ones(1)
        self._shares = np.cumsum(weights) / weights.sum()

    def everybody(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """One event of each user with its key, in chunks: afterwards all of them are known."""
        for first in range(0, self.users, CHUNK):
            yield self._made(np.arange(first, min(first + CHUNK, self.users)))

    def take(self, count: int) -> list[bytes]:
        """The next events."""
        return [value for _, value in self.keyed(count)]

    def keyed(self, count: int) -> list[tuple[bytes, bytes]]:
        """The next events, each with its key."""
        return list(itertools.chain.from_iterable(self._made(self._users(min(CHUNK, count - first))) for first in range(0, count, CHUNK)))

    def _users(self, count: int) -> NDArray[np.int64]:
        if self.spread == "zipf":
            return np.searchsorted(self._shares, self._random.random(count)).astype(np.int64)
        users = self._random.integers(0, self.users, count)
        return np.where(self._random.random(count) < 0.5, 0, users) if self.spread == "hot" else users

    def _made(self, users: NDArray[np.int64]) -> list[tuple[bytes, bytes]]:
        count, random = len(users), self._random
        numbers = np.arange(self.number, self.number + count)
        self.number += count
        times = self.start_ms + (numbers * (1000.0 / self.rate_per_s)).astype(np.int64)
        columns = (
            users,
            numbers,
            times,
            times // SESSION_MS,
            random.choice(len(KINDS), count, p=SHARES),
            users % len(DEVICES),
            users % len(COUNTRIES),
            random.integers(0, len(MEDIA), count),
            random.integers(0, PATHS, count),
            random.integers(0, ITEMS, count),
        )
        return [self._one(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def _one(
        self, user: int, number: int, time_ms: int, session: int, kind: int, device: int, country: int, medium: int, path: int, item: int
    ) -> tuple[bytes, bytes]:
        head = f'{{"user_id":"u{user}","session_id":"s{user}.{session}","event":"{KINDS[kind]}","device":"{DEVICES[device]}","country":"{COUNTRIES[country]}"'
        head += f',"medium":"{MEDIA[medium]}","path":"/page/{path}","event_id":"{self.name}-{number}","timestamp":{time_ms}'
        if KINDS[kind] in ("view_item", "add_to_cart"):
            head += f',"item_id":"i{item}","item_category":"c{item % CATEGORIES}","price":{item % 97 + 0.5}'
        elif KINDS[kind] == "purchase":
            head += f',"order_id":"o{number}","revenue":{item % 97 + 0.5}'
        return f"u{user}".encode(), f"{head}}}".encode()
