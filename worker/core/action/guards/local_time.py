"""Calendar days and quiet hours where the user is. All instants are epoch milliseconds; zones are those of the IANA database (zoneinfo).

A wall-clock time that a change of the clocks leaves out is the instant that the offset before the change gives; one that comes twice ends quiet hours
each time it comes. Source: RFC 5545, section 3.3.5.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from worker.core.settings import DAY_MS, HOUR_MS, MINUTE_MS

DAY_MINUTES = 24 * 60
EPOCH_DAY = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


_zone = lru_cache(maxsize=1024)(ZoneInfo)


def zone_named(name: str) -> ZoneInfo | None:
    """The zone of an IANA name, None where there is no such."""
    return _zone(name) if name in _names() else None


def local_time(instant_ms: int, zone: ZoneInfo) -> datetime:
    """An instant by the clock on the wall, whole seconds."""
    return datetime.fromtimestamp(instant_ms // 1000, zone)


def local_day(instant_ms: int, zone: ZoneInfo) -> int:
    """The calendar day of an instant in a zone, as a day number (1 = 1 January of year 1)."""
    return _wall_ms(instant_ms, zone) // DAY_MS + EPOCH_DAY


def _wall_ms(instant_ms: int, zone: ZoneInfo) -> int:
    """What the clock on the wall shows, as milliseconds since its 1 January 1970."""
    offset_ms = _offset_ms(instant_ms // HOUR_MS, zone)
    return instant_ms + (offset_ms if offset_ms is not None else _offset_at_ms(instant_ms // 1000, zone))


@lru_cache(maxsize=65_536)
def _offset_ms(hour: int, zone: ZoneInfo) -> int | None:
    """How far the clock on the wall is ahead of UTC in an hour since 1970; None where it changes within it."""
    begin_s = hour * (HOUR_MS // 1000)
    first_ms = _offset_at_ms(begin_s, zone)
    return first_ms if first_ms == _offset_at_ms(begin_s + HOUR_MS // 1000 - 1, zone) else None


def _offset_at_ms(instant_s: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(instant_s, zone).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)


@lru_cache(maxsize=65_536)  # guards ask twice for an instant
def quiet_until(instant_ms: int, zone: ZoneInfo, start_minute: int, end_minute: int) -> int | None:
    """When the quiet hours end that an instant lies in, None where it lies in none.

    Quiet hours go from one minute of the day up to another, over midnight where the end is not after the start; they are as the clock on the wall reads.
    """
    if start_minute == end_minute:
        return None
    day, minute = divmod(_wall_ms(instant_ms, zone) // MINUTE_MS, DAY_MINUTES)
    over_midnight = end_minute < start_minute
    quiet = minute >= start_minute or minute < end_minute if over_midnight else start_minute <= minute < end_minute
    if not quiet:
        return None
    first_ms, second_ms = _readings(day + (over_midnight and minute >= start_minute), end_minute, zone)
    later = [end_ms for end_ms in (first_ms, second_ms) if end_ms > instant_ms]
    return min(later) if first_ms <= second_ms else max(later, default=None)  # the second reading of a time left out lies before the change


@lru_cache(maxsize=4096)
def _readings(day: int, minute: int, zone: ZoneInfo) -> tuple[int, int]:
    """The instants at which the clock on the wall reads a minute of a day, a number since 1 January 1970: the first and the second, mostly the same."""
    midnight = datetime.fromordinal(EPOCH_DAY + day)
    first, second = (midnight.replace(hour=minute // 60, minute=minute % 60, fold=fold, tzinfo=zone) for fold in (0, 1))
    return int(first.astimezone(UTC).timestamp()) * 1000, int(second.astimezone(UTC).timestamp()) * 1000
