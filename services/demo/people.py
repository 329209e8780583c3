"""Who is who in a story file: the names of its fictional people by phone number and mailbox, for the page."""

from collections.abc import Iterable
from typing import Any

import msgspec

from services.lines import Line, Record


def people(lines: Iterable[Line]) -> dict[str, str]:
    """Names by address, as far as the file says them: a record names the person, a profile the addresses."""
    names: dict[str, str] = {}
    addresses: dict[str, str] = {}
    for line in lines:
        if not isinstance(line.what, Record):
            continue
        data = _data(line.what.value)
        subject = data.get("portalSubject")
        if not isinstance(subject, str):
            continue
        person = data.get("person")
        if isinstance(person, dict):
            names.setdefault(subject, " ".join(str(person[k]) for k in ("givenName", "familyName") if person.get(k)))
        for contact in (data.get("phone"), data.get("email")):
            if isinstance(contact, dict) and contact.get("address"):
                addresses[str(contact["address"])] = subject
    return {address: names[subject] for address, subject in addresses.items() if names.get(subject)}


def _data(value: bytes) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    data = event.get("data") if isinstance(event, dict) else None
    return data if isinstance(data, dict) else {}
