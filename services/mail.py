"""Email over SMTP: a few connections to one relay, and the line between "not sent" and "in doubt".

That line is the final dot of the data: before it nothing was handed over, after it the relay may have stored the
message whatever we read or do not read (RFC 1047; delivery.md 3.2). A relay may take ten minutes to answer the dot
(RFC 5321 4.5.3.2), so a message that is late is reported in doubt and its connection kept open for a later answer.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from schemas.internal import Mail
from services import bounces, environment
from services.attempt import Answer, Attempt, Refused

_CONNECT: Final = 5.0
_COMMAND: Final = 10.0
_AFTER_DOT: Final = 600.0
_IDLE: Final = 20.0
_MESSAGES: Final = 100
"""Messages on one connection; many relays refuse to take more."""

_LATE: Final = 16
"""Connections that may be kept for a late answer, beside the few that the dialer uses at a time."""

_CLOSING: Final = 421
_NOT_ASCII: Final = "5.6.7"
"""The enhanced code for an address that a server cannot take because of its letters (RFC 6531)."""

_ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


class _NotTakenError(aiosmtplib.SMTPException):
    """The relay cannot take an address with such letters."""


class _BusyError(aiosmtplib.SMTPException):
    """The relay owes us too many answers."""


class _Relay(aiosmtplib.SMTP):
    """A connection that knows how many messages it has carried."""

    messages = 0


class Mailer:
    """Sends to one relay. `url` as TTN_SMTP_URL; `sender` is the visible address, whose domain takes bounces.

    A connection serves one message at a time and is kept for the next one for 20 seconds, for a hundred messages.
    """

    def __init__(self, url: str, password_file: Path | None, sender: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port
        self._tls = parts.scheme == "smtps"
        self._user = unquote(parts.username) if parts.username else None
        self._password = environment.password(password_file) if password_file else None
        self._domain = sender.rpartition("@")[2]
        self._idle: list[tuple[float, _Relay]] = []
        self._late: set[asyncio.Task[Answer]] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Close what is open; messages whose answer is still out stay in doubt."""
        for task in (*self._late, *self._leaving):
            task.cancel()
        await asyncio.gather(*self._late, *self._leaving, return_exceptions=True)
        for _, relay in self._idle:
            relay.close()
        self._idle.clear()

    async def send(
        self, attempt: Attempt, *, to: str, token: str, mail: Mail, within: float, late: Callable[[Answer], None]
    ) -> Answer:
        """Hand over one message, once. `within` seconds; a definite answer that comes after them goes to `late`."""
        try:
            content = compose(mail)
        except (ValueError, LookupError):
            return Answer(result="rejected", code="message")
        task = asyncio.create_task(self._deliver(attempt, to, token, content, mail.headers.get("Message-ID")))
        try:
            await asyncio.wait({task}, timeout=within)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            return task.result()
        if not attempt.left:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                return await task
            return attempt.broken()
        self._late.add(task)
        task.add_done_callback(lambda finished: self._arrived(finished, late))
        return attempt.broken()

    def _arrived(self, task: "asyncio.Task[Answer]", late: Callable[[Answer], None]) -> None:
        self._late.discard(task)
        if not task.cancelled() and task.exception() is None and task.result().result in ("accepted", "rejected"):
            late(task.result())

    async def _deliver(self, attempt: Attempt, to: str, token: str, content: bytes, message_id: str | None) -> Answer:
        try:
            relay = await self._ready(to, token)
        except (aiosmtplib.SMTPException, OSError) as error:
            return _refusal(error, attempt)
        try:
            await _data(relay, attempt, content)
        except Refused as refused:
            relay.close()  # the relay waits for data, and drops what it has when the connection goes
            return Answer(result="not-sent", code=str(refused))
        except (aiosmtplib.SMTPException, OSError) as error:
            relay.close()
            return _refusal(error, attempt)
        except asyncio.CancelledError:
            relay.close()
            raise
        relay.messages += 1
        self._keep(relay)
        return Answer(result="accepted", providerId=message_id)

    async def _ready(self, to: str, token: str) -> _Relay:
        """A connection on which the relay has taken sender and recipient; nothing that it must deliver yet."""
        while True:
            kept = self._take()
            relay = kept or await self._connect()
            try:
                await _envelope(relay, bounces.sender(token, self._domain), to, token)
            except aiosmtplib.SMTPServerDisconnected:
                relay.close()
                if kept is None:
                    raise
            except aiosmtplib.SMTPResponseException as error:
                if kept is not None and error.code == _CLOSING:
                    relay.close()  # it has had enough of this connection, not of us
                    continue
                with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                    await relay.rset(timeout=_COMMAND)
                    self._keep(relay)
                raise
            except BaseException:
                relay.close()
                raise
            else:
                return relay

    async def _connect(self) -> _Relay:
        if len(self._late) >= _LATE:
            raise _BusyError("too many answers are out")
        relay = _Relay(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            local_hostname=self._domain,
            use_tls=self._tls,
            # A password never travels in clear, except inside this machine.
            start_tls=True if self._user and not self._tls and not _loopback(self._host) else None,
            timeout=_COMMAND,
        )
        try:
            await asyncio.wait_for(relay.connect(), _CONNECT)
        except BaseException:
            relay.close()
            raise
        return relay

    def _take(self) -> _Relay | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, relay = self._idle.pop()
            if relay.is_connected and now - since < _IDLE:
                return relay
            relay.close()
        return None

    def _keep(self, relay: _Relay) -> None:
        if relay.messages >= _MESSAGES:
            task = asyncio.create_task(_goodbye(relay))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        elif relay.is_connected:
            self._idle.append((asyncio.get_running_loop().time(), relay))


