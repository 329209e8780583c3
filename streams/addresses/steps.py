"""The steps that a claimed message takes, whoever makes it take them: accepted, to be claimed again, ended, alarmed."""

from datetime import datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from schemas.internal import Settled, Withhold
from schemas.outputs import WorkItem
from streams import events
from streams.addresses import caps
from streams.addresses.state import Ending, Job
from streams.addresses.turn import Turn
from streams.identity import event_id

BACK_OFF: Final = (5, 1800)
"""Seconds before the next claim of a message after one that never arrived, and those for which an address rests whose
claim was turned back unsent; doubled each time up to the second figure.
"""

MAIL_WAITS: Final = timedelta(hours=24)
TEXT_WAITS: Final = timedelta(days=3)
"""How long a receipt is waited for: an email without a bounce then counts as delivered, a text as unconfirmed."""

_LONGEST_POLL: Final = 3600.0
_DOUBT: Final = "in doubt too long"


def accept(turn: Turn, job: Job, sid: str | None, reason: str | None = None) -> Job:
    """The provider has the message. Receipts follow, or are asked for."""
    close(turn, job)
    if job.send.channel == "email":
        sid = message_id(turn, job.send.notificationId)
    tries = (*job.tries[:-1], replace(job.tries[-1], sid=sid or job.tries[-1].sid))
    accepted = replace(job, phase="accepted", tries=tries, since=turn.now, polls=0, rank=0, alarmed=False)
    job = turn.put(replace(accepted, due=next_look(turn, accepted), recalled=None))
    turn.address = caps.count(turn.address, job, job.tries[-1].at)
    turn.say(job, "accepted", reason=reason)
    return job


def again(turn: Turn, job: Job, seconds: float | None = None) -> None:
    """The claim certainly never arrived: another may follow, after a while that grows, or after `seconds`."""
    close(turn, job)
    due = min(turn.now + _back_off(job.failures, seconds), max(turn.now, job.send.notAfter))
    turn.put(replace(job, phase="waiting", due=due, failures=min(job.failures + 1, 20), body=None, alarmed=False))


def turned_back(turn: Turn, job: Job, seconds: float | None) -> None:
    """The claim did not leave, and no other to this address would: all its messages rest, longer each time.

    So an outage costs a few claims a day for each address, not for each message; and the newest goes first after it.
    """
    close(turn, job)
    rests = turn.address.rests
    until = turn.now + _back_off(rests, seconds)
    turn.address = replace(turn.address, rests=min(rests + 1, 20), restsUntil=until)
    turn.put(replace(job, phase="waiting", due=None, body=None, alarmed=False))


def _back_off(times: int, least: float | None) -> timedelta:
    """How long to wait after so many times before, at least `least` seconds."""
    first, longest = BACK_OFF
    return timedelta(seconds=max(min(first * 2**times, longest), least or 0.0))


def withhold(turn: Turn, job: Job) -> None:
    """Ask the dialer to let the claim that is out leave no more, if it has not left."""
    turn.emit(Withhold(key=turn.address.key, claimId=claim_id(job)))


def settled(turn: Turn, job: Job, attempt: int) -> None:
    """Tell the dialer that the provider holds the text of this claim back no longer."""
    if job.send.channel == "sms":
        turn.emit(Settled(key=turn.address.key, claimId=f"{job.send.notificationId}:{attempt}"))


def end(turn: Turn, job: Job, state: Ending, **details: Any) -> None:
    """The message is at its end; its text is forgotten. `details` are fields of the notification."""
    close(turn, job)
    turn.say(job, state, **details)
    turn.put(
        replace(job, phase="done", ending=state, due=None, body=None, since=turn.now, recalled=None, alarmed=False)
    )


def alarm(turn: Turn, job: Job) -> Job:
    """Let a person look at a doubt, once."""
    if job.alarmed:
        return job
    turn.emit(events.work("opened", _item(job), _about(job), claim_id(job), turn.now))
    return turn.put(replace(job, alarmed=True))


def close(turn: Turn, job: Job) -> None:
    """The doubt is over: what a person was to look at is closed."""
    if job.alarmed:
        turn.emit(events.work("closed", _item(job), _about(job), claim_id(job), turn.now))


def claim_id(job: Job) -> str:
    """The id of the newest claim of a message."""
    return f"{job.send.notificationId}:{len(job.tries)}"


def message_id(turn: Turn, notification: str) -> str:
    """The Message-ID of an email: the same at every attempt, so that a mailbox shows one message (delivery.md 3.2)."""
    host = turn.setting.policy.sender_email.rpartition("@")[2]
    return f"<{turn.setting.identity.token(f'message:{notification}')}@{host}>"


def next_look(turn: Turn, job: Job) -> datetime:
    """When an accepted message is looked at again: at the next poll of a text, or at the end of the wait."""
    since = job.since or turn.now
    if job.send.channel == "email":
        return since + MAIL_WAITS
    wait = min(turn.setting.policy.receipt_poll * 2 ** min(job.polls, 16), _LONGEST_POLL)
    return min(turn.now + timedelta(seconds=wait), since + TEXT_WAITS)


def _about(job: Job) -> str:
    return job.send.record or job.send.travelerId


def _item(job: Job) -> WorkItem:
    return WorkItem(
        itemId=event_id(job.send.notificationId, "in-doubt", str(len(job.tries))),
        reason=_DOUBT,
        program=job.send.program,
        recordId=job.send.recordId,
    )
