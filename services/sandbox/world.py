"""The sandbox's state, and what happens to a text in it: taken, written down, reported on, answered."""

import re
from datetime import timedelta
from typing import Final

from schemas.cloudevents import rfc3339
from services.clock import Clock
from services.sandbox import faults
from services.sandbox.callbacks import Caller
from services.sandbox.faults import Fault, Faults
from services.sandbox.inbox import Inbox
from services.sandbox.ledger import Entry, Ledger
from services.sandbox.phones import SENDER, Phones, Sms, new_sid
from services.sandbox.timetable import Deed, Timetable
from services.settings import Settings
from streams import sms

SENT_AFTER: Final = timedelta(seconds=1)
DELIVERED_AFTER: Final = timedelta(seconds=3)
_TOKEN: Final = re.compile(r"/twilio/status/([^/?#]+)")
_OPT_OUT_TYPES: Final = {
    "STOP": frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"}),
    "START": frozenset({"START", "YES", "UNSTOP"}),
    "HELP": frozenset({"HELP", "INFO"}),
}


class World:
    """Everything that the API, the mail server and the page share.

    `manages_stop`: the provider answers STOP, START and HELP by itself and blocks, as Twilio can. `receipts` False:
    no status callbacks at all (benchmarks).
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        ledger: Ledger,
        *,
        manages_stop: bool = False,
        receipts: bool = True,
        algorithm: str = "HMAC_SHA1",
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.ledger = ledger
        self.receipts = receipts
        self.manages_stop = manages_stop
        self.faults = Faults()
        self.phones = Phones(settings.twilio)
        self.inbox = Inbox()
        self.timetable = Timetable(clock)
        self.caller = Caller(settings.twilio, algorithm)
        self.people: dict[str, str] = {}
        self.version = 0

    def changed(self) -> None:
        """Something that the page shows is different now."""
        self.version += 1

    async def take_text(self, to: str, body: str, callback: str | None, validity: int | None) -> Sms:
        """Accept a text: on the ledger first, then among the phones, then its receipts are planned."""
        now = self.clock.now()
        text = Sms(
            sid=new_sid(),
            to=to,
            sender=None,
            body=body,
            direction="outbound-api",
            status="accepted",
            created=now,
            updated=now,
            segments=sms.size(body).segments,
            callback=callback,
        )
        token = _TOKEN.search(callback or "")
        await self.ledger.append(
            Entry(
                at=rfc3339(now),
                channel="sms",
                id=text.sid,
                to=to,
                token=token[1] if token else None,
                body=body,
                callback=callback,
                validity=validity,
            )
        )
        self.phones.add(text)
        self.changed()
        if self.receipts:
            self._plan(text, self.faults.take(faults.RECEIPT_FAULTS, to))
        return text

    def _plan(self, text: Sms, fault: Fault | None) -> None:
        name = fault.name if fault is not None else ""
        final, code = "delivered", None
        if fault is not None and name == "undelivered":
            final, code = "undelivered", int(fault.detail) if fault.detail.isdigit() else None
        late = timedelta(seconds=fault.seconds) if fault is not None and name == "late" else timedelta(0)
        steps: list[tuple[str, int | None, timedelta]] = [
            ("sent", None, SENT_AFTER),
            (final, code, DELIVERED_AFTER),
        ]
        prompt = name not in ("lost", "late")
        for status, error, after in steps:
            self.timetable.plan(text.created + after, self._step(text, status, error, tell=prompt))
            if late:
                self.timetable.plan(text.created + after + late, self._tell(text, status, error))
        if name == "doubled":
            for status, error, _ in reversed(steps):
                self.timetable.plan(text.created + 2 * DELIVERED_AFTER, self._tell(text, status, error))

    def _step(self, text: Sms, status: str, code: int | None, *, tell: bool) -> Deed:
        async def deed() -> None:
            text.advance(status, self.clock.now(), code)
            self.changed()
            if tell:
                await self._tell(text, status, code)()

        return deed

    def _tell(self, text: Sms, status: str, code: int | None) -> Deed:
        async def deed() -> None:
            if text.callback is None:
                return
            form = {
                "AccountSid": self.settings.twilio.account_sid,
                "ApiVersion": "2010-04-01",
                "From": text.sender or SENDER,
                "MessageSid": text.sid,
                "MessageStatus": status,
                "MessagingServiceSid": self.settings.twilio.messaging_service_sid,
                "SmsSid": text.sid,
                "SmsStatus": status,
                "To": text.to,
            }
            if code is not None:
                form["ErrorCode"] = str(code)
            if status == "delivered":
                form["RawDlrDoneDate"] = self.clock.now().strftime("%y%m%d%H%M")
            await self.caller.post(text.callback, form)

        return deed

    def reply(self, number: str, body: str) -> Sms:
        """The owner of a phone writes; the product hears of it at once."""
        now = self.clock.now()
        text = Sms(
            sid=new_sid(),
            to=SENDER,
            sender=number,
            body=body,
            direction="inbound",
            status="received",
            created=now,
            updated=now,
            sent=now,
            segments=max(sms.size(body).segments, 1),
        )
        self.phones.add(text)
        self.changed()
        self.timetable.soon(self._hear(text, self._opt_out_type(number, body)))
        return text

    def _opt_out_type(self, number: str, body: str) -> str | None:
        if not self.manages_stop:
            return None
        word = body.strip().upper()
        kind = next((kind for kind, words in _OPT_OUT_TYPES.items() if word in words), None)
        if kind == "STOP":
            self.phones.opted_out.add(number)
        elif kind == "START":
            self.phones.opted_out.discard(number)
        return kind

    def _hear(self, text: Sms, opt_out_type: str | None) -> Deed:
        async def deed() -> None:
            form = {
                "AccountSid": self.settings.twilio.account_sid,
                "ApiVersion": "2010-04-01",
                "Body": text.body,
                "From": str(text.sender),
                "FromCity": "",
                "FromCountry": "US",
                "FromState": "",
                "FromZip": "",
                "MessageSid": text.sid,
                "MessagingServiceSid": self.settings.twilio.messaging_service_sid,
                "NumMedia": "0",
                "NumSegments": str(text.segments),
                "SmsMessageSid": text.sid,
                "SmsSid": text.sid,
                "SmsStatus": "received",
                "To": SENDER,
            }
            if opt_out_type is not None:
                form["OptOutType"] = opt_out_type
            await self.caller.post(f"{self.settings.public_url}/twilio/inbound#rc=5&rp=all", form)

        return deed
