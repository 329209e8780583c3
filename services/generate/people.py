"""A fictional person: where they live, what they speak, how they may be reached, which programs they are in."""

import random
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final, TypeVar

import msgspec

LANGUAGES: Final = {
    "en": 78.2,
    "es": 13.4,
    "zh-Hans": 0.8,
    "zh-Hant": 0.3,
    "tl": 0.6,
    "vi": 0.5,
    "ar": 0.4,
    "fr": 0.4,
    "ko": 0.4,
    "ru": 0.3,
    "pt-BR": 0.3,
    "ht": 0.3,
    "de": 0.3,
    "hi": 0.3,
    "pl": 0.2,
    "ur": 0.2,
    "fa": 0.2,
    "ja": 0.2,
}
"""Languages spoken at home in the United States, in percent (American Community Survey, rounded)."""

PLACES: Final = {
    ("America/New_York", "NY"): 20.0,
    ("America/New_York", "FL"): 14.0,
    ("America/New_York", "VA"): 13.0,
    ("America/Chicago", "IL"): 14.0,
    ("America/Chicago", "TX"): 15.0,
    ("America/Denver", "CO"): 5.0,
    ("America/Phoenix", "AZ"): 2.0,
    ("America/Los_Angeles", "CA"): 13.0,
    ("America/Los_Angeles", "WA"): 3.5,
    ("Pacific/Honolulu", "HI"): 0.5,
}
"""Where travelers live, by share of the population of each time zone."""

PROGRAMS: Final = {
    ("PRECHECK",): 46.0,
    ("GLOBAL_ENTRY",): 36.0,
    ("PRECHECK", "GLOBAL_ENTRY"): 8.0,
    ("NEXUS",): 6.0,
    ("SENTRI",): 3.0,
    ("FAST",): 0.7,
    ("ABTC",): 0.3,
}
"""Enrollments, by share of yearly applications and memberships (domain 1.1, 2.1, 2.3)."""

T = TypeVar("T")

_GIVEN: Final = ("Ana", "Ben", "Chi", "Dana", "Eli", "Fay", "Gus", "Hana", "Ivo", "Jun", "Kim", "Lea", "Max", "Noor")
_FAMILY: Final = (
    "Abel",
    "Brook",
    "Cruz",
    "Diaz",
    "Eads",
    "Fox",
    "Gale",
    "Hill",
    "Ito",
    "Jung",
    "Khan",
    "Lopez",
    "Moss",
)
_AREAS: Final = tuple(area for area in range(200, 1000) if area % 100 != 11)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One traveler. `portal` is the subject of their sign-in; None without one."""

    number: int
    appears: datetime
    language: str
    timeZone: str
    state: str
    givenName: str
    familyName: str
    born: date
    phone: str | None
    email: str | None
    portal: str | None
    programs: tuple[str, ...]
    minor: bool


def person(dice: random.Random, number: int, appears: datetime) -> Person:
    """The traveler of that number, who first appears at that moment."""
    zone, state = _pick(dice, PLACES)
    programs = _pick(dice, PROGRAMS)
    minor = "PRECHECK" not in programs and dice.random() < 0.05
    age = dice.uniform(6.5, 17) if minor else min(90.0, 18 + dice.gammavariate(3.2, 9.5))
    area, line = _AREAS[number // 100 % len(_AREAS)], number % 100
    signs_in = dice.random() < 0.85
    return Person(
        number=number,
        appears=appears,
        language=_pick(dice, LANGUAGES),
        timeZone=zone,
        state=state,
        givenName=dice.choice(_GIVEN),
        familyName=dice.choice(_FAMILY),
        born=(appears - timedelta(days=365.25 * age)).date(),
        phone=f"+1{area}55501{line:02d}" if dice.random() < 0.75 else None,
        email=f"traveler{number}@example.com" if dice.random() < 0.92 else None,
        portal=f"subject-{number}" if signs_in else None,
        programs=programs,
        minor=minor,
    )


def guardian(who: Person) -> dict[str, str]:
    """Who is written to for a child."""
    reached = {"phone": who.phone, "email": who.email, "language": who.language}
    named = {"relation": "parent", "name": f"{who.givenName} {who.familyName}"}
    return named | {name: value for name, value in reached.items() if value is not None}


def _pick(dice: random.Random, shares: Mapping[T, float]) -> T:
    return dice.choices(list(shares), weights=list(shares.values()))[0]
