"""The sections of the configuration that say what scores are used for: [segments.NAME], [triggers.NAME] and [action]."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from worker.core.action.guards.local_time import zone_named
from worker.core.settings import Duration, Positive, Section, written

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def _zone(name: str) -> str:
    if name != "UTC" and zone_named(name) is None:  # the default is not looked up: the database of time zones takes its time
        raise ValueError(f"{name!r} is not a time zone: write one of the IANA database, for example 'Europe/Berlin'")
    return name


def _clock(text: str) -> str:
    if _CLOCK.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a time of day: write hours and minutes, for example '21:00'")
    return text


def minute_of(clock: str) -> int:
    """The minute of the day of a time such as "21:30"."""
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


Zone = Annotated[str, AfterValidator(_zone)]
Purpose = Annotated[str, Field(min_length=1, max_length=100)]
ClockTime = Annotated[str, AfterValidator(_clock)]


class SegmentSettings(Section):
    """A group of users, named by a condition over their portraits."""

    when: str = Field(min_length=1, examples=["spend > 500.0"], description="A user enters where this holds; the fields are those of docs/action.md.")
    stay: str = Field("", description="A member leaves where this no longer holds; empty is the same as `when`. A looser line keeps members from flickering.")


class TriggerSettings(Section):
    """A rule that makes a trigger when its condition begins to hold for a user."""

    enabled: bool = Field(True, description="false leaves the rule out.")
    when: str = Field(
        min_length=1,
        examples=["purchase.p > 0.2"],
        description="The rule triggers as this begins to hold. Besides the portrait it may name segments: segments.NAME.",
    )
    stay: str = Field("", description="The rule is armed again once this no longer holds, and a held trigger still needs it; empty is the same as `when`.")
    priority: int = Field(0, ge=-1000, le=1000, description="Of rules that trigger at the same moment the highest comes first, and so first under the caps.")
    expiry_ms: Positive = Field(written("1 d"), alias="expiry", description="After this time a trigger is not worth sending any more.")
    cap: int = Field(1, ge=1, le=1000, description="Most triggers of this rule to one user in `cap_days`.")
    cap_days: int = Field(1, ge=1, le=366, description="Calendar days of the user's time zone that `cap` counts, today included.")
    cooldown_ms: Duration = Field(written("0 min"), alias="cooldown", description="Least time between two triggers of this rule to one user.")
    holdout: float = Field(0.05, ge=0, lt=1, description="Share of users whom this rule never reaches, to compare with; by a stable hash of rule and user.")
    cancel_by_purchase: bool = Field(True, description="A purchase cancels a trigger that is held.")
    window_ms: Positive = Field(
        written("7 d"), alias="window", description="What users buy in this time after crossing is compared between treated and holdout."
    )


class ActionSettings(Section):
    """What holds for all segments and triggers."""

    timezone: Zone = Field("UTC", description="Time zone of users whose events name none and whose country is not listed below.")
    timezones: dict[str, Zone] = Field({}, description="Time zones by country, as the events write it.")
    quiet_from: ClockTime = Field("21:00", description="Quiet hours begin, by the user's clock; what triggers in them is held, and judged again as they end.")
    quiet_until: ClockTime = Field("08:00", description="Quiet hours end; the same time as quiet_from turns them off.")
    cap: int = Field(3, ge=1, le=1000, description="Most triggers of all rules together to one user in `cap_days`.")
    cap_days: int = Field(1, ge=1, le=366, description="Calendar days of the user's time zone that `cap` counts, today included.")
    consent_ga4: tuple[Purpose, ...] = Field(
        (),
        examples=[["ad_user_data", "ad_personalization"]],
        description="Purposes of GA4's consent mode that all have to be granted for a message; empty: consent is not read in this form.",
    )
    consent_segment: tuple[Purpose, ...] = Field(
        (),
        examples=[["Advertising"]],
        description="Categories of Segment's consent preferences that all have to be true for a message; empty: consent is not read in this form.",
    )
    suppressed: tuple[str, ...] = Field((), description="Users who are never sent anything.")
    new_for_ms: Positive = Field(written("7 d"), alias="new_for", description="A user counts as new for this long after the first event.")
    at_risk_after_ms: Positive = Field(written("10 d"), alias="at_risk_after", description="A user counts as at risk after this long a silence.")
    lost_after_ms: Positive = Field(
        written("28 d"), alias="lost_after", description="After this long a silence a user counts as lost, and on coming back as won back."
    )
