"""What a report shows: frozen objects, filled in by whoever ran the replay. A number that is not known is nan, a list may be empty."""

from __future__ import annotations

from dataclasses import dataclass

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class TargetReport:
    """One target's quality over the decisions whose outcome is known."""

    name: str
    n: int
    """Decisions judged."""
    base_rate: float = NAN
    log_loss: float = NAN
    baseline_log_loss: float = NAN
    """Of the base rate, said to everyone."""
    calibration_ratio: float = NAN
    """Mean p over the rate of outcomes."""
    ece: float = NAN
    """Expected calibration error: mean distance of p from the rate, over bins of p."""
    auc: float = NAN
    calibration: tuple[tuple[float, float, int], ...] = ()
    """(mean p, rate of outcomes, decisions) of each bin of p, ascending."""
    histogram: tuple[tuple[float, float, int], ...] = ()
    """(left, right, scores) of adjoining ranges of p, ascending."""
    log_loss_by_day: tuple[tuple[str, float, float, int], ...] = ()
    """(day as YYYY-MM-DD, log-loss, the base rate's log-loss, decisions), ascending."""
    strongest_bins: tuple[tuple[str, float], ...] = ()
    """(bin name, points on the log-odds), in the order to be shown."""
    examples: int = 0
    """Examples learned."""
    says: str = ""
    """What p is the probability of, in words: "a purchase within 7 days"."""


@dataclass(frozen=True, slots=True)
class Report:
    """A replay, told to a person."""

    title: str
    """Such as the name of the event file."""
    events: int
    users: int
    examples: int
    dead_letters: tuple[tuple[str, int], ...] = ()
    """(reason, records), the most frequent first."""
    targets: tuple[TargetReport, ...] = ()
    from_ms: int | None = None
    """Event time of the first event, epoch milliseconds."""
    to_ms: int | None = None
    """Event time of the last event."""
    counts: tuple[tuple[str, int], ...] = ()
    """More to say in numbers, such as ("late events dropped", 12)."""
    made_by: str = "clickscore"
    """Program, version and configuration, for whoever finds the page later."""
