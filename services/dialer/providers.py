"""The two providers behind one door: a claim becomes one request, a lookup one question."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from schemas.internal import AddressesMessage, Claim, Listed, Lookup, Mail, Receipt, Redact, Redacted
from services import endpoints
from services.attempt import Answer, Attempt
from services.dialer import measures
from services.mail import Mailer
from services.settings import Settings
from services.twilio import ListFailed, Twilio


class Providers:
    """Made inside a running loop. Raises SettingsError where there is neither a provider nor a sandbox."""

    def __init__(self, settings: Settings, connections: int) -> None:
        self._settings = settings
        self._twilio = Twilio(settings.twilio, endpoints.twilio_url(settings), settings.send_timeout, connections)
        self._mailer = Mailer(endpoints.smtp_url(settings), settings.smtp_password_file, settings.sender_email)

    async def close(self) -> None:
        """Close the connections."""
        await self._mailer.close()
        await self._twilio.close()

    async def send(self, claim: Claim, attempt: Attempt, within: float, late: Callable[[Answer], None]) -> Answer:
        """Make the one request, `within` seconds; an answer of a mail server that comes after them goes to `late`."""
        began = time.monotonic()
        try:
            if isinstance(claim.message, Mail):
                return await self._mailer.send(
                    attempt, to=claim.to, token=claim.token, mail=claim.message, within=within, late=late
                )
            return await self._twilio.create(
                attempt,
                to=claim.to,
                body=claim.message.body,
                validity=min(max(claim.validity, 1), 36_000),
                callback=f"{self._settings.public_url}/twilio/status/{claim.token}#rc=5&rp=all",
                within=within,
            )
        except asyncio.CancelledError:
            # Only the end of the dialer cancels, and what came of the claim must still be told.
            return attempt.broken()
        finally:
            measures.SECONDS.labels(claim.channel).observe(time.monotonic() - began)

    async def ask(self, command: Lookup | Redact, started_at: datetime) -> AddressesMessage | None:
        """What became of a claim in doubt, or of a message without a final receipt; or a body removed.

        `started_at` is now. A failed query is an answer too: it proves nothing. None: a body that is still there.
        """
        return await (self._look_up(command, started_at) if isinstance(command, Lookup) else self._redact(command))

    async def _redact(self, redact: Redact) -> Redacted | None:
        try:
            await self._twilio.redact(redact.providerId)
        except ListFailed:
            return None
        return Redacted(providerId=redact.providerId)

    async def _look_up(self, lookup: Lookup, started_at: datetime) -> AddressesMessage:
        try:
            if lookup.providerId is not None:
                message = await self._twilio.fetch(lookup.providerId)
                return Receipt(token=None, providerId=message.sid, status=message.status, code=message.code)
            found = await self._twilio.find(to=lookup.to, body=lookup.body, since=lookup.since, until=lookup.until)
        except ListFailed:
            return Listed(claimId=lookup.claimId, startedAt=started_at, failed=True)
        matches = tuple((text.sid, text.status, text.code) for text in found if text.sid not in lookup.taken)
        return Listed(claimId=lookup.claimId, startedAt=started_at, matches=matches)
