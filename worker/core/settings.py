"""What the core can be told: the sections of the configuration that decide what is computed, as plain frozen models.

Every duration is given with its unit ("30 min", "7 d") and kept in milliseconds; the names of such fields end in `_ms`,
their keys in a file do not. Defaults are the product: they are used unchanged for every shop that quality was judged on.
"""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from worker.core.events.names import EVENT_NAMES
from worker.core.events.timestamps import parse_rfc3339

UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
MINUTE_MS, HOUR_MS, DAY_MS = UNITS_MS["min"], UNITS_MS["h"], UNITS_MS["d"]
LONGEST_MS = 36_525 * DAY_MS
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def duration_ms(value: Any) -> int:
    """Read "90 s", "30 min", "7 d" as whole milliseconds; a bare number or an unknown unit is refused by name."""
    if isinstance(value, bool) or not isinstance(value, str):
        raise ValueError(f"a duration needs a unit: write it as text, for example '30 min', not {value!r}")
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is not a duration: write a number and a unit, for example '30 min'")
    number, unit = match.groups()
    if unit not in UNITS_MS:
        meant = {"s": "s", "h": "h", "d": "d"}.get(unit[:1].lower(), "min")
        raise ValueError(f"{value!r} has no known unit: use one of {', '.join(UNITS_MS)}, for example '{number} {meant}'")
    duration = float(number) * UNITS_MS[unit]
    if duration > LONGEST_MS:
        raise ValueError(f"{value!r} is longer than 100 years: write a shorter one, for example '30 d'")
    return round(duration)


def known_event(name: str) -> str:
    """Refuse a name that no event will ever bear, which would be a target that never happens."""
    if name in EVENT_NAMES:
        return name
    close = difflib.get_close_matches(name, EVENT_NAMES, n=1)
    raise ValueError(f"{name!r} is not a GA4 event name: {f'did you mean {close[0]!r}?' if close else 'docs/configuration.md lists the names'}")


def _outcome(name: str) -> str:
    return name if name == "any" else known_event(name)


def _outage(pair: tuple[str, str]) -> tuple[str, str]:
    times_ms, valid = parse_rfc3339(pair)
    if not valid.all():
        raise ValueError(f"{pair[int(valid.argmin())]!r} is not a time: write RFC 3339 with an offset, for example '2020-12-24T18:00:00Z'")
    if times_ms[0] >= times_ms[1]:
        raise ValueError("an outage ends after it begins: write the earlier time first")
    return pair


# What the JSON Schema says of a duration: the text that a file holds, not the milliseconds that it is kept as.
_DurationText = Annotated[str, Field(pattern=rf"^\s*\d+(\.\d+)?\s*({'|'.join(UNITS_MS)})\s*$")]
Duration = Annotated[int, BeforeValidator(duration_ms, json_schema_input_type=_DurationText)]
Positive = Annotated[int, BeforeValidator(duration_ms, json_schema_input_type=_DurationText), Field(gt=0)]


def written(default: Any) -> Any:
    """Mark a default that is given as a file would write it; pydantic validates defaults too, so that "1 d" is kept as milliseconds."""
    return default


