"""What the provider says later: receipts by our token or its id, in any order, doubled or lost; and polls for the lost.

Statuses apply by rank and never go back, except the one documented late flip, delivered to failed. Evidence for a claim
that was taken for lost, and was claimed again, is recorded and shown to a person, never hidden.
"""

from typing import Final

from msgspec.structs import replace

from schemas.internal import Lookup, Receipt, Stray
from streams.addresses import failures, queue, steps
from streams.addresses.state import Job
from streams.addresses.turn import Turn

RANKS: Final = {
    "scheduled": 0,
    "accepted": 0,
    "queued": 1,
    "sending": 2,
    "sent": 3,
    "delivered": 4,
    "read": 4,
    "undelivered": 4,
    "failed": 4,
    "canceled": 4,
}
_DELIVERED: Final = ("delivered", "read")
_SENT: Final = 3
_FINAL: Final = 4


def receipt(turn: Turn, message: Receipt) -> None:
    """A receipt: it proves acceptance, and moves the message on when it says more than what is known."""
    rank = RANKS.get(message.status)
    found = _find(turn, message)
    if found is None and message.token is not None:
        turn.emit(Stray(key=turn.address.key, status=message.status, providerId=message.providerId))
    if rank is None or found is None:
        return
    job, attempt = found
    if rank >= _SENT > (job.rank if attempt == len(job.tries) else 0):
        steps.settled(turn, job, attempt)
    if job.phase == "waiting" and job.retried and attempt == len(job.tries) and message.status in _DELIVERED:
        # It was reported undelivered, and arrived all the same: the late retry would be a second one.
        steps.end(turn, job, "delivered", reason="late-evidence")
        return
    if attempt < len(job.tries) or job.phase == "waiting":
        late(turn, job, attempt, message.providerId)
        job = turn.address.jobs[job.send.notificationId]
        if job.phase != "accepted" or attempt < len(job.tries):
            queue.pump(turn)
            return
    if job.phase in ("dialling", "doubt"):
        job = steps.accept(turn, job, message.providerId, reason="receipt")
    if job.phase == "accepted" and rank > job.rank:
        _advance(turn, turn.put(replace(job, rank=rank)), message)
    elif job.phase == "done" and job.ending == "delivered" and rank == _FINAL and message.status not in _DELIVERED:
        turn.say(job, "failed", code=message.code, reason="late-flip")
        turn.put(replace(job, ending="failed"))
    elif job.phase == "done" and job.ending == "failed" and message.status in _DELIVERED:
        turn.emit(Stray(key=turn.address.key, status=message.status, providerId=message.providerId, contradicts=True))
    elif job.phase == "done" and job.tries[-1].sid is None and message.providerId is not None:
        # Nothing changes for the message; but in the provider's list it is evidence for no other.
        turn.put(replace(job, tries=(*job.tries[:-1], replace(job.tries[-1], sid=message.providerId))))
    queue.pump(turn)


def _advance(turn: Turn, job: Job, message: Receipt) -> None:
    if message.status in _DELIVERED:
        steps.end(turn, job, "delivered")
    elif message.status == "canceled":
        steps.end(turn, job, "failed", code=message.code, reason="canceled")
    elif RANKS[message.status] == _FINAL:
        failures.undelivered(turn, job, message.code)


def late(turn: Turn, job: Job, attempt: int, sid: str | None) -> None:
    """Proof that a claim taken for lost was not. Not claimed again yet: good. Otherwise the person has it twice."""
    tried = job.tries[attempt - 1]
    if tried.sid is not None or job.send.channel == "email":
        return
    if job.phase == "waiting" and attempt == len(job.tries) and not job.retried:
        steps.accept(turn, job, sid, reason="late-evidence")
        return
    tries = (*job.tries[: attempt - 1], replace(tried, sid=sid or "unknown"), *job.tries[attempt:])
    job = turn.put(replace(job, tries=tries))
    turn.say(job, "accepted", step="late", attempt=attempt, providerId=sid, reason="duplicate-confirmed")
    steps.alarm(turn, job)


def poll(turn: Turn, job: Job) -> None:
    """No final receipt for a while: ask, less and less often; in the end settle without one."""
    since = job.since or turn.now
    waits = steps.MAIL_WAITS if job.send.channel == "email" else steps.TEXT_WAITS
    if turn.now >= since + waits:
        steps.end(turn, job, "delivered" if job.send.channel == "email" else "unconfirmed", reason="no-receipt")
        return
    job = turn.put(replace(job, polls=job.polls + 1))
    turn.put(replace(job, due=steps.next_look(turn, job)))
    tried = job.tries[-1]
    if tried.sid is None:
        return
    turn.emit(
        Lookup(
            claimId=steps.claim_id(job),
            key=turn.address.key,
            to=job.send.to,
            body=job.body or "",
            since=tried.at,
            until=turn.now,
            providerId=tried.sid,
        )
    )


def _find(turn: Turn, message: Receipt) -> tuple[Job, int] | None:
    """The message and the number of the claim that a receipt is about."""
    for job in turn.address.jobs.values():
        for number, tried in enumerate(job.tries, 1):
            by_token = message.token is not None and tried.token == message.token
            by_id = message.token is None and message.providerId is not None and tried.sid == message.providerId
            if by_token or by_id:
                return job, number
    return None
