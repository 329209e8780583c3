"""A claim of which nobody knows whether the provider took it (delivery.md 7.3).

It is asked for in the provider's list at fixed times after its deadline. A match is acceptance. An empty list counts as
"never arrived" only when it was begun at least the doubt hold after the deadline; a list that could not be read proves
nothing. Only then another claim may follow. An email has no list: it is claimed again under the same Message-ID.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from schemas.internal import Listed, Lookup
from streams.addresses import blocks, queue, steps
from streams.addresses.state import Job
from streams.addresses.turn import Turn

LOOKS: Final = (10.0, 45.0, 120.0)
"""Seconds after the deadline at which the list is asked; then every `EVERY`, and at the doubt hold itself."""

EVERY: Final = 300.0
TOO_LONG: Final = timedelta(minutes=10)
"""How long after its deadline a doubt becomes work for a person."""

MAIL_TRIES: Final = 6
_GRACE: Final = timedelta(seconds=60)
"""How long the answer of the list is waited for after it was asked for the last time."""

_SKEW: Final = timedelta(seconds=120)


def enter(turn: Turn, job: Job, code: str | None) -> None:
    """From now on nobody knows. `code` is what the dialer saw, None when there is no result at all."""
    doubted = turn.put(replace(job, phase="doubt", looks=0, since=turn.now))
    turn.put(replace(doubted, due=_next(turn, doubted)))
    turn.say(doubted, "in-doubt", code=code, reason=None if code else "no-result")


def look(turn: Turn, job: Job) -> None:
    """The time of the next question has come, or that of giving up."""
    deadline = job.tries[-1].deadline
    if turn.now >= _until(turn, job):
        steps.end(turn, job, "unconfirmed", reason="no-evidence")
        return
    if job.send.channel == "email":
        _mail_again(turn, job)
        return
    if turn.now >= deadline + TOO_LONG:
        job = steps.alarm(turn, job)
    job = turn.put(replace(job, looks=job.looks + 1))
    turn.put(replace(job, due=_next(turn, job)))
    turn.emit(
        Lookup(
            claimId=steps.claim_id(job),
            key=turn.address.key,
            to=job.send.to,
            body=job.body or "",
            since=job.tries[-1].at - _SKEW,
            until=deadline + _hold(turn),
            taken=taken(turn),
        )
    )


def listed(turn: Turn, message: Listed) -> None:
    """What the list says of the claim in doubt."""
    job = turn.address.jobs.get(message.claimId.rpartition(":")[0])
    if job is None or job.phase != "doubt" or steps.claim_id(job) != message.claimId or message.failed:
        return
    known = taken(turn)
    found = [match for match in message.matches if match[0] not in known]
    if found:
        steps.accept(turn, job, found[0][0], reason="found")
    elif message.startedAt >= job.tries[-1].deadline + _hold(turn):
        steps.settled(turn, job, len(job.tries))
        if turn.setting.policy.doubt_policy == "strict":
            steps.end(turn, job, "unconfirmed", reason="no-evidence")
        else:
            turn.say(job, "rejected", reason="not-found")
            steps.again(turn, job)
    queue.pump(turn)


def taken(turn: Turn) -> tuple[str, ...]:
    """The provider's ids of texts to this number that are already known to belong to a claim."""
    known = [tried.sid for job in turn.address.jobs.values() for tried in job.tries if tried.sid is not None]
    return tuple(known + [sid for job in turn.address.jobs.values() for sid in job.late])


def _hold(turn: Turn) -> timedelta:
    """How long after the deadline an empty list proves nothing yet."""
    return timedelta(seconds=turn.setting.policy.doubt_hold)


def _until(turn: Turn, job: Job) -> datetime:
    """When a doubt is given up: at the end of the message's time, but never before the list was asked in earnest."""
    asked = _hold(turn) + _GRACE
    return max(job.send.notAfter, job.tries[-1].deadline + asked)


def _next(turn: Turn, job: Job) -> datetime:
    """When the list is asked next, or the email claimed again."""
    deadline, hold = job.tries[-1].deadline, turn.setting.policy.doubt_hold
    if job.send.channel == "email":
        return deadline + timedelta(seconds=max(hold, 1.0) * 2 ** (len(job.tries) - 1))
    times = sorted({*LOOKS, max(hold, 1.0)})
    after = times[job.looks] if job.looks < len(times) else times[-1] + EVERY * (job.looks - len(times) + 1)
    return min(deadline + timedelta(seconds=after), _until(turn, job))


def _mail_again(turn: Turn, job: Job) -> None:
    """A second email is a smaller harm than none, and mailboxes fold the same Message-ID and Date into one.

    Until it is claimed again it stays in doubt: nothing else may follow a doubt (contract 1.5).
    """
    strict = turn.setting.policy.doubt_policy == "strict"
    gone = turn.now >= job.send.notAfter or job.recalled is not None or blocks.reason(turn) is not None
    if strict or gone or len(job.tries) >= MAIL_TRIES:
        steps.end(turn, job, "unconfirmed", reason="no-evidence")
    elif turn.having(lambda other: other.phase == "dialling"):
        turn.put(replace(job, due=turn.now + _GRACE))
    elif (hour := queue.hour(turn, job)) > turn.now:
        turn.put(replace(job, due=min(hour, _until(turn, job))))
    else:
        queue.claim(turn, job)
