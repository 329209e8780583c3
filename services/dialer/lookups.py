"""Questions to the provider: what became of a claim in doubt, or of a message without a final receipt."""

from datetime import datetime

from schemas.internal import AddressesMessage, Listed, Lookup, Receipt
from services.twilio import ListFailed, Twilio


async def answer(twilio: Twilio, lookup: Lookup, started_at: datetime) -> AddressesMessage:
    """The answer to one question; `started_at` is now. A failed query is an answer too: it proves nothing."""
    try:
        if lookup.providerId is not None:
            message = await twilio.fetch(lookup.providerId)
            return Receipt(token=None, providerId=message.sid, status=message.status, code=message.code)
        found = await twilio.find(to=lookup.to, body=lookup.body, since=lookup.since, until=lookup.until)
    except ListFailed:
        return Listed(claimId=lookup.claimId, startedAt=started_at, failed=True)
    matches = tuple((message.sid, message.status, message.code) for message in found if message.sid not in lookup.taken)
    return Listed(claimId=lookup.claimId, startedAt=started_at, matches=matches)
