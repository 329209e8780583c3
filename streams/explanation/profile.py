"""What a profile event says of a person, in words and without any address."""

from msgspec import UNSET

from schemas.source import Contact, ProfileUpdated
from streams.reading import Data


def said(data: Data) -> str:
    """What an update of a profile says; nothing for other events."""
    if not isinstance(data, ProfileUpdated):
        return ""
    parts = [
        _field("language", data.language),
        _field("time zone", data.timeZone),
        _field("state", data.state),
        _contact("phone", data.phone),
        _contact("mailbox", data.email),
    ]
    if data.consent is not None and data.consent is not UNSET:
        parts += [_agreed("texts", data.consent.sms), _agreed("emails", data.consent.email)]
    elif data.consent is None:
        parts.append("what was agreed to is taken back")
    if data.minor is True:
        parts.append("is a child")
    if data.guardian is not UNSET:
        parts.append("no guardian any more" if data.guardian is None else "has a guardian")
    return ", ".join(part for part in parts if part)


def _field(name: str, value: object) -> str:
    if value is UNSET:
        return ""
    return f"no {name} any more" if value is None else f"{name} {value}"


def _contact(name: str, value: object) -> str:
    if isinstance(value, Contact):
        return f"{name} {'verified' if value.verified else 'given, not verified'}"
    return "" if value is UNSET else f"no {name} any more"


def _agreed(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"agrees to {name}" if value else f"does not agree to {name}"
    return "" if value is UNSET else f"says nothing of {name} any more"
