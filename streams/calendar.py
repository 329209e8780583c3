"""Days and mornings: when a membership ends, when a reminder falls due, which day it is where somebody lives."""

import calendar
import functools
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

EASTERN: Final = "America/New_York"
MORNING: Final = time(8)
"""The hour at which reminders fall due (contract 5.11)."""


@functools.lru_cache(maxsize=512)
def zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name."""
    return ZoneInfo(name)


@functools.lru_cache(maxsize=65536)
def end_of_day(day: date, where: str = EASTERN) -> datetime:
    """The first moment after a day, in UTC: a membership ends at the end of `validTo`, U.S. Eastern."""
    return datetime.combine(day + timedelta(days=1), time(0), zone(where)).astimezone(UTC)


def local_day(moment: datetime, where: str = EASTERN) -> date:
    """The date on the wall there."""
    return moment.astimezone(zone(where)).date()


@functools.lru_cache(maxsize=65536)
def morning(day: date, zones: tuple[str, ...]) -> datetime:
    """8:00 of a day where the traveler lives: late enough in each zone that is possible; none known: U.S. Eastern."""
    return max(datetime.combine(day, MORNING, zone(name)).astimezone(UTC) for name in zones or (EASTERN,))


def next_morning(moment: datetime, zones: tuple[str, ...]) -> datetime:
    """The next 8:00 at or after a moment."""
    day = min(local_day(moment, name) for name in zones or (EASTERN,))
    while (found := morning(day, zones)) < moment:
        day += timedelta(days=1)
    return found


def add_months(day: date, months: int) -> date:
    """The same day of a later month, or its last day where it is shorter."""
    count = day.year * 12 + day.month - 1 + months
    year, month = divmod(count, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def quarter_end(moment: datetime) -> datetime:
    """The end of a fiscal quarter, U.S. Eastern, at or after a moment; federal quarters are those of the calendar."""
    day = local_day(moment - timedelta.resolution)
    first = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    return end_of_day(add_months(first, 3) - timedelta(days=1))


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """The first of some moments; None where there is none."""
    return min((moment for moment in moments if moment is not None), default=None)
