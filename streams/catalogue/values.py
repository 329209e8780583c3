"""What a case fills into placeholders: only what is known, written the way the language writes it."""

import re
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.internal import Facts
from streams.catalogue.language import ZONES, Language
from streams.catalogue.programs import HOSTS, PROGRAMS
from streams.catalogue.wording import DATES

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_SITE_LETTERS = 100


def values(language: Language, facts: Facts, part: Literal["sms", "subject", "email"]) -> dict[str, str]:
    """The placeholders that this case knows. A case without a program speaks for all of them."""
    program = PROGRAMS.get(facts.program or "")
    known = {
        "program": language.sender if program is None else program.full if part == "email" else program.short,
        "host": HOSTS[1] if program is None else program.host,
    }
    pattern = language.dates.sms if part == "sms" else language.dates.email
    known |= {name: language.dates.write(pattern, facts.dates[name]) for name in DATES if name in facts.dates}
    local = place_time(facts)
    if local is not None:
        appointment = language.dates.sms if part == "sms" else language.dates.appointment
        known["day"] = language.dates.write(appointment, local.date())
        known["time"] = language.dates.hour(local)
        if (zone := ZONES.get(facts.appointmentZone or "")) is not None:
            known["zone"] = language.dates.zones[zone]
    if facts.site and (site := clean(facts.site)):
        known["site"] = site
    return known


def place_time(facts: Facts) -> datetime | None:
    """The appointment on the clock of its place. None where the place's zone is unknown: a guess could miss the day."""
    if facts.appointment is None:
        return None
    if facts.appointmentZone:
        try:
            return facts.appointment.astimezone(ZoneInfo(facts.appointmentZone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None
    return facts.appointment if facts.appointment.utcoffset() else None


def clean(text: str) -> str:
    """A source's free text without what could break a line, hide or turn letters; at most 100 letters."""
    return " ".join(_UNSAFE.sub(" ", text).split())[:_SITE_LETTERS].rstrip()


def extremes(language: Language) -> tuple[dict[str, str], dict[str, str]]:
    """The shortest and the longest value of each dated placeholder in a text message."""
    days = [
        language.dates.write(language.dates.sms, date(2027, month, day)) for month in range(1, 13) for day in (1, 28)
    ]
    hours = [language.dates.hour(datetime(2027, 1, 1, hour, 59)) for hour in range(24)]  # noqa: DTZ001 - a wall clock
    return (
        {**dict.fromkeys((*DATES, "day"), min(days, key=len)), "time": min(hours, key=len)},
        {**dict.fromkeys((*DATES, "day"), max(days, key=len)), "time": max(hours, key=len)},
    )
