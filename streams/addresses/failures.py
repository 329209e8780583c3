"""A message that the provider refused, or took and could not deliver: what its code means (errors.py) is done here."""

from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from schemas.internal import Trouble
from streams.addresses import blocks, errors, steps
from streams.addresses.errors import Verdict
from streams.addresses.state import Job
from streams.addresses.turn import Turn

LATE_RETRY: Final = timedelta(minutes=30)
_OURS: Final = 300.0
"""Seconds before a message goes again that was refused because something of ours is wrong."""


def refused(turn: Turn, job: Job, code: str | None) -> None:
    """The provider said no in its answer."""
    turn.say(job, "rejected", code=code)
    verdict = errors.refused(code, job.send.channel)
    if verdict.meaning in ("ours", "again"):
        steps.again(turn, job, max(verdict.wait, _OURS if verdict.meaning == "ours" else 0.0))
    elif verdict.meaning == "bug":
        steps.end(turn, job, "parked", code=code)
    else:
        _lost(turn, job, code, verdict)


def undelivered(turn: Turn, job: Job, code: str | None) -> None:
    """The provider took the message and could not deliver it: one late retry where that is known to help."""
    verdict = errors.undelivered(code, job.send.channel)
    if verdict.meaning == "ours":
        turn.emit(Trouble(key=turn.address.key, channel=job.send.channel, code=code or ""))
    due = turn.now + max(LATE_RETRY, timedelta(seconds=verdict.wait))
    if verdict.meaning in ("ours", "again") and not job.retried and due < job.send.notAfter:
        turn.say(job, "rejected", code=code)
        turn.put(replace(job, phase="waiting", due=due, retried=True, body=None, rank=0))
        return
    _lost(turn, job, code, verdict)


def _lost(turn: Turn, job: Job, code: str | None, verdict: Verdict) -> None:
    if verdict.meaning == "consent":
        steps.end(turn, job, "suppressed", code=code, reason="stopped")
        blocks.block(turn, "stopped")
        return
    steps.end(turn, job, "expired" if verdict.meaning == "late" else "failed", code=code)
    if verdict.meaning == "number":
        blocks.block(turn, "hard-bounce", verdict.days)
