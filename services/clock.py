"""The clocks: the wall clock, and the stepped clock of a demonstration, which stands still until it is moved.

Only what a traveler could notice runs on these clocks. Network deadlines and leases stay on real time (design 2).
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from schemas.cloudevents import parse_time, rfc3339
from services.settings import Settings, SettingsError

_LOOK: Final = 0.01


class Clock(Protocol):
    """Something that tells the moment, as an aware UTC datetime."""

    def now(self) -> datetime:
        """The present moment."""

    async def wait_until(self, moment: datetime) -> None:
        """Return at `moment`, or at once where it has passed."""


class WallClock:
    """The clock on the wall."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait_until(self, moment: datetime) -> None:
        await asyncio.sleep(max(0.0, (moment - self.now()).total_seconds()))


class SteppedClock:
    """A clock that several processes share as a small file, and that only `move` moves."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_set(self) -> bool:
        """Whether there is a moment in the file."""
        return self._path.exists()

    def now(self) -> datetime:
        """The moment in the file. Raises SettingsError where nobody has set it."""
        try:
            return parse_time(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            raise SettingsError(
                f"TTN_CLOCK: stepped needs the clock that `ttn demo` keeps in {self._path}, and there is none."
            ) from None

    async def wait_until(self, moment: datetime) -> None:
        while self.now() < moment:  # noqa: ASYNC110 - another process moves the clock
            await asyncio.sleep(_LOOK)

    def move(self, moment: datetime) -> None:
        """Set the clock; readers see the old moment or the new one, never half of it."""
        beside = self._path.with_suffix(".next")
        beside.write_text(rfc3339(moment), encoding="ascii")
        beside.replace(self._path)


def stepped(data_dir: Path) -> SteppedClock:
    """The stepped clock of this data dir."""
    return SteppedClock(data_dir / "clock")


def clock(settings: Settings) -> Clock:
    """The clock that these settings ask for (TTN_CLOCK, which `ttn demo` sets for its parts)."""
    return stepped(settings.data_dir) if settings.clock == "stepped" else WallClock()


def present(settings: Settings) -> datetime:
    """The moment at which a command speaks to the running system: that of the demonstration whose broker it reaches."""
    its = stepped(settings.data_dir)
    return its.now() if settings.kafka is None and its.is_set() else clock(settings).now()
