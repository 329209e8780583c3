"""What the dialer says of a claim. A claim without a result at its deadline is in doubt: its dialer died.

Only a result for the claim that is out counts; what comes late for an older one is evidence of a message taken for
lost.
"""

from schemas.internal import Dialled
from streams.addresses import doubt, evidence, failures, queue, steps
from streams.addresses.turn import Turn


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
        steps.accept(turn, job, message.providerId)
    elif message.result == "rejected":
        failures.refused(turn, job, message.code)
    elif message.result == "not-sent":
        turn.say(job, "rejected", code=message.code, reason="not-sent")
        steps.again(turn, job, message.retryAfter)
    elif job.phase == "dialling":
        doubt.enter(turn, job, message.code)
    queue.pump(turn)
