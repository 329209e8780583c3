"""What comes back by mail: bounces and delivery notices, matched to their message by the envelope sender (VERP).

Each message leaves with a return address of its own, `bounce+TOKEN@domain`, so the token in the address that a notice
was sent to names the message; whatever the notice says of itself is only read for the verdict (delivery.md 3.3). Such
mail is hostile input: limited in size and depth, never answered, attachments never opened.
"""

import re
from collections.abc import Iterable
from email import message_from_bytes, message_from_string
from email.errors import MessageError
from email.message import Message
from email.policy import compat32
from itertools import islice
from typing import Final

import msgspec

from schemas.internal import OptedOut, Receipt

MAX_SIZE: Final = 262_144
_MAX_PARTS: Final = 30
_TOKEN: Final = re.compile(r"a[a-z2-7]{20}-[a-z2-7]{32}")
_ADDRESS: Final = re.compile(r"bounce\+(a[a-z2-7]{20}-[a-z2-7]{32})@", re.IGNORECASE)
_REPORTS: Final = ("message/delivery-status", "message/global-delivery-status")
_NO_COMPLAINT: Final = frozenset({"auth-failure", "dmarc", "not-spam", "virus"})
_STATUS: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


class Notice(msgspec.Struct, frozen=True):
    """A notice about one message: its token, the verdict, and with `undelivered` the code.

    delivered, undelivered, delayed (another notice follows), or complained: its reader called it spam (RFC 5965).
    """

    token: str
    verdict: str
    code: str | None = None

    def message(self) -> Receipt | OptedOut | None:
        """What the address must know; None for a delay. Who complains wants no more mail."""
        if self.verdict == "delayed":
            return None
        if self.verdict == "complained":
            return OptedOut(address=self.token.partition("-")[0], reason="stopped")
        return Receipt(token=self.token, providerId=None, status=self.verdict, code=self.code)


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

    Only reports of RFC 3464 and RFC 5965 count: an automatic answer ("I am on leave") is no verdict.
    """
    named = token(recipient)
    if named is None or len(content) > MAX_SIZE:
        return None
    try:
        message = message_from_bytes(content, policy=compat32)
        parts = list(islice(message.walk(), _MAX_PARTS))
        kinds = [part.get_content_type() for part in parts]
        fields = [
            _fields(block)
            for part, kind in zip(parts, kinds, strict=True)
            if kind in _REPORTS
            for block in _blocks(part)
        ]
        feedback = [
            _fields(block).get("feedback-type", "").strip().lower()
            for part, kind in zip(parts, kinds, strict=True)
            if kind == "message/feedback-report"
            for block in _blocks(part)
        ]
    except (MessageError, ValueError, LookupError, RecursionError):
        return None
    if any(kind not in _NO_COMPLAINT for kind in feedback):
        return Notice(named, "complained")
    verdicts = [verdict for block in fields if (verdict := _verdict(block)) is not None]
    for wanted in ("undelivered", "delivered", "delayed"):
        for found, code in verdicts:
            if found == wanted:
                return Notice(named, wanted, code)
    return None


def _blocks(report: "Message[str, str]") -> Iterable["Message[str, str]"]:
    """The groups of fields of a report. Of the form for other letters (RFC 6533) the package reads the first alone."""
    payload = report.get_payload()
    blocks = [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []
    if report.get_content_type() != "message/global-delivery-status":
        return blocks
    rest = (text for block in blocks if isinstance(text := block.get_payload(), str))
    more = (part for text in rest for part in re.split(r"(?:\r?\n){2,}", text)[:_MAX_PARTS])
    return [*blocks, *(message_from_string(part, policy=compat32) for part in more)]


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
