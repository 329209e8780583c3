"""Segments a day, where a carrier's limit for the brand is known: the last fifth is kept for deadlines and decisions.

Carriers count from midnight Pacific time (delivery.md 1.3, 30023). What the whole sender had used of the day is read
from the notifications when a process begins and when its share changes (tally.py), so no restart forgets it. Of what is
left a process may use its share.
"""

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_PACIFIC: Final = ZoneInfo("America/Los_Angeles")
_FOR_ALL: Final = 0.8
_URGENT: Final = 1
"""The last lane that may use all of the day."""


class DailyCap:
    """Counts for the whole sender; `share` is this process's part of it. `segments` None: only the carrier's word."""

    def __init__(self, segments: int | None) -> None:
        self._segments = segments
        self._day: date | None = None
        self._before = 0
        self._sent = 0
        self._reached: date | None = None
        self.share = 1.0

    def begin(self, before: int, now: datetime) -> None:
        """So many segments of this day were used by all processes until now."""
        self._day, self._before, self._sent = _day(now), before, 0

    def reached(self, now: datetime) -> None:
        """A carrier said that the day is used up: what is not urgent waits for the next."""
        self._reached = _day(now)

    def wait(self, lane: int, segments: int, now: datetime) -> float | None:
        """Seconds until a message of this lane may leave, where the day has no room for it; None where it has."""
        day = _day(now)
        shut = lane > _URGENT and day == self._reached
        if not shut and (self._segments is None or self._room(lane, day) >= segments):
            return None
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), _PACIFIC)
        return (midnight - now).total_seconds()

    def spend(self, segments: int, now: datetime) -> None:
        """A message is going to leave."""
        if _day(now) != self._day:
            self.begin(0, now)
        self._sent += segments

    def give_back(self, segments: int) -> None:
        """It did not leave, or was refused."""
        self._sent = max(0, self._sent - segments)

    def _room(self, lane: int, day: date) -> float:
        limit = (self._segments or 0) * (1.0 if lane <= _URGENT else _FOR_ALL)
        before, sent = (self._before, self._sent) if day == self._day else (0, 0)
        return max(0.0, limit - before) * self.share - sent


def midnight(now: datetime) -> datetime:
    """When this day of the carriers began."""
    return datetime.combine(_day(now), datetime.min.time(), _PACIFIC)


def _day(now: datetime) -> date:
    return now.astimezone(_PACIFIC).date()