class Section(BaseModel):
    """One table of the configuration: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class EventSettings(Section):
    """What is accepted as an event."""

    names: dict[str, Annotated[str, AfterValidator(known_event)]] = Field(
        {}, description="A shop's own event names, each mapped to the GA4 name that it means."
    )
    allowed_lateness_ms: Positive = Field(
        written("1 d"), alias="allowed_lateness", description="An event older than the newest event time seen by more than this is dropped and counted as late."
    )
    future_tolerance_ms: Positive = Field(
        written("5 min"), alias="future_tolerance", description="A live event further ahead of the clock than this is a dead letter."
    )
    jump_ms: Positive = Field(
        written("1 d"),
        alias="jump",
        description="In a replay, an event that jumps ahead of all others by more than this waits for another user's event to confirm it.",
    )


class ProfileSettings(Section):
    """How long and how much is remembered of a user."""

    session_gap_ms: Positive = Field(written("30 min"), alias="session_gap", description="Silence that ends a session.")
    time_to_live_ms: Positive = Field(written("90 d"), alias="time_to_live", description="A user silent for this long is forgotten.")
    byte_budget: int = Field(
        2_147_483_648, gt=0, description="Bytes of profiles that one partition may hold; beyond it the longest silent users are forgotten first."
    )


SILENCE_MARKS = ("1 h", "6 h", "12 h", "1 d", "36 h", "2 d", "3 d", "4 d", "5 d", "6 d", "7 d", "8 d", "10 d", "12 d", "14 d", "17 d", "21 d", "24 d", "28 d")


class SilenceSettings(Section):
    """When a user who does nothing is scored again, and how much of that is learned from."""

    marks_ms: tuple[Positive, ...] = Field(
        written(SILENCE_MARKS),
        alias="marks",
        description="Times after a user's last event at which silence itself is scored.",
    )
    share: float = Field(0.25, gt=0, le=1, description="Chance that a silent score becomes a decision to learn from; it is weighted by the inverse.")

    @model_validator(mode="after")
    def _ascending(self) -> SilenceSettings:
        if list(self.marks_ms) != sorted(set(self.marks_ms)):
            raise ValueError("marks must ascend, each one later than the one before")
        if self.marks_ms and self.marks_ms[0] < 10 * MINUTE_MS:
            raise ValueError("the first mark must be 10 min or later: every mark of every user is a score")
        return self


class TargetSettings(Section):
    """One outcome that happens, or does not, in a window after a decision: (t + delay, t + delay + horizon]."""

    enabled: bool = Field(True, description="false removes the target; the way to be rid of a default one.")
    outcome: Annotated[str, AfterValidator(_outcome)] = Field("purchase", description="GA4 event name that counts as the outcome, or 'any' for any event.")
    delay_ms: Duration = Field(written("0 min"), alias="delay", description="The window opens this long after the decision.")
    horizon_ms: Positive = Field(alias="horizon", description="Length of the window.")
    absence: bool = Field(False, description="The published probability is that the outcome does NOT happen (churn is the absence of a return).")
    silent: bool = Field(True, description="Silent scores are decisions of this target too.")
    silent_negatives: float = Field(
        0.125,
        gt=0,
        le=1,
        description="Chance that a silent decision whose outcome did not happen is learned; it is weighted by the inverse. Rare outcomes need few of them.",
    )
    scheme: Literal["maturity", "fake_negative"] = Field(
        "maturity",
        description="When an example is learned: once its label is known, or at once as a weighted negative and again when the outcome happens (Ktena 2019).",
    )
    prior: float = Field(0.02, gt=0, lt=1, description="Rate of the outcome assumed before any is known.")
    optimizer: Literal["ftrl", "adagrad", "sgd"] = Field("ftrl", description="River optimizer that learns the weights.")
    alpha: float = Field(0.05, gt=0, le=10, description="Learning rate of the optimizer.")
    beta: float = Field(1.0, ge=0, description="FTRL's beta.")
    l1: float = Field(0.0, ge=0, description="FTRL's l1 penalty.")
    l2: float = Field(5.0, ge=0, description="FTRL's l2 penalty.")
    abstain_below: int = Field(100, ge=0, description="Until this many outcomes of each kind are learned, scores carry abstain: warming_up.")


class FeatureSettings(Section):
    """Features that help one shop and not another; the rest are always there."""

    season: bool = Field(False, description="Winter, spring, summer, autumn as a feature: worth turning on once a full year has been learned.")
    holidays: bool = Field(False, description="Public holidays of the user's country and their eves as a feature; needs the extra 'holidays'.")
    holiday_country: str = Field("", description="ISO code or English name of the country whose holidays count for users without a known country.")


class OutageSettings(Section):
    """When silence is the collector's and not the users'."""

    detect: bool = Field(True, description="Find outages from the input's own habit of nights and closed days.")
    declared: tuple[Annotated[tuple[str, str], AfterValidator(_outage)], ...] = Field((), description="Known outages as pairs of RFC 3339 times: from, to.")

    @property
    def declared_ms(self) -> list[tuple[int, int]]:
        """The declared outages as epoch milliseconds."""
        return [(int(start), int(end)) for start, end in (parse_rfc3339(pair)[0] for pair in self.declared)]


def default_targets() -> dict[str, TargetSettings]:
    """The three targets that every shop starts with."""
    return {
        "purchase": TargetSettings(outcome="purchase", horizon="7 d", prior=0.02),
        "intent": TargetSettings(outcome="purchase", horizon="30 min", prior=0.01, silent_negatives=1 / 32),
        "churn": TargetSettings(outcome="any", delay="30 min", horizon="7 d", absence=True, prior=0.3, alpha=0.04, silent_negatives=0.5),
    }


class CoreSettings(Section):
    """Everything that decides what the core computes; the same settings on the same input give the same bytes."""

    events: EventSettings = EventSettings()
    profiles: ProfileSettings = ProfileSettings()
    silence: SilenceSettings = SilenceSettings()
    targets: dict[str, TargetSettings] = Field(default_factory=default_targets)
    features: FeatureSettings = FeatureSettings()
    outage: OutageSettings = OutageSettings()
    reasons: int = Field(3, ge=0, le=20, description="Largest reasons published with each probability; 0 publishes none.")
    seed: int = Field(0, ge=0, description="Seed of every draw: which events and silent scores become decisions.")

    @model_validator(mode="after")
    def _remembered_long_enough(self) -> CoreSettings:
        """Nobody is forgotten while something is still to be known of them."""
        windows = [t.delay_ms + t.horizon_ms for t in self.targets.values() if t.enabled]
        needed = max(self.silence.marks_ms, default=0) + max(windows, default=0) + DAY_MS
        if self.profiles.time_to_live_ms <= needed:
            raise ValueError(
                f"profiles.time_to_live is too short: the last silence mark, the longest window and a day take {-(-needed // DAY_MS)} d; make it longer"
            )
        return self
