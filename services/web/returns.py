"""Takes the mail that comes back, over SMTP: bounces, delivery notices and complaints."""

import asyncio
import logging
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from services import bounces, logs
from services.web import measures
from services.web.inlet import Inlet, NotHeld

_TIMEOUT: Final = 60.0
_MOST: Final = 4
"""Recipients of one mail; a notice has one, and each is work for us."""


_log = logs.get(__name__)


class Returns:
    """Accepts mail to our bounce addresses alone, answers none, and takes a notice when Kafka holds its receipt."""

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet

    async def start(self, host: str, port: int) -> asyncio.Server:
        """Listen."""
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: SMTP(
                self, hostname="returns", ident="ready", data_size_limit=bounces.MAX_SIZE, timeout=_TIMEOUT, loop=loop
            ),
            host,
            port,
        )

    async def handle_RCPT(  # noqa: N802 - the package's names
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a bounce address."""
        if bounces.token(address) is None:
            return "550 5.1.1 no such mailbox"
        if len(envelope.rcpt_tos) >= _MOST:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Read the notice."""
        content = bytes(envelope.original_content or b"")
        for recipient in envelope.rcpt_tos:
            # Deep nesting takes a second to read; the webhooks must not wait for it.
            notice = await asyncio.to_thread(bounces.read, recipient, content)
            message = notice.message() if notice is not None else None
            key = bounces.key(notice.token) if notice is not None else None
            if notice is None or message is None or key is None:
                _log.info("mail that is no verdict", channel="email")
                continue
            try:
                await self._inlet.put(key, message)
            except NotHeld as error:
                _log.error("not held by Kafka", reason=str(error))
                return "451 4.3.0 try later"
            measures.RECEIPTS.labels("email", notice.verdict, (notice.code or "")[:1]).inc()
            _log.info("receipt", channel="email", status=notice.verdict, code=notice.code)
        return "250 2.0.0 OK"
