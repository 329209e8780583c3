"""Addresses in one spelling, so that the same phone or mailbox is the same key whoever names it."""

from typing import Final

import phonenumbers

_REGION: Final = "US"


def phone(text: str | None) -> str | None:
    """A phone number as E.164 (`+13125550100`); None where the text names no number that can exist.

    Numbers without a country code are read as American.
    """
    if not text:
        return None
    try:
        number = phonenumbers.parse(text, _REGION)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mailbox(text: str | None) -> str | None:
    """A mailbox in lower case without spaces around it; None where the text names none.

    The local part is folded too: no provider of note tells cases apart, and a STOP must not hang on a capital.
    """
    if not text:
        return None
    folded = text.strip().lower()
    name, at, host = folded.rpartition("@")
    if not at or not name or "." not in host or any(c.isspace() or not c.isprintable() for c in folded):
        return None
    return folded
