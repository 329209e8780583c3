"""A person with both programs: when a CBP membership makes a PreCheck renewal needless (domain 3.7, S-06)."""

from datetime import date, datetime
from typing import Final

from msgspec.structs import replace

from schemas.internal import News
from schemas.vocabulary import CBP_PROGRAMS
from streams import hours
from streams.travelers.state import Traveler
from streams.travelers.view import ends

_FIRST_REMINDER: Final = 170
"""Days before the end from which a reminder is the first one, at T-180: the next comes at T-90."""


def covered(traveler: Traveler, news: News) -> bool:
    """Whether a renewal reminder of PreCheck is needless: a CBP membership that includes it lasts 12 months longer."""
    end = _end(traveler, news)
    if news.kind != "EXPIRY_REMINDER" or news.program != "PRECHECK" or end is None:
        return False
    enough = _year_later(end)
    return any(
        held.card.program in CBP_PROGRAMS
        and held.card.membership.state in ("ACTIVE", "EXTENDED")
        and held.card.membership.includesPrecheck is True
        and ends(held.card) >= enough
        for held in traveler.cards.values()
    )


def instead(traveler: Traveler, news: News, now: datetime) -> News | None:
    """The one email "you may not need to renew" in place of the first reminder; None for the later ones."""
    end = _end(traveler, news)
    if end is None or (end - hours.local_day(now, traveler.zones)).days < _FIRST_REMINDER:
        return None
    return replace(news, kind="RENEWAL_NOT_NEEDED", fact=end.isoformat(), channels=("email",), releaseAt=now)


def _end(traveler: Traveler, news: News) -> date | None:
    """The end of the membership that the reminder is about."""
    held = traveler.cards.get(news.record)
    return news.facts.dates.get("validTo") or (held.card.membership.validTo if held is not None else None)


def _year_later(day: date) -> date:
    return date(day.year + 1, 3, 1) if (day.month, day.day) == (2, 29) else day.replace(year=day.year + 1)
