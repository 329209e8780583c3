"""What the dialer says of a claim. A claim without a result at its deadline is in doubt: its dialer died.

Only a result for the claim that is out counts; what comes late for an older one is evidence of a message taken for
lost.
"""

from typing import Final

from msgspec.structs import replace

from schemas.internal import Dialled
from streams.addresses import doubt, evidence, failures, queue, steps
from streams.addresses.turn import Turn

_ITS_OWN_TURN: Final = frozenset({"paced", "daily-cap", "retry-budget", "withheld"})
"""Why the dialer turns one message back and would let another go."""


def dialled(turn: Turn, message: Dialled) -> None:
    """The result of one request."""
    name, _, number = message.claimId.rpartition(":")
    job = turn.address.jobs.get(name)
    if job is None or not number.isdigit() or not 0 < int(number) <= len(job.tries):
        return
    attempt = int(number)
    if attempt < len(job.tries) or job.phase not in ("dialling", "doubt"):
        if message.result == "accepted":
            evidence.late(turn, job, attempt, message.providerId)
    elif message.result == "accepted":
        _awake(turn)
        steps.accept(turn, job, message.providerId)
    elif message.result == "rejected":
        _awake(turn)
        failures.refused(turn, job, message.code)
    elif message.result == "not-sent":
        turn.say(job, "rejected", code=message.code, reason="not-sent")
        if job.recalled is not None:
            steps.end(turn, job, job.recalled.state, reason=job.recalled.reason)
        elif message.code in _ITS_OWN_TURN:
            steps.again(turn, job, message.retryAfter)
        else:
            steps.turned_back(turn, job, message.retryAfter)
    elif job.phase == "dialling":
        _awake(turn)
        doubt.enter(turn, job, message.code)
    queue.pump(turn)


def _awake(turn: Turn) -> None:
    """A request left: what else waits here may follow."""
    if turn.address.rests:
        turn.address = replace(turn.address, rests=0, restsUntil=None)
