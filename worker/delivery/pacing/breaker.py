"""A circuit breaker: a destination that fails again and again is left alone for a while, then tried with one request."""

from __future__ import annotations

from typing import Literal

from worker.delivery.pacing.backoff import Backoff

State = Literal["closed", "half_open", "open"]


class Breaker:
    """Closed: requests go. Open after failures of `failures` triggers in a row: none go for a while. Half-open: one goes, and decides.

    The same trigger failing again and again counts once: it may be the trigger's fault, and is no sign that the destination is away.

    Each opening in a row waits longer: `pause` with its jitter over the upper half, so that a pause is never next to nothing.
    Times are seconds of a clock that never goes back.
    """

    def __init__(self, failures: int, pause: Backoff) -> None:
        self._limit = failures
        self._pause = pause
        self._failed: set[str] = set()
        self._openings = 0
        self._until_s = 0.0
        self._probing = False
        self.state: State = "closed"

    def wait_s(self, now_s: float) -> float | None:
        """How long until a request may go: 0 is now; None while the one that decides is on its way."""
        if self.state == "closed":
            return 0.0
        if self.state == "half_open":
            return None if self._probing else 0.0
        return max(0.0, self._until_s - now_s)

    def began(self) -> bool:
        """A request goes, as wait_s allowed; returns whether it is the one that decides."""
        if self.state == "closed":
            return False
        self.state, self._probing = "half_open", True
        return True

    def succeeded(self, probe: bool) -> None:
        """The destination answered as it should. An answer to a request from before the opening says nothing of now."""
        if self.state == "closed" or probe:
            self.state, self._openings, self._probing = "closed", 0, False
            self._failed.clear()

    def failed(self, probe: bool, now_s: float, trigger_id: str) -> None:
        """The destination did not answer, or not as it should, when it was sent this trigger."""
        self._failed.add(trigger_id)
        if probe or (self.state == "closed" and len(self._failed) >= self._limit):
            self.state, self._probing = "open", False
            self._openings += 1
            self._failed.clear()
            drawn_s = self._pause.wait_s(self._openings)
            most_s = min(self._pause.longest_s, self._pause.first_s * 2 ** min(self._openings - 1, 40))
            self._until_s = now_s + (most_s + drawn_s) / 2
