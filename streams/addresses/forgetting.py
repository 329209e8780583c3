"""A traveler is forgotten: what this address holds of the messages to them goes, as soon as each is at its end.

What others are told here stays, and so does what the owner of the address said: STOP belongs to the number.
"""

from msgspec.structs import replace

from schemas.internal import Forget
from streams.addresses import redaction, steps
from streams.addresses.state import Address, Job
from streams.addresses.turn import Turn
from streams.grammar import Renew


def forget(turn: Turn, message: Forget) -> None:
    """Follow no message to this traveler any further; a claim that is out first comes to its end."""
    address, traveler = turn.address, message.travelerId
    owners = {name: owner for name, owner in address.owners.items() if name != traveler}
    forgotten = tuple(dict.fromkeys((*address.forgotten, traveler)))
    turn.address = replace(address, owners=owners, forgotten=forgotten)
    _end(turn)


def settle(turn: Turn) -> None:
    """After everything else: let go of the messages to forgotten travelers that are over."""
    if not turn.address.forgotten:
        return
    _end(turn)
    over = [job.send.notificationId for job in _theirs(turn) if job.phase == "done" and redaction.due(job) is None]
    jobs = {name: job for name, job in turn.address.jobs.items() if name not in over}
    turn.address = replace(turn.address, jobs=jobs)
    left = {job.send.travelerId for job in _theirs(turn)}
    if left != set(turn.address.forgotten):
        turn.address = replace(turn.address, forgotten=tuple(name for name in turn.address.forgotten if name in left))
        turn.emit(Renew())
    if not turn.address.owners and not jobs:
        turn.address = Address(
            key=turn.address.key,
            blocks=turn.address.blocks,
            shown=turn.address.shown,
            changes=turn.address.changes,
            replies=turn.address.replies,
        )


def _end(turn: Turn) -> None:
    """What a provider has taken is not followed further; what it still holds of the text is to be removed now."""
    for job in _theirs(turn):
        if job.phase == "accepted":
            steps.end(turn, job, "delivered" if job.send.channel == "email" else "unconfirmed", reason="forgotten")
    for job in _theirs(turn):
        if job.since is not None and not job.erasures and redaction.due(job) is not None:
            turn.put(replace(job, since=min(job.since, turn.now - redaction.HORIZON)))


def _theirs(turn: Turn) -> list[Job]:
    return turn.having(lambda job: job.send.travelerId in turn.address.forgotten)
