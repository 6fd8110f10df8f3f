"""Public holidays by country, as the feature `holiday`: a day of one's own country's holiday is unlike other days.

Dates come from the `holidays` library (the extra of that name). A country is known by its ISO code or its English name, as shops send both.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.errors import ClickscoreError

Ints = NDArray[np.int64]

UNKNOWN, ORDINARY, EVE, HOLIDAY = range(4)
_EPOCH = datetime.date(1970, 1, 1).toordinal()


class HolidayCalendar:
    """Looks up days by country; called with country hashes and days since 1970, both int64[n], it gives one of the four levels for each."""

    def __init__(self, labels: Mapping[int, str], default_country: str) -> None:
        try:
            import holidays
            from holidays.registry import COUNTRIES
        except ImportError:
            raise ClickscoreError(
                "features.holidays needs the library 'holidays'", "configuration, [features] holidays", "pip install 'clickscore[holidays]', or turn it off"
            ) from None
        self._library: Any = holidays
        self._codes: dict[str, str] = {}
        for module, (name, code, *others) in COUNTRIES.items():
            for text in (module, name, code, *others):
                self._codes[_plain(text)] = code
        self._labels = labels  # hash -> text, filled as the partition sees values
        self._country: dict[int, str] = {}
        self._days: dict[tuple[str, int], frozenset[int]] = {}
        self._default = self._codes.get(_plain(default_country), "")
        if default_country and not self._default:
            raise ClickscoreError(
                f"{default_country!r} is no country whose holidays are known",
                "configuration, [features] holiday_country",
                "write an ISO code such as 'DE', or an English name",
            )

    def __call__(self, countries: Ints, days: Ints) -> Ints:
        """The level of each pair of country hash and day."""
        pairs, where = np.unique(np.stack([countries, days]), axis=1, return_inverse=True)
        levels = np.array([self._level(country, day) for country, day in pairs.T.tolist()], dtype=np.int64)
        return levels[where.reshape(-1)]

    def _level(self, country: int, day: int) -> int:
        code = self._country.get(country)
        if code is None:
            text = self._labels.get(country)
            code = self._codes.get(_plain(text), "") if text is not None else ""
            if text is not None or country == 0:
                self._country[country] = code
        code = code or self._default
        if not code:
            return UNKNOWN
        if day in self._holidays(code, day):
            return HOLIDAY
        return EVE if day + 1 in self._holidays(code, day + 1) else ORDINARY

    def _holidays(self, code: str, day: int) -> frozenset[int]:
        year = datetime.date.fromordinal(min(max(day + _EPOCH, 1), datetime.date.max.toordinal())).year
        found = self._days.get((code, year))
        if found is None:
            calendar = self._library.country_holidays(code, years=year)
            found = self._days[code, year] = frozenset(date.toordinal() - _EPOCH for date in calendar)
        return found


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
