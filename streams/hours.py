"""When a message may leave: the traveler's time zones, the quiet hours and the window of adverse news.

Contract 5.1 and domain 4.6: texts 8:00 to 21:00 in the traveler's zone; adverse news 9:00 to 18:00 on weekdays in both
channels. Where several zones are possible the hour must be right in all of them.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from schemas.outputs import Channel
from streams.zones import OF_AREA_CODE, OF_STATE

Zones = tuple[str, ...]

EASTERN: Final = "America/New_York"


class Window(msgspec.Struct, frozen=True):
    """The hours of a day in which something may leave, from `opens` up to but not at `closes`."""

    opens: time
    closes: time
    weekdays: bool = False


TEXTS: Final = Window(time(8), time(21))
ADVERSE: Final = Window(time(9), time(18), weekdays=True)
_UNKNOWN_ZONE: Final = {
    # Inside these hours of the East it is a decent hour from coast to coast (domain 4.6).
    TEXTS: Window(time(11), time(20)),
    ADVERSE: Window(time(12), time(18), weekdays=True),
}
_SEARCH: Final = 64
"""Steps after which zones are taken to have no hour in common; two zones agree within a few when they agree at all."""


def window(channel: Channel, *, adverse: bool, daytime: bool) -> Window | None:
    """When a message of this channel may leave; None at any hour. `daytime`: not at night, in either channel."""
    if adverse:
        return ADVERSE
    return TEXTS if channel == "sms" or daytime else None


def candidates(own: str | None, held: str | None, phone: str | None, state: str | None) -> Zones:
    """The zones in which a traveler may live; empty: unknown.

    `own` is the traveler's setting, `held` the program's; else the area code of `phone` (E.164) and the address state:
    what both allow, or all of either where they contradict each other.
    """
    if own or held:
        return (own or held or EASTERN,)
    by_code = OF_AREA_CODE.get(phone[2:5], ()) if phone and phone.startswith("+1") else ()
    by_state = OF_STATE.get((state or "").strip().upper().removeprefix("US-"), ())
    if not by_code or not by_state:
        return by_code or by_state
    return tuple(zone for zone in by_code if zone in by_state) or tuple(dict.fromkeys(by_code + by_state))


def earliest(moment: datetime, zones: Zones, window: Window) -> datetime:
    """The first moment from `moment` on at which the window is open in every zone, in UTC.

    Zones without a common hour are judged by the first alone; no zone at all means the narrow hours of the East.
    """
    if not zones:
        return _opening(moment, ZoneInfo(EASTERN), _UNKNOWN_ZONE[window])
    if (shared := _shared(moment, [ZoneInfo(zone) for zone in zones], window)) is not None:
        return shared
    return _opening(moment, ZoneInfo(zones[0]), window)


def _shared(moment: datetime, zones: Iterable[ZoneInfo], window: Window) -> datetime | None:
    zones = tuple(zones)
    for _ in range(_SEARCH):
        latest = max(_opening(moment, zone, window) for zone in zones)
        if latest == moment.astimezone(UTC):
            return latest
        moment = latest
    return None


def _opening(moment: datetime, zone: ZoneInfo, window: Window) -> datetime:
    local = moment.astimezone(zone)
    if _works(local.date(), window) and window.opens <= local.time() < window.closes:
        return moment.astimezone(UTC)
    day = local.date() if local.time() < window.opens else local.date() + timedelta(days=1)
    while not _works(day, window):
        day += timedelta(days=1)
    return datetime.combine(day, window.opens, zone).astimezone(UTC)


def _works(day: date, window: Window) -> bool:
    return not window.weekdays or day.weekday() < 5


def morning(day: date, zones: Zones) -> datetime:
    """The first decent moment of a local day, in UTC: 8:00 in the traveler's zone, the latest of them where several."""
    if not zones:
        return datetime.combine(day, _UNKNOWN_ZONE[TEXTS].opens, ZoneInfo(EASTERN)).astimezone(UTC)
    return max(datetime.combine(day, TEXTS.opens, ZoneInfo(zone)).astimezone(UTC) for zone in zones)


def local_day(moment: datetime, zones: Zones) -> date:
    """The calendar day of a moment where the traveler lives; Eastern where that is unknown."""
    return moment.astimezone(ZoneInfo(zones[0] if zones else EASTERN)).date()


def midnight(day: date, zones: Zones) -> datetime:
    """00:00 of a local day, in UTC."""
    return datetime.combine(day, time(0), ZoneInfo(zones[0] if zones else EASTERN)).astimezone(UTC)
