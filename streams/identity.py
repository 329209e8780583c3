"""Names that cannot be turned back: traveler ids, address keys, enrolment pseudonyms, callback tokens, event ids.

The HMAC key never rotates: ids and suppressions hang on it. Event ids are uuid5, so the same input gives the same ids.
"""

import base64
import functools
import hashlib
import hmac
import uuid
from datetime import datetime

_NAMESPACE = uuid.UUID("6b1f4f4e-6f0a-5c3e-9a51-2c1d6a1d7e10")
_REMEMBERED = 16_384


class Identity:
    """Keyed names for people and addresses; `secret` is the HMAC-SHA-256 key."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = hmac.new(secret, digestmod="sha256")
        # The same few names are asked for again and again while one person's messages go through.
        self._name = functools.lru_cache(maxsize=_REMEMBERED)(self._made)

    def _made(self, purpose: str, value: str, size: int = 20) -> str:
        keyed = self._keyed.copy()
        keyed.update(f"{purpose}\x00{value}".encode())
        # As many bytes as `size` letters of five bits need, without a padded group.
        return base64.b32encode(keyed.digest()[: -(-size // 8) * 5])[:size].decode().lower()

    def traveler_of_subject(self, portal_subject: str) -> str:
        """The traveler id of a verified portal sign-in."""
        return "t" + self._name("subject", portal_subject)

    def traveler_of_record(self, record: str) -> str:
        """The traveler id of a record that no sign-in has claimed."""
        return "t" + self._name("record", record)

    def address(self, channel: str, address: str) -> str:
        """The key of one phone number (E.164) or mailbox (lower case)."""
        return "a" + self._name("address", f"{channel}:{address}")

    def enrollment(self, record: str, quarter: str) -> str:
        """The pseudonym of one enrollment for analysts; another in each fiscal quarter (domain 5.2)."""
        return "e" + self._name("enrollment", f"{quarter}:{record}")

    def token(self, claim_id: str) -> str:
        """The callback token of one claim: 128 bits or more, a capability, kept out of logs."""
        return self._name("token", claim_id, 32)


def event_id(cause: str, step: str, target: str) -> str:
    """The id of an event that we emit: uuid5 of cause, step and target."""
    named = _NAMESPACE.bytes + "\x1f".join((cause, step, target)).encode()
    digest = bytearray(hashlib.sha1(named, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def notification_id(record: str, application: str | None, kind: str, fact: str, channel: str) -> str:
    """The id of a message about a record, whichever traveler it goes to (design 1)."""
    return event_id(record, f"{application or ''}\x1e{kind}\x1e{fact}", channel)


def fiscal(moment: datetime) -> tuple[int, int]:
    """U.S. federal fiscal year and quarter of a moment; Q1 is October to December."""
    return moment.year + (moment.month >= 10), (moment.month + 2) // 3 % 4 + 1
