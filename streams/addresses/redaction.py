"""Bodies of texts that say too much about a case do not stay at the provider (delivery.md 8, "Data at Twilio").

They are needed there as long as a doubt may be resolved by the provider's list; a day after the end of the message they
are not. The provider is asked until it says that it is done, or until the message is forgotten here.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from schemas.internal import Redact, Redacted
from streams.addresses.state import Job
from streams.addresses.turn import Turn

HORIZON: Final = timedelta(hours=24)
AGAIN: Final = timedelta(hours=12)
_MOST: Final = 6

KINDS: Final = frozenset(
    {
        "CLOSED_INCOMPLETE",
        "CORRECTION",
        "LETTER_READY",
        "MEMBERSHIP_CHANGE",
        "REPLY_DUE",
        "REVIEW_DECIDED",
        "REVIEW_RECEIVED",
    }
)
"""Kinds that only exist because something went against the traveler, or was wrong."""


def due(job: Job) -> datetime | None:
    """When the provider is asked next to remove what it holds of an ended message; None: never."""
    if job.since is None or not _held(job) or job.erasures >= _MOST:
        return None
    return job.since + HORIZON + AGAIN * job.erasures


def ask(turn: Turn, job: Job) -> None:
    """The time has come."""
    turn.put(replace(job, erasures=job.erasures + 1))
    for sid in _held(job):
        turn.emit(Redact(key=turn.address.key, providerId=sid))


def redacted(turn: Turn, message: Redacted) -> None:
    """The provider has done it."""
    for job in turn.having(lambda job: message.providerId in _held(job)):
        turn.put(replace(job, redacted=(*job.redacted, message.providerId)))


def _held(job: Job) -> list[str]:
    if job.phase != "done" or job.send.channel != "sms" or job.send.kind not in KINDS:
        return []
    sids = [*(tried.sid for tried in job.tries), *job.late]
    return [sid for sid in dict.fromkeys(sids) if sid is not None and sid != "unknown" and sid not in job.redacted]
