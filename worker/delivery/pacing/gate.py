"""The gate of one destination: a request passes when the rate, the circuit breaker, the limit on concurrency and what the destination asked for allow it."""

from __future__ import annotations

from worker.delivery.pacing.breaker import Breaker

BURST_S = 1.0  # so much of the rate may be caught up on after a lull


class Gate:
    """Times are seconds of a clock that never goes back. `rate`: requests a second."""

    def __init__(self, rate: float, concurrency: int, breaker: Breaker) -> None:
        self._interval_s = 1.0 / rate
        self._burst_s = max(BURST_S, self._interval_s) - self._interval_s
        self._concurrency = concurrency
        self._fair_s = 0.0  # when the next request would go, had all gone evenly (GCRA, ITU-T I.371)
        self._quiet_until_s = 0.0
        self.breaker = breaker
        self.in_flight = 0

    def wait_s(self, now_s: float) -> float | None:
        """How long until a request may go: 0 is now; None while that depends on one that is in flight."""
        breaker_s = self.breaker.wait_s(now_s)
        if breaker_s is None or self.in_flight >= self._concurrency:
            return None
        return max(breaker_s, self._fair_s - self._burst_s - now_s, self._quiet_until_s - now_s, 0.0)

    def began(self, now_s: float) -> bool:
        """A request goes, as wait_s allowed; returns whether the circuit breaker learns from it alone."""
        self._fair_s = max(self._fair_s, now_s) + self._interval_s
        self.in_flight += 1
        return self.breaker.began()

    def ended(self) -> None:
        """A request came back, whatever came of it."""
        self.in_flight -= 1

    def quiet(self, until_s: float) -> None:
        """The destination asks for quiet until then."""
        self._quiet_until_s = max(self._quiet_until_s, until_s)
