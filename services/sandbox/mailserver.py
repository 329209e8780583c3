"""The sandbox's mail server: takes mail into the inboxes, with faults, and sends delivery notices (RFC 3464).

`aiosmtpd` answers 555 to the parameters of the DSN extension (RFC 3461); the subclass takes them.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import default
from typing import Any, Final
from weakref import WeakKeyDictionary

import aiosmtplib
from aiosmtpd.smtp import SMTP, Envelope, Session

from schemas.cloudevents import rfc3339
from services import bounces
from services.sandbox import faults
from services.sandbox.faults import Fault
from services.sandbox.inbox import Letter
from services.sandbox.ledger import Entry
from services.sandbox.timetable import Deed
from services.sandbox.world import DELIVERED_AFTER, World

_DSN: Final = re.compile(r"\s+(?:RET|ENVID|NOTIFY|ORCPT)=\S+", re.IGNORECASE)
_HOST: Final = "sandbox.example.com"


class _Server(SMTP):
    """SMTP with the DSN extension."""

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802 - the package's names
        await super().smtp_MAIL(_DSN.sub("", arg or ""))

    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802
        await super().smtp_RCPT(_DSN.sub("", arg or ""))


class MailServer:
    """The handler over one world. `returns` gives host and port of the server that takes bounces, if one runs."""

    def __init__(self, world: World, returns: Callable[[], tuple[str, int] | None]) -> None:
        self._world = world
        self._returns = returns
        self._struck: WeakKeyDictionary[Session, Fault | None] = WeakKeyDictionary()

    async def start(self, host: str, port: int) -> asyncio.Server:
        """Listen."""
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: _Server(self, hostname=_HOST, ident="sandbox", enable_SMTPUTF8=True, loop=loop), host, port
        )

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer DSN."""
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]]

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or refuse it by a fault."""
        fault = self._world.faults.take(faults.REQUEST_FAULTS, address.lower())
        self._struck[session] = fault
        if fault is not None and fault.name == "reject":
            return f"550 {fault.detail if fault.detail.startswith('5.') else '5.1.1'} refused by a fault of the sandbox"
        if fault is not None and fault.name == "429":
            return "450 4.2.1 try later, by a fault of the sandbox"
        if fault is not None and fault.name == "500-before":
            return "451 4.3.0 local error, by a fault of the sandbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a message, and lose the answer where a fault says so."""
        fault = self._struck.pop(session, None)
        name = fault.name if fault is not None else ""
        if name != "lose":
            for to in envelope.rcpt_tos:
                await self._store(to.lower(), envelope)
        if name in ("lose", "drop"):
            server.transport.abort()
            await asyncio.sleep(3600)
        if name == "hang":
            await asyncio.sleep(3600)
        if name == "500-after":
            return "451 4.3.0 local error, by a fault of the sandbox"
        return "250 2.0.0 OK"

    async def _store(self, to: str, envelope: Envelope) -> None:
        now = self._world.clock.now()
        content = bytes(envelope.original_content or b"")
        sender = str(envelope.mail_from or "")
        headers = message_from_bytes(content, policy=default)
        letter = Letter(
            id=str(headers.get("Message-ID", "")), to=to, envelope_sender=sender, received=now, content=content
        )
        await self._world.ledger.append(
            Entry(
                at=rfc3339(now),
                channel="email",
                id=letter.id,
                to=to,
                token=bounces.token(sender),
                body=letter.header("Subject"),
            )
        )
        self._world.inbox.add(letter)
        self._world.changed()
        if self._world.receipts:
            self._plan(letter, self._world.faults.take(faults.RECEIPT_FAULTS, to))

    def _plan(self, letter: Letter, fault: Fault | None) -> None:
        name = fault.name if fault is not None else ""
        action, status = "delivered", "2.0.0"
        if fault is not None and name == "undelivered":
            action, status = "failed", fault.detail if fault.detail.startswith(("4.", "5.")) else "5.1.1"
        after = letter.received + DELIVERED_AFTER
        if fault is not None and name == "late":
            self._world.timetable.plan(after, self._notify(letter, action, status, tell=False))
            after += timedelta(seconds=fault.seconds)
        self._world.timetable.plan(after, self._notify(letter, action, status, tell=name != "lost"))
        if name == "doubled":
            self._world.timetable.plan(after + DELIVERED_AFTER, self._notify(letter, action, status, tell=True))

    def _notify(self, letter: Letter, action: str, status: str, *, tell: bool) -> Deed:
        async def deed() -> None:
            self._world.inbox.mark(letter, "undelivered" if action == "failed" else action)
            self._world.changed()
            place = self._returns()
            if not tell or place is None or bounces.token(letter.envelope_sender) is None:
                return
            notice = delivery_notice(letter, action, status)
            # A notice that nobody takes is lost, as it can be in the world.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                relay = aiosmtplib.SMTP(
                    hostname=place[0], port=place[1], local_hostname=_HOST, start_tls=False, timeout=5
                )
                async with relay:
                    await relay.mail("")
                    await relay.rcpt(letter.envelope_sender)
                    await relay.data(notice.as_bytes())

        return deed


def delivery_notice(letter: Letter, action: str, status: str) -> Message:
    """A delivery status notification about a letter. `action` delivered or failed; `status` the enhanced code."""
    notice = MIMEMultipart("report", report_type="delivery-status")
    notice["From"] = f"Mail Delivery System <postmaster@{_HOST}>"
    notice["To"] = letter.envelope_sender
    notice["Subject"] = f"Delivery status: {action}"
    notice["Auto-Submitted"] = "auto-replied"
    notice.attach(MIMEText(f"Your message was {action}.\n"))
    about, recipient = Message(), Message()
    about["Reporting-MTA"] = f"dns; {_HOST}"
    recipient["Final-Recipient"] = f"rfc822; {letter.to}"
    recipient["Action"] = action
    recipient["Status"] = status
    report = Message()
    report["Content-Type"] = "message/delivery-status"
    report.set_payload([about, recipient])
    notice.attach(report)
    headers = MIMEText("", "rfc822-headers")
    headers.set_payload(f"Message-ID: {letter.id}\n")
    notice.attach(headers)
    return notice
