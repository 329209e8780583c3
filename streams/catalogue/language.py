"""What a language brings beside its wordings: dates, hours, zones, headings, and the lines of every email.

Names of months, days and zones are reviewed tables, not CLDR at run time: CLDR puts invisible spaces into English
times, French months into Haitian Creole and English "PM" into Korean.
"""

import tomllib
import unicodedata
from datetime import date, datetime
from typing import Final, Literal

import msgspec

from streams.catalogue.errors import CatalogueError
from streams.catalogue.wording import FORBIDDEN

ZONES: Final = {
    "America/New_York": "eastern",
    "America/Detroit": "eastern",
    "America/Indiana/Indianapolis": "eastern",
    "America/Kentucky/Louisville": "eastern",
    "America/Toronto": "eastern",
    "America/Montreal": "eastern",
    "America/Chicago": "central",
    "America/Winnipeg": "central",
    "America/Regina": "central",
    "America/Menominee": "central",
    "America/Indiana/Knox": "central",
    "America/North_Dakota/Center": "central",
    "America/Denver": "mountain",
    "America/Boise": "mountain",
    "America/Edmonton": "mountain",
    "America/Phoenix": "arizona",
    "America/Los_Angeles": "pacific",
    "America/Vancouver": "pacific",
    "America/Anchorage": "alaska",
    "America/Juneau": "alaska",
    "Pacific/Honolulu": "hawaii",
    "America/Puerto_Rico": "atlantic",
    "America/St_Thomas": "atlantic",
    "America/Halifax": "atlantic",
    "America/St_Johns": "newfoundland",
    "Pacific/Guam": "chamorro",
    "Pacific/Saipan": "chamorro",
    "Pacific/Pago_Pago": "samoa",
    "US/Eastern": "eastern",
    "US/Central": "central",
    "US/Mountain": "mountain",
    "US/Arizona": "arizona",
    "US/Pacific": "pacific",
    "US/Alaska": "alaska",
    "US/Hawaii": "hawaii",
}
"""IANA zones of places with interviews, to the zone that people there name."""

ZONE_NAMES: Final = tuple(dict.fromkeys(ZONES.values()))


class Dates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Patterns and their words. In a pattern: {day} {month} {longMonth} {year} {weekday} {hour} {minute} {period}.

    `sms` and `email` write a date; `appointment` a date with its weekday, in email. `clock` is 12 or 24; `hour` and
    `minute` are digits of Western shape. Monday is the first weekday.
    """

    months: tuple[str, ...]
    longMonths: tuple[str, ...]
    weekdays: tuple[str, ...]
    sms: str
    email: str
    appointment: str
    time: str
    clock: Literal[12, 24]
    zones: dict[str, str]
    am: str = ""
    pm: str = ""

    def write(self, pattern: str, day: date) -> str:
        """A date by one of the patterns."""
        return pattern.format(
            day=day.day,
            month=self.months[day.month - 1],
            longMonth=self.longMonths[day.month - 1],
            year=day.year,
            weekday=self.weekdays[day.weekday()],
        )

    def hour(self, moment: datetime) -> str:
        """The time of day of a local moment."""
        hour = moment.hour if self.clock == 24 else (moment.hour - 1) % 12 + 1
        return self.time.format(
            hour=hour, minute=f"{moment.minute:02}", period=self.am if moment.hour < 12 else self.pm
        ).strip()


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lines around the wordings of an email. All but the headings may hold {{ host }} and {{ program }}."""

    means: str
    next: str
    dates: str
    disagree: str
    real: str
    realText: str
    courtesy: str
    language: str
    accessibility: str
    official: str
    unsubscribe: str
    calendar: str


class Banned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words that must not appear: `anywhere` sound like a swindler, `sms` would show on a locked screen."""

    anywhere: tuple[str, ...]
    sms: tuple[str, ...]


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language of the catalogue.

    `name` is its own name, `sender` what a message without a program calls us, `stop` the sentence that ends a text
    message, `fallback` the line that heads an email in English for a reader of this language. `encoding` and `segments`
    are what a text message may need. `off` turns parts off: `sms`, `email`, `KIND` or `KIND/sms`.
    """

    name: str
    english: str
    direction: Literal["ltr", "rtl"]
    owner: str
    state: Literal["draft", "reviewed", "approved"]
    encoding: Literal["GSM-7", "UCS-2"]
    segments: int
    sender: str
    stop: str
    fallback: str
    dates: Dates
    email: Frame
    banned: Banned
    off: tuple[str, ...] = ()
    notes: str = ""

    def silent(self, kind: str, channel: str) -> bool:
        """Whether this kind is turned off on this channel."""
        return not {channel, kind, f"{kind}/{channel}"}.isdisjoint(self.off)


def parse(path: str, text: str) -> Language:
    """Read a language file. Raises CatalogueError naming what is wrong."""
    if unicodedata.normalize("NFC", text) != text:
        raise CatalogueError(path, "letters and their accents must be one character each (Unicode NFC)")
    found = next((name for letter, name in FORBIDDEN.items() if letter in text), None)
    if found is not None:
        raise CatalogueError(path, f"holds a {found}")
    try:
        language = msgspec.convert(tomllib.loads(text), Language)
        _check(language.dates)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, KeyError, ValueError) as error:
        raise CatalogueError(path, str(error)) from None
    return language


def _check(dates: Dates) -> None:
    for name, found, wanted in (
        ("months", len(dates.months), 12),
        ("longMonths", len(dates.longMonths), 12),
        ("weekdays", len(dates.weekdays), 7),
    ):
        if found != wanted:
            raise ValueError(f"dates.{name} has {found} names instead of {wanted}")
    if set(dates.zones) != set(ZONE_NAMES):
        raise ValueError(f"dates.zones must name exactly {', '.join(ZONE_NAMES)}")
    if dates.clock == 12 and not (dates.am and dates.pm):
        raise ValueError("a 12-hour clock needs dates.am and dates.pm")
    noon = datetime(2027, 9, 30, 12, 5)  # noqa: DTZ001 - a wall clock to try the patterns with
    for pattern in (dates.sms, dates.email, dates.appointment):
        dates.write(pattern, noon.date())
    dates.hour(noon)
