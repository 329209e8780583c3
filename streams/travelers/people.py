"""Whom a message goes to: the traveler, or for a child the guardian; and whether they may be written to at all."""

from datetime import date, datetime

import msgspec

from schemas.outputs import Channel
from streams import hours
from streams.travelers.state import Address, Traveler

MAJORITY = 18


class Recipient(msgspec.Struct, frozen=True):
    """Who is written to. `missing`: a child without a guardian that counts."""

    phone: Address | None
    email: Address | None
    sms: bool | None
    mail: bool | None
    language: str | None
    child: bool = False
    missing: bool = False


def recipient(traveler: Traveler, now: datetime, record: str | None = None) -> Recipient:
    """Whom news goes to at `now`; the language is the person's own, else what the program holds of them."""
    profile = traveler.profile
    language = profile.language or held_language(traveler, record)
    if not is_child(traveler, now):
        return Recipient(profile.phone, profile.email, profile.consentSms, profile.consentEmail, language)
    guard = profile.guardian
    if guard is None:
        return Recipient(None, None, None, None, language, child=True, missing=True)
    phone = Address(guard.phone, verified=True) if guard.phone else None
    email = Address(guard.email, verified=True) if guard.email else None
    return Recipient(phone, email, True, True, guard.language or language, child=True)


def refusal(person: Recipient, channel: Channel, held: bool) -> str | None:
    """Why this channel is closed to the person (contract 1.5), None when it is open.

    `held`: the program holds an address for this channel, which nobody has verified. A spoken "no" counts before all
    else; email needs no "yes" (contract 1.2).
    """
    if person.missing:
        return "no-guardian"
    address, consent = (person.phone, person.sms) if channel == "sms" else (person.email, person.mail)
    if consent is False:
        return "no-consent"
    if address is None:
        return "unverified" if held else "no-address"
    if not address.verified:
        return "unverified"
    if channel == "sms" and consent is not True:
        return "no-consent"
    return None


def about_number(traveler: Traveler, now: datetime, kind: str, to: str) -> str | None:
    """Why a text about a change of number may not go to `to` any more, None when it may.

    A number is asked while it is the traveler's and unproved, and warned while it is not the traveler's. A channel
    that was closed meanwhile is closed to both (contract 5.12), and a child's number is left alone.
    """
    phone = traveler.profile.phone
    present = phone is not None and phone.address == to
    asks = phone is not None and present and not phone.verified
    stands = asks if kind == "OPT_IN_REQUEST" else not present
    if not stands or is_child(traveler, now):
        return "contact-changed"
    return None if traveler.profile.consentSms is True else "no-consent"


def held_language(traveler: Traveler, record: str | None) -> str | None:
    """The language that a program holds of the person: that of the record, else of the first card that has one."""
    names = sorted(traveler.cards, key=lambda name: (name != record, name))
    return next((card.language for name in names if (card := traveler.cards[name]).language), None)


def birth_date(traveler: Traveler) -> date | None:
    """The birth date: the profile's, else that of the records, which agree."""
    if traveler.profile.dateOfBirth is not None:
        return traveler.profile.dateOfBirth
    return traveler.births[min(traveler.births)] if traveler.births else None


def is_child(traveler: Traveler, now: datetime) -> bool:
    """Whether the person's messages belong to a guardian: said to be a minor, or under 18, and not yet of age."""
    said = traveler.profile.minor
    if said is None:
        said = True if any(card.minor for card in traveler.cards.values()) else None
    comes = of_age(traveler)
    if comes is None:
        return said is True
    return now < comes and said is not False


def of_age(traveler: Traveler) -> datetime | None:
    """The moment at which the person turns 18: 00:00 where they live; None when the birth date is unknown."""
    born = birth_date(traveler)
    if born is None:
        return None
    leap = (born.month, born.day) == (2, 29)
    birthday = date(born.year + MAJORITY, 3, 1) if leap else born.replace(year=born.year + MAJORITY)
    return hours.midnight(birthday, traveler.zones)


def zones(traveler: Traveler) -> hours.Zones:
    """The zones in which the person may live."""
    profile = traveler.profile
    cards = [traveler.cards[name] for name in sorted(traveler.cards)]
    held = next((card.timeZone for card in cards if card.timeZone), None)
    state = profile.state or next((card.state for card in cards if card.state), None)
    phone = profile.phone.address if profile.phone is not None and profile.phone.verified else None
    if phone is None and profile.guardian is not None:
        phone = profile.guardian.phone
    return hours.candidates(profile.timeZone, held, phone, state)
