"""What waits for this address: who is next, whether it may leave, and the claim that lets it.

One claim is out at a time, so that caps, order and STOP are exact. A text whose words are in doubt makes the same words
wait: a message in the provider's list is evidence for one claim only. Pacing by segments a second is the dialer's.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from schemas.internal import Claim, Mail, Owned, Recall, Send, Text
from streams import hours
from streams.addresses import blocks, caps, steps
from streams.addresses.state import Job, Owner, Try
from streams.addresses.turn import Turn
from streams.catalogue import Envelope

MARGIN: Final = 5
"""Seconds after the send timeout at which a claim without a result is in doubt (contract 3, TTN_DOUBT_HOLD)."""

_VALID: Final = (60, 36_000)
_VALID_MARGIN: Final = 30


def send(turn: Turn, message: Send) -> None:
    """A message to this address. The same one again, by a repeated record, is none."""
    known = turn.address.jobs.get(message.notificationId)
    if known is not None and (known.phase != "done" or known.send.round >= message.round):
        return
    owners = turn.address.owners
    if message.travelerId not in owners:
        owners = {message.travelerId: Owner(message.languageRequested, message.program)} | owners
    turn.address = replace(turn.address, channel=message.channel, to=message.to, owners=owners)
    # Claims of an earlier round keep their numbers and tokens: late evidence for one of them must find it.
    before = known if known is not None else Job(send=message)
    turn.put(Job(send=message, tries=before.tries, first=before.first))
    pump(turn)


def owned(turn: Turn, message: Owned) -> None:
    """A traveler gives this number, or gave it up. What was sent to it stays known: it may be answered later."""
    held = turn.address.owners.get(message.travelerId)
    if held is not None and held.sent:
        kept = {message.travelerId: replace(held, left=message.leave)}
        turn.address = replace(turn.address, owners=turn.address.owners | kept)
        return
    others = {name: owner for name, owner in turn.address.owners.items() if name != message.travelerId}
    newcomer = {} if message.leave else {message.travelerId: Owner(message.language, message.program)}
    turn.address = replace(turn.address, channel="sms", to=message.to, owners=newcomer | others)


def recall(turn: Turn, message: Recall) -> None:
    """Do not send it any more if it has not left; while that is unknown, not again."""
    job = turn.address.jobs.get(message.notificationId)
    if job is None or job.send.travelerId != message.travelerId:
        return
    if job.phase == "waiting":
        steps.end(turn, job, message.state, reason=message.reason)
    elif job.phase in ("dialling", "doubt"):
        turn.put(replace(job, recalled=message))
        if job.phase == "dialling":
            steps.withhold(turn, job)


def pump(turn: Turn) -> None:
    """Claim what may leave now; end, hold or keep the rest. What may not leave at all ends at once."""
    if (why := blocks.reason(turn)) is not None:
        for job in turn.having(lambda job: job.phase == "waiting" and not job.reply and job.recalled is None):
            steps.end(turn, job, "suppressed", reason=why)
    _rest(turn)
    while not turn.having(lambda job: job.phase == "dialling"):
        ready = turn.having(lambda job: job.phase == "waiting" and (job.due is None or job.due <= turn.now))
        if not ready:
            return
        for job in sorted(ready, key=_order):
            if _step(turn, job):
                break
        else:
            return


def _rest(turn: Turn) -> None:
    """While the provider takes nothing, whatever waits here waits for the same moment."""
    until = turn.address.restsUntil
    if until is None or until <= turn.now:
        return
    for job in turn.having(lambda job: job.phase == "waiting" and (job.due is None or job.due < until)):
        turn.put(replace(job, due=min(until, max(turn.now, job.send.notAfter))))


def expire(turn: Turn) -> None:
    """End what waited behind another message until its time was over."""
    for job in turn.having(lambda job: job.phase == "waiting" and job.send.notAfter <= turn.now):
        steps.end(turn, job, "expired")


def _order(job: Job) -> tuple[int, float, str]:
    """First by lane, then the newest: what is old may be overtaken."""
    return job.send.lane, -job.send.plannedAt.timestamp(), job.send.notificationId


def _step(turn: Turn, job: Job) -> bool:
    """Move a ready message on. False when it can only wait."""
    left = (job.send.notAfter - turn.now).total_seconds()
    if job.recalled is not None:
        steps.end(turn, job, job.recalled.state, reason=job.recalled.reason)
    elif left <= 0 or (job.send.channel == "sms" and left < _VALID[0] + _VALID_MARGIN):
        steps.end(turn, job, "expired")
    elif (opens := hour(turn, job)) > turn.now:
        held = turn.put(replace(job, due=min(opens, job.send.notAfter), holds=job.holds + 1))
        turn.say(held, "held", step=str(held.holds), releaseAt=opens, reason="quiet-hours")
    elif caps.reached(turn.address, job, turn.now):
        steps.end(turn, job, "suppressed", reason="cap")
    else:
        return claim(turn, job)
    return True


def hour(turn: Turn, job: Job) -> datetime:
    """Contract 5.1, once more: a message may have waited here since its hour was decided."""
    window = hours.window(job.send.channel, adverse=job.send.adverse, daytime=job.send.daytime)
    if window is None or job.reply or not turn.setting.policy.quiet_hours:
        return turn.now
    return hours.earliest(turn.now, job.send.zones, window)


def claim(turn: Turn, job: Job) -> bool:
    """Let one request be made. False when the same words are in doubt: then this message waits."""
    message = _words(turn, job)
    if message is None:
        steps.end(turn, job, "parked", reason="no-wording")
        return True
    body = message.body if isinstance(message, Text) else None
    if body is not None and turn.having(lambda other: other.phase == "doubt" and other.body == body):
        turn.put(replace(job, due=None))
        return False
    name = job.send.notificationId
    claim_id = f"{name}:{len(job.tries) + 1}"
    token = f"{turn.address.key}-{turn.setting.identity.token(claim_id)}"
    deadline = turn.now + timedelta(seconds=turn.setting.policy.send_timeout + MARGIN)
    claimed = turn.put(
        replace(
            job,
            phase="dialling",
            due=deadline,
            tries=(*job.tries, Try(turn.now, deadline, token)),
            first=job.first or turn.now,
            body=body,
            segments=message.segments if isinstance(message, Text) else None,
            encoding=message.encoding if isinstance(message, Text) else None,
            looks=0,
        )
    )
    turn.address = replace(turn.address, owners=_last(turn, job))
    turn.say(claimed, "claimed")
    turn.emit(
        Claim(
            claimId=claim_id,
            token=token,
            key=turn.address.key,
            notificationId=name,
            channel=job.send.channel,
            to=job.send.to,
            message=message,
            validity=_validity(job, turn.now),
            at=turn.now,
            deadline=deadline,
            kind=job.send.kind,
            language=job.send.languageServed,
            program=job.send.program,
            lane=job.send.lane,
        )
    )
    return True


def _last(turn: Turn, job: Job) -> dict[str, Owner]:
    """The owners with the one of this message last, in the language of the message."""
    if job.reply:
        return turn.address.owners
    held = turn.address.owners.get(job.send.travelerId)
    rest = {name: owner for name, owner in turn.address.owners.items() if name != job.send.travelerId}
    language = job.send.languageRequested or job.send.languageServed
    left = held is not None and held.left
    last = Owner(language, job.send.program, sent=True, left=left)
    return rest | {job.send.travelerId: last}


def _words(turn: Turn, job: Job) -> Text | Mail | None:
    """The message as it would leave now; None where the catalogue has no words for it: a person must look."""
    send, catalogue = job.send, turn.setting.catalogue
    try:
        if send.channel == "sms":
            return catalogue.text(send.kind, send.languageServed, send.facts)
        return catalogue.mail(send.kind, send.languageServed, send.facts, _envelope(turn, job))
    except Exception:  # noqa: BLE001 - one message without words must not stop the messages of all others
        return None


def _envelope(turn: Turn, job: Job) -> Envelope:
    policy, identity, key = turn.setting.policy, turn.setting.identity, turn.address.key
    part = f":{job.send.facts.part}" if job.send.facts.part else ""
    about = f"{job.send.record}:{job.send.applicationId}{part}"
    return Envelope(
        message_id=steps.message_id(turn, job.send.notificationId),
        date=job.first or turn.now,
        sender_email=policy.sender_email,
        sender_name=policy.sender_name,
        to=job.send.to,
        requested=job.send.languageRequested,
        unsubscribe=f"{policy.public_url.rstrip('/')}/unsubscribe/{key}-{identity.token(f'unsubscribe:{key}')}",
        interview=identity.token(f"interview:{about}") if job.send.record else None,
    )


def _validity(job: Job, now: datetime) -> int:
    """How long the provider may keep trying, in seconds (delivery.md 6)."""
    left = int((job.send.notAfter - now).total_seconds()) - _VALID_MARGIN
    return max(_VALID[0], min(left, _VALID[1]))
