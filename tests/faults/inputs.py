"""What workers are fed: the synthetic shop's stream, and records that no shop should send."""

from __future__ import annotations

from collections.abc import Iterator

from worker.demo.shop import Shop, ShopSettings


class Stream:
    """The events of a synthetic shop, taken in parts; late, double and broken ones are among them."""

    def __init__(self, seed: int, users: int = 460, days: int = 5) -> None:
        self.lines = [value for value, _ in Shop(ShopSettings(users=users, days=days, seed=seed % 1_000)).stream()]
        self._at = 0

    def take(self, count: int) -> list[bytes]:
        """The next ones."""
        part = self.lines[self._at : self._at + count]
        self._at += len(part)
        assert len(part) == count, f"the shop has only {len(self.lines)} events"
        return part

    def rest(self) -> list[bytes]:
        """All that is left."""
        return self.take(len(self.lines) - self._at)

    def parts(self, number: int) -> Iterator[list[bytes]]:
        """All that is left, in so many parts of about the same size."""
        left = len(self.lines) - self._at
        for nth in range(number):
            yield self.take((nth + 1) * left // number - nth * left // number)
