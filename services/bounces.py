"""What comes back by mail: bounces and delivery notices, matched to their message by the envelope sender (VERP).

Each message leaves with a return address of its own, `bounce+TOKEN@domain`, so the token in the address that a notice
was sent to names the message; whatever the notice says of itself is only read for the verdict (delivery.md 3.3). Such
mail is hostile input: limited in size and depth, never answered, attachments never opened.
"""

import re
from collections.abc import Iterable
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.policy import compat32
from itertools import islice
from typing import Final

import msgspec

from schemas.internal import Receipt

MAX_SIZE: Final = 262_144
_MAX_PARTS: Final = 30
_TOKEN: Final = re.compile(r"a[a-z2-7]{20}-[a-z2-7]{32}")
_ADDRESS: Final = re.compile(r"bounce\+(a[a-z2-7]{20}-[a-z2-7]{32})@", re.IGNORECASE)
_STATUS: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


class Notice(msgspec.Struct, frozen=True):
    """A delivery status notice about one message: its token, `delivered`, `undelivered` or `delayed`, and the code."""

    token: str
    status: str
    code: str | None

    def receipt(self) -> Receipt | None:
        """This as a receipt; None for a delay, after which another notice follows."""
        if self.status == "delayed":
            return None
        return Receipt(token=self.token, providerId=None, status=self.status, code=self.code)


def sender(token: str, domain: str) -> str:
    """The envelope sender of the message with this token."""
    return f"bounce+{token}@{domain}"


def token(recipient: str) -> str | None:
    """The token in the address that a notice was sent to; None where it is no such address."""
    found = _ADDRESS.match(recipient)
    return found[1].lower() if found else None


def key(callback_token: str) -> str | None:
    """The address key in a callback token; None where the text has not the form of one."""
    return callback_token.partition("-")[0] if _TOKEN.fullmatch(callback_token) else None


def read(recipient: str, content: bytes) -> Notice | None:
    """What a mail to `recipient` says of one of our messages; None where it says nothing that counts.

    Only multipart/report of RFC 3464 counts: an automatic answer ("I am on leave") is no verdict.
    """
    named = token(recipient)
    if named is None or len(content) > MAX_SIZE:
        return None
    try:
        message = message_from_bytes(content, policy=compat32)
        reports = [
            part for part in islice(message.walk(), _MAX_PARTS) if part.get_content_type() == "message/delivery-status"
        ]
        fields = [_fields(block) for report in reports for block in _blocks(report)]
    except (MessageError, ValueError, LookupError, RecursionError):
        return None
    verdicts = [verdict for block in fields if (verdict := _verdict(block)) is not None]
    for status in ("undelivered", "delivered", "delayed"):
        for found, code in verdicts:
            if found == status:
                return Notice(named, status, code)
    return None


def _blocks(report: "Message[str, str]") -> Iterable["Message[str, str]"]:
    payload = report.get_payload()
    return [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []


def _fields(block: "Message[str, str]") -> dict[str, str]:
    return {name.lower(): str(value) for name, value in block.items()}


def _verdict(fields: dict[str, str]) -> tuple[str, str | None] | None:
    action = fields.get("action", "").split("(")[0].strip().lower()
    status = _STATUS.match(fields.get("status", ""))
    code = status[1] if status else None
    if action == "failed":
        return ("undelivered", code)
    if action == "delayed":
        return ("delayed", code)
    # `relayed` and `expanded` say that the next system gives no notices; for us the message has arrived there.
    return ("delivered", None) if action in ("delivered", "relayed", "expanded") else None
