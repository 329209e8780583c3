"""Segments a day, where a carrier's limit for the brand is known: the last fifth is kept for deadlines and decisions.

Carriers count from midnight Pacific time (delivery.md 1.3, 30023). What this process sent before it was started is not
known to it, so a restart may let more through; the carrier's own refusal is then the limit.
"""

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_PACIFIC: Final = ZoneInfo("America/Los_Angeles")
_FOR_ALL: Final = 0.8
_URGENT: Final = 1
"""The last lane that may use all of the day."""


class DailyCap:
    """Counts for the whole sender; `share` is this process's part of it."""

    def __init__(self, segments: int) -> None:
        self._segments = segments
        self._day: date | None = None
        self._sent = 0
        self.share = 1.0

    def wait(self, lane: int, segments: int, now: datetime) -> float | None:
        """Seconds until a message of this lane may leave, where the day has no room for it; None where it has."""
        local = now.astimezone(_PACIFIC)
        part = 1.0 if lane <= _URGENT else _FOR_ALL
        sent = self._sent if local.date() == self._day else 0
        if sent + segments <= self._segments * self.share * part:
            return None
        midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), _PACIFIC)
        return (midnight - now).total_seconds()

    def spend(self, segments: int, now: datetime) -> None:
        """A message was accepted."""
        day = now.astimezone(_PACIFIC).date()
        if day != self._day:
            self._day, self._sent = day, 0
        self._sent += segments
