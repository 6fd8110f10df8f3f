"""Calendar days and quiet hours in three zones, on the days when clocks change: case by case."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.core.action.guards.local_time import local_day, quiet_until, zone_named

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def instant_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000


@pytest.mark.parametrize(
    ("zone", "now", "start", "end", "until"),
    [
        # Berlin: 2 becomes 3 on 28 March 2021, 3 becomes 2 on 31 October
        (BERLIN, "2021-03-27T22:00:00+01:00", "21:00", "08:00", "2021-03-28T08:00:00+02:00"),
        (BERLIN, "2021-03-28T01:59:00+01:00", "21:00", "02:30", "2021-03-28T03:30:00+02:00"),  # 02:30 is left out
        (BERLIN, "2021-10-30T23:00:00+02:00", "21:00", "08:00", "2021-10-31T08:00:00+01:00"),
        (BERLIN, "2021-10-31T01:00:00+02:00", "21:00", "02:30", "2021-10-31T02:30:00+02:00"),  # the first 02:30
        (BERLIN, "2021-10-31T02:10:00+01:00", "21:00", "02:30", "2021-10-31T02:30:00+01:00"),  # the clock reads quiet hours again
        (BERLIN, "2021-10-31T02:40:00+02:00", "21:00", "02:30", None),
        # New York: 14 March and 7 November 2021
        (NEW_YORK, "2021-03-13T21:00:00-05:00", "21:00", "08:00", "2021-03-14T08:00:00-04:00"),
        (NEW_YORK, "2021-11-06T23:59:59-04:00", "21:00", "08:00", "2021-11-07T08:00:00-05:00"),
        (NEW_YORK, "2021-11-07T08:00:00-05:00", "21:00", "08:00", None),
        # Lord Howe: half an hour, 4 April and 3 October 2021
        (LORD_HOWE, "2021-04-03T22:00:00+11:00", "21:00", "08:00", "2021-04-04T08:00:00+10:30"),
        (LORD_HOWE, "2021-10-02T22:00:00+10:30", "21:00", "08:00", "2021-10-03T08:00:00+11:00"),
        # by day, and none at all
        (BERLIN, "2021-06-01T13:00:00+02:00", "12:00", "14:00", "2021-06-01T14:00:00+02:00"),
        (BERLIN, "2021-06-01T11:59:59+02:00", "12:00", "14:00", None),
        (BERLIN, "2021-06-01T23:00:00+02:00", "08:00", "08:00", None),
    ],
)
def test_the_end_of_quiet_hours(zone: str, now: str, start: str, end: str, until: str | None) -> None:
    minutes = [int(clock[:2]) * 60 + int(clock[3:]) for clock in (start, end)]
    assert quiet_until(instant_ms(now), ZoneInfo(zone), *minutes) == (None if until is None else instant_ms(until))


@pytest.mark.parametrize(
    ("zone", "first", "last", "hours"),
    [
        (BERLIN, "2021-03-28T00:00:00+01:00", "2021-03-28T23:59:59+02:00", 23),
        (BERLIN, "2021-10-31T00:00:00+02:00", "2021-10-31T23:59:59+01:00", 25),
        (NEW_YORK, "2021-11-07T00:00:00-04:00", "2021-11-07T23:59:59-05:00", 25),
        (LORD_HOWE, "2021-10-03T00:00:00+10:30", "2021-10-03T23:59:59+11:00", 23.5),
    ],
)
def test_a_calendar_day_is_as_long_as_its_clock_says(zone: str, first: str, last: str, hours: float) -> None:
    begins, ends, there = instant_ms(first), instant_ms(last), ZoneInfo(zone)
    assert (ends + 1000 - begins) / 3_600_000 == hours
    assert local_day(begins, there) == local_day(ends, there) == local_day(begins - 1000, there) + 1 == local_day(ends + 1000, there) - 1


@given(st.sampled_from(sorted(available_timezones())), st.integers(0, 2_500_000_000_000))
@example("America/St_Johns", instant_ms("2011-03-13T03:30:30+00:00"))  # the clock changed at a minute past midnight
@example("America/St_Johns", instant_ms("2011-03-13T03:31:00+00:00"))
@example("America/St_Johns", instant_ms("2010-11-07T02:31:00+00:00"))
@example("Africa/Monrovia", instant_ms("1972-01-07T00:20:00+00:00"))  # an offset with seconds before
def test_day_and_minute_are_those_of_the_clock_on_the_wall(name: str, now_ms: int) -> None:
    zone = ZoneInfo(name)
    wall = datetime.fromtimestamp(now_ms // 1000, zone)
    minute = wall.hour * 60 + wall.minute
    assert local_day(now_ms, zone) == wall.toordinal()
    assert quiet_until(now_ms, zone, minute, (minute + 1) % 1440) is not None
    assert quiet_until(now_ms, zone, (minute + 1) % 1440, minute) is None


def test_only_zones_of_the_database_have_a_name() -> None:
    assert zone_named("Europe/Berlin") is not None
    assert [zone_named(name) for name in ("", "Berlin", "../etc/passwd", "/etc/localtime")] == [None] * 4
