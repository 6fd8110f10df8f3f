"""What the live view shows: one frozen picture of a running scorer. Whoever runs it fills this in; the view only draws."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Band:
    """Scores of one range of p against what is true of them."""

    said: float
    """Mean probability said."""
    true: float
    """Mean true probability, or share of outcomes."""
    number: float
    """How many (or their weight)."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """One target: what it has learned and how good it is. Numbers not known yet are nan."""

    name: str
    examples: int
    """Examples learned."""
    log_loss: float = NAN
    baseline_log_loss: float = NAN
    """Of the base rate alone, on the same scores."""
    calibration_ratio: float = NAN
    """Mean p over what is true."""
    bands: tuple[Band, ...] = ()
    """Ascending in `said`."""
    warming_up: bool = False
    """Its scores still abstain."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A user worth a look, with one target's score."""

    user_id: str
    p: float
    lift: float
    """p over the base rate."""
    reasons: tuple[tuple[str, float], ...] = ()
    """(bin name, points), the largest first."""
    note: str = ""
    """What else to know: "4 purchases, last seen 3 d ago"."""

    def why(self) -> tuple[tuple[str, float], ...]:
        """The reasons, those that speak for the score before those against it: whoever is listed is listed for the former."""
        return tuple(sorted(self.reasons, key=lambda reason: reason[1] < 0))


@dataclass(frozen=True, slots=True)
class LiveState:
    """The whole picture at one moment."""

    title: str
    """Whose scores these are: "demo shop"."""
    shop_time_ms: int
    """Event time reached, epoch milliseconds."""
    _: KW_ONLY
    progress: float = NAN
    """Share of the shop's days that is done, 0 to 1; nan for a stream without end."""
    events: int = 0
    events_per_s: float = NAN
    latency_p50_ms: float = NAN
    """Half of the turns took no longer."""
    latency_p99_ms: float = NAN
    users: int = 0
    dead_letters: tuple[tuple[str, int], ...] = ()
    """(reason, records), the most frequent first."""
    targets: tuple[TargetState, ...] = ()
    buyers: tuple[Customer, ...] = ()
    """Most likely first."""
    buyers_title: str = "LIKELY TO BUY WITHIN 7 DAYS"
    quiet: tuple[Customer, ...] = ()
    """Good customers most likely not to come back, the most likely first."""
    quiet_title: str = "GOOD CUSTOMERS GOING QUIET"
    truth_word: str = "truth"
    """What `Band.true` is: "truth" where it is known, "came true" where it is counted."""
    counts: tuple[tuple[str, int], ...] = ()
    """More counters to show where there is room, such as ("late", 12)."""