async def _goodbye(relay: _Relay) -> None:
    """End a connection as one should."""
    try:
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await relay.quit(timeout=_COMMAND)
    finally:
        relay.close()


async def _envelope(relay: aiosmtplib.SMTP, sender: str, to: str, token: str) -> None:
    mail_options: list[str] = []
    recipient_options: list[str] = []
    encoding = "ascii"
    if not to.isascii():
        if not relay.supports_extension("smtputf8"):
            raise _NotTakenError("no SMTPUTF8")
        mail_options.append("SMTPUTF8")
        encoding = "utf-8"
    if relay.supports_extension("dsn"):
        mail_options += ["RET=HDRS", f"ENVID={token}"]
        recipient_options.append("NOTIFY=SUCCESS,FAILURE")
    await relay.mail(sender, options=mail_options, encoding=encoding)
    await relay.rcpt(to, options=recipient_options, encoding=encoding)


async def _data(relay: aiosmtplib.SMTP, attempt: Attempt, content: bytes) -> None:
    """Send the content; `attempt` is asked right before the write that ends in the final dot."""
    protocol = relay.protocol
    if protocol is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    write = protocol.write

    def watched(data: bytes) -> None:
        if not data.endswith(b"\r\n.\r\n"):
            write(data)
            return
        attempt.leave()
        write(data)
        attempt.written()

    protocol.write = watched  # type: ignore[method-assign]
    try:
        await relay.data(content, timeout=_AFTER_DOT)
    finally:
        protocol.write = write  # type: ignore[method-assign]
    attempt.answered()


def _refusal(error: Exception, attempt: Attempt) -> Answer:
    """What an error means: a 5xx to recipient or content is a definite no, one before them is no word on the message;
    a 4xx after the dot may hide a stored message.
    """
    if isinstance(error, _NotTakenError):
        return Answer(result="rejected", code=_NOT_ASCII)
    if isinstance(error, _BusyError):
        return Answer(result="not-sent", code="relay-busy", trouble=True)
    if not isinstance(error, aiosmtplib.SMTPResponseException) or not 400 <= error.code < 600:
        return attempt.broken()
    enhanced = _ENHANCED.match(error.message)
    code = enhanced[0] if enhanced else str(error.code)
    ours = not isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
    if error.code >= 500 and not ours:
        return Answer(result="rejected", code=code)
    return Answer(result="doubt" if attempt.left else "not-sent", code=code, trouble=ours)


def compose(mail: Mail) -> bytes:
    """The message as it goes over the wire: text, then HTML, then a calendar file where there is one.

    The same Mail gives the same bytes, so that a message sent again is the same message. Raises ValueError for a
    header that would break out of its line.
    """
    # An address with other letters cannot be written in ASCII; only a relay that takes such letters gets the message.
    message = EmailMessage(policy=SMTP_POLICY.clone(utf8=not mail.headers.get("To", "").isascii()))
    # Setting the content removes every header whose name starts with Content-, so those come after it.
    about_content = {name: value for name, value in mail.headers.items() if name.lower().startswith("content-")}
    for name, value in mail.headers.items():
        if name not in about_content:
            message[name] = value
    if "Subject" not in message:
        message["Subject"] = mail.subject
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    if mail.calendar is not None:
        method = "CANCEL" if "METHOD:CANCEL\r\n" in mail.calendar else "PUBLISH"
        message.add_attachment(
            mail.calendar, subtype="calendar", cte="base64", filename="interview.ics", params={"method": method}
        )
    for name, value in about_content.items():
        message[name] = value
    seed = hashlib.sha256(mail.headers.get("Message-ID", mail.text).encode()).hexdigest()[:24]
    parts = (part for part in message.walk() if part.is_multipart())
    for number, part in enumerate(parts):
        part.set_boundary(f"=_{seed}_{number}")
    return message.as_bytes()


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
