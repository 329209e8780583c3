"""The merge of profile events: an absent field stays, null clears, and of two values the later said one holds."""

from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from schemas.source import Consent, Contact, Guardian, ProfileUpdated
from streams import contacts
from streams.travelers.state import Address, Guard, Profile, Stamp

_PLAIN: Final = ("language", "timeZone", "state", "minor", "dateOfBirth")


def merge(profile: Profile, data: ProfileUpdated, stamp: Stamp) -> Profile:
    """The profile with everything that `data`, said at `stamp`, changes in it.

    Fields keep their own stamp, so that any order of arrival gives the same profile and a repeated event nothing new.
    """
    given: dict[str, Any] = {name: getattr(data, name) for name in _PLAIN if getattr(data, name) is not UNSET}
    if data.phone is not UNSET:
        given["phone"] = _address(contacts.phone, data.phone)
    if data.email is not UNSET:
        given["email"] = _address(contacts.mailbox, data.email)
    if data.guardian is not UNSET:
        given["guardian"] = _guard(data.guardian)
    if data.consent is not UNSET:
        consent = data.consent or Consent(sms=None, email=None)
        if consent.sms is not UNSET:
            given["consentSms"] = consent.sms
        if consent.email is not UNSET:
            given["consentEmail"] = consent.email
    return amend(profile, given, stamp)


def amend(profile: Profile, given: dict[str, Any], stamp: Stamp) -> Profile:
    """The profile with the given fields, except those for which something later is known already."""
    newer = {name: value for name, value in given.items() if name not in profile.stamps or profile.stamps[name] < stamp}
    return replace(profile, **newer, stamps=profile.stamps | dict.fromkeys(newer, stamp)) if newer else profile


def _address(normal: Any, contact: Contact | None) -> Address | None:
    address = normal(contact.address) if contact is not None else None
    return Address(address, contact.verified) if contact is not None and address is not None else None


def _guard(guardian: Guardian | None) -> Guard | None:
    if guardian is None:
        return None
    return Guard(
        phone=contacts.phone(guardian.phone), email=contacts.mailbox(guardian.email), language=guardian.language
    )
