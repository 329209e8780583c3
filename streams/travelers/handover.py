"""The hand-over of a message to its address, once channel, language and hour are decided."""

from typing import Final

from msgspec.structs import replace

from schemas.internal import Send
from streams.travelers.people import Recipient, zones
from streams.travelers.turn import Turn

_LANES: Final = {
    "CONTACT_CHANGED": 0,
    "OPT_IN_REQUEST": 0,
    "ACTION_NEEDED": 1,
    "APPROVED": 1,
    "CORRECTION": 1,
    "COND_APPROVED": 1,
    "INTERVIEW_BOOKED": 1,
    "INTERVIEW_CANCELLED": 1,
    "INTERVIEW_REMINDER": 1,
    "LETTER_READY": 1,
    "MEMBERSHIP_CHANGE": 1,
    "REPLY_DUE": 1,
    "REVIEW_DECIDED": 1,
    "WITHDRAWN": 1,
    "PROGRAM_NOTICE": 3,
    "STILL_IN_REVIEW": 3,
    "EXPIRY_REMINDER": 3,
    "RENEWAL_NOT_NEEDED": 3,
}
"""What waits for the provider goes by lane (schemas.internal.Send); a kind that is not here is a status: 2."""


def hand(turn: Turn, name: str, to: str, person: Recipient) -> None:
    """Give the message to the address `to` of `person`."""
    item = turn.traveler.items[name]
    news = item.news
    key = turn.setting.identity.address(item.channel, to)
    send = Send(
        notificationId=name,
        travelerId=turn.traveler.id,
        kind=news.kind,
        fact=news.fact,
        channel=item.channel,
        to=to,
        record=news.record if item.kept else None,
        recordId=news.recordId or None,
        program=news.program or None,
        applicationId=news.applicationId,
        causeId=news.causeId,
        facts=replace(news.facts, child=person.child),
        languageRequested=person.language,
        languageServed=turn.setting.catalogue.serve(news.kind, person.language, item.channel),
        occurredAt=news.occurredAt,
        plannedAt=news.plannedAt,
        releaseAt=turn.now,
        notAfter=news.notAfter,
        zones=zones(turn.traveler),
        lane=_LANES.get(news.kind, 2),
        adverse=news.adverse,
        daytime=news.daytime,
        exempt=news.exempt or news.adverse or _LANES.get(news.kind) == 0,
        rescue=item.rescue,
        round=item.round,
    )
    turn.put(name, replace(item, phase="handed", due=None, key=key))
    turn.tell("addresses", key, send)
