"""Holidays by country: found by code and by name, eves told from holidays, unknown countries left alone."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from worker.core.event_time.holiday_calendar import EVE, HOLIDAY, ORDINARY, UNKNOWN, HolidayCalendar
from worker.errors import ClickscoreError

GERMANY, STATES, NOWHERE = 11, 12, 13
LABELS = {GERMANY: "DE", STATES: "United States", NOWHERE: "(not set)"}


def day(text: str) -> int:
    return (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("country", "date", "level"),
    [
        (GERMANY, "2020-12-25", HOLIDAY),
        (GERMANY, "2020-12-24", EVE),
        (GERMANY, "2020-12-23", ORDINARY),
        (GERMANY, "2020-10-03", HOLIDAY),
        (STATES, "2020-10-03", ORDINARY),
        (STATES, "2020-07-03", HOLIDAY),  # the fourth was a Saturday, kept on Friday
        (STATES, "2020-11-26", HOLIDAY),
        (GERMANY, "2020-12-31", EVE),  # of a holiday in the next year
        (NOWHERE, "2020-12-25", UNKNOWN),
    ],
)
def test_days_have_the_level_of_the_users_own_country(country: int, date: str, level: int) -> None:
    calendar = HolidayCalendar(LABELS, "")
    assert calendar(np.array([country]), np.array([day(date)])).tolist() == [level]


def test_users_without_a_country_take_the_configured_one() -> None:
    calendar = HolidayCalendar(LABELS, "Germany")
    levels = calendar(np.array([0, NOWHERE, STATES]), np.array([day("2020-10-03")] * 3))
    assert levels.tolist() == [HOLIDAY, HOLIDAY, ORDINARY]


def test_a_text_that_is_learned_later_is_found_then() -> None:
    labels: dict[int, str] = {}
    calendar = HolidayCalendar(labels, "")
    christmas = np.array([day("2020-12-25")])
    before = calendar(np.array([GERMANY]), christmas).tolist()
    labels[GERMANY] = "germany"
    assert (before, calendar(np.array([GERMANY]), christmas).tolist()) == ([UNKNOWN], [HOLIDAY])


def test_an_unknown_default_country_is_refused_by_name() -> None:
    with pytest.raises(ClickscoreError, match="Atlantis"):
        HolidayCalendar(LABELS, "Atlantis")
