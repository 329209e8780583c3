"""The texts that the sandbox holds, by id and by number, as Twilio would answer for them."""

import secrets
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

import msgspec

from services.settings import TwilioSettings

SENDER = "+18005550199"


def new_sid() -> str:
    """A sid of the form that Twilio gives to texts."""
    return "SM" + secrets.token_hex(16)


class Sms(msgspec.Struct, kw_only=True):
    """One text, in or out. `redacted`: the provider has removed its words; the phone that got them has not."""

    sid: str
    to: str
    sender: str | None
    body: str
    direction: Literal["outbound-api", "inbound"]
    status: str
    created: datetime
    updated: datetime
    sent: datetime | None = None
    code: int | None = None
    segments: int = 1
    callback: str | None = None
    redacted: bool = False

    def advance(self, status: str, now: datetime, code: int | None = None) -> None:
        """A new status at `now`."""
        self.status, self.updated, self.code = status, now, code
        if status in ("sent", "delivered", "undelivered") and self.sent is None:
            self.sent = now
            self.sender = self.sender or SENDER


class Phones:
    """All texts. Numbers that said STOP to the provider are kept when it manages opt-outs itself."""

    def __init__(self, settings: TwilioSettings) -> None:
        self._settings = settings
        self._by_sid: dict[str, Sms] = {}
        self._by_number: dict[str, list[Sms]] = {}
        self.opted_out: set[str] = set()

    def __len__(self) -> int:
        return len(self._by_sid)

    @property
    def numbers(self) -> list[str]:
        """Every number that has a text, in the order in which they first had one."""
        return list(self._by_number)

    def add(self, sms: Sms) -> None:
        """Keep a text."""
        self._by_sid[sms.sid] = sms
        number = sms.to if sms.direction == "outbound-api" else str(sms.sender)
        self._by_number.setdefault(number, []).append(sms)

    def find(self, sid: str) -> Sms | None:
        """The text with this sid."""
        return self._by_sid.get(sid)

    def remove(self, sms: Sms) -> None:
        """Delete a text, as the API's DELETE does."""
        del self._by_sid[sms.sid]
        self._by_number[sms.to if sms.direction == "outbound-api" else str(sms.sender)].remove(sms)

    def conversation(self, number: str) -> list[Sms]:
        """All texts to and from a number, oldest first."""
        return self._by_number.get(number, [])

    def outbound(self, number: str | None, now: datetime, lag: timedelta) -> list[Sms]:
        """What a list query shows: newest first, nothing younger than the lag."""
        texts = self._by_sid.values() if number is None else self.conversation(number)
        shown = [sms for sms in texts if sms.direction == "outbound-api" and sms.created + lag <= now]
        return sorted(shown, key=lambda sms: (sms.created, sms.sid), reverse=True)

    def resource(self, sms: Sms) -> dict[str, Any]:
        """The text as Twilio's API shows it: dates in RFC 2822, the segments a string, 0 until it is sent."""
        account = self._settings.account_sid
        return {
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": "" if sms.redacted else sms.body,
            "date_created": format_datetime(sms.created),
            "date_updated": format_datetime(sms.updated),
            "date_sent": format_datetime(sms.sent) if sms.sent else None,
            "direction": sms.direction,
            "error_code": sms.code,
            "error_message": None,
            "from": sms.sender,
            "messaging_service_sid": self._settings.messaging_service_sid,
            "num_media": "0",
            "num_segments": str(sms.segments) if sms.sent else "0",
            "price": None,
            "price_unit": "USD",
            "sid": sms.sid,
            "status": sms.status,
            "subresource_uris": {"media": f"/2010-04-01/Accounts/{account}/Messages/{sms.sid}/Media.json"},
            "to": sms.to,
            "uri": f"/2010-04-01/Accounts/{account}/Messages/{sms.sid}.json",
        }
