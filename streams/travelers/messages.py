"""The life of a message before it is handed to an address: planned, held, decided at its hour; and what came of it.

Consent, address and language are those of the moment at which the message is released (contract 5.12). A channel that
is closed ends `planned` then `suppressed`; nothing is decided silently.
"""

from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from msgspec.structs import replace

from schemas.internal import News, Outcome, Plan, Recall, Release, Send, Withdraw
from schemas.outputs import Channel, Notification, Reason
from streams import events, hours
from streams.events import FINAL, NotificationState
from streams.identity import notification_id
from streams.travelers import coverage
from streams.travelers.people import Recipient, recipient, refusal, zones
from streams.travelers.state import Item
from streams.travelers.turn import Turn

GUARDIAN_WAIT: Final = timedelta(hours=72)
"""How long news of a child waits for a new guardian after the old one was removed (domain 3.6)."""

REASONS: Final = frozenset(get_args(Reason))
"""Why a notification may be suppressed (contract 1.5)."""

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
_RESCUED: Final = frozenset({"failed", "unconfirmed", "parked"})
_RESCUED_REASONS: Final = frozenset({"cap", "hard-bounce", "wrong-person", "unverified", "contact-changed"})


def plan(turn: Turn, message: Plan) -> None:
    """News that records will release later: say that it is planned, on each channel."""
    for channel in message.news.channels:
        _plan(turn, message.news, channel, kept=True)


def start(
    turn: Turn,
    news: News,
    *,
    to: dict[Channel, str] | None = None,
    rescue: bool = False,
    kept: bool = False,
) -> None:
    """News that begins here and is released at once. `to` names addresses that are not the traveler's present ones."""
    for channel in news.channels:
        made = _plan(turn, news, channel, kept=kept, to=(to or {}).get(channel), rescue=rescue)
        if made is not None:
            go(turn, made)


def release(turn: Turn, message: Release) -> None:
    """The debounce hold is over: on to the hour at which each channel may be used."""
    for name, item in _of(turn, message):
        if item.phase == "planned":
            go(turn, name)


def withdraw(turn: Turn, message: Withdraw) -> None:
    """The news no longer stands for this traveler: what has not left does not leave."""
    for name, _ in _of(turn, message):
        cancel(turn, name, message.reason)


def cancel(turn: Turn, name: str, reason: str) -> None:
    """End a message that has not left, or ask its address to. A reason of contract 1.5 makes it `suppressed`."""
    item = turn.traveler.items[name]
    if item.phase == "handed":
        recall = Recall(notificationId=name, travelerId=turn.traveler.id, state=_ending(reason), reason=reason)
        turn.tell("addresses", item.key or "", recall)
    else:
        _end(turn, name, _ending(reason), reason)


def _ending(reason: str) -> Literal["superseded", "suppressed"]:
    return "suppressed" if reason in REASONS else "superseded"


def go(turn: Turn, name: str) -> None:
    """Let a message leave now, or hold it until its hour; over its time it expires."""
    item = turn.traveler.items[name]
    if turn.now >= item.news.notAfter:
        _end(turn, name, *(("suppressed", "no-guardian") if item.waits else ("expired", None)))
        return
    hour = _hour(turn, item)
    if hour > turn.now:
        _hold(turn, name, hour, "adverse-hours" if item.news.adverse else "quiet-hours")
        return
    _decide(turn, name)


def due(turn: Turn) -> None:
    """Let everything go whose hour has come."""
    for name, _ in turn.having(lambda item: item.due is not None and item.due <= turn.now):
        if name in turn.traveler.items:
            go(turn, name)


def outcome(turn: Turn, message: Outcome) -> None:
    """What an address did with a message: remembered, passed on to its record, and rescued by email where it failed."""
    item = turn.traveler.items.get(message.notificationId)
    if item is None or item.kept:
        _forward(turn, message)
    if item is None or message.state not in FINAL:
        return
    turn.drop(message.notificationId)
    if message.state == "superseded":
        _count_end(turn, message.notificationId)
    if message.state in _RESCUED or message.reason in _RESCUED_REASONS:
        reroute(turn, item)


def reroute(turn: Turn, item: Item) -> None:
    """Tell by email what a text message did not: once, and only where the same news has no email of its own.

    The other way round needs nothing: news that may go by text has a text of its own.
    """
    if item.channel != "sms" or "email" in item.news.channels or item.rescue:
        return
    person = recipient(turn.traveler, turn.now, item.news.record)
    if refusal(person, "email", held=False) is None and not turn.traveler.deceased:
        news = replace(item.news, channels=("email",), plannedAt=turn.now, releaseAt=turn.now)
        start(turn, news, rescue=True, kept=item.kept)


def recheck(turn: Turn) -> None:
    """After a change of the person: recall what may no longer leave, and let go what waited for a guardian."""
    for name, item in turn.having(lambda item: item.phase == "handed" and item.to is None):
        person = recipient(turn.traveler, turn.now, item.news.record)
        reason = "deceased" if turn.traveler.deceased else refusal(person, item.channel, held=False)
        address = person.phone if item.channel == "sms" else person.email
        if reason is not None:
            cancel(turn, name, reason)
        elif address is not None and turn.setting.identity.address(item.channel, address.address) != item.key:
            cancel(turn, name, "contact-changed")
    for name, item in turn.having(lambda item: item.waits):
        if not recipient(turn.traveler, turn.now, item.news.record).missing:
            turn.put(name, replace(item, waits=False, due=None))
            go(turn, name)


def _plan(
    turn: Turn, news: News, channel: Channel, *, kept: bool, to: str | None = None, rescue: bool = False
) -> str | None:
    """The id of the notification now planned; None when it is planned already."""
    name = notification_id(news.record, news.applicationId, news.kind, news.fact, channel)
    if name in turn.traveler.items:
        return None
    item = Item(
        news=news,
        channel=channel,
        phase="planned",
        kept=kept,
        to=to,
        rescue=rescue,
        round=turn.traveler.ended.get(name, 0),
    )
    turn.put(name, item)
    _say(turn, name, "planned")
    if (reason := "deceased" if turn.traveler.deceased else news.withheld.get(channel)) is not None:
        _end(turn, name, "suppressed", reason)
        return None
    if news.releaseAt > turn.now:
        _say_held(turn, name, news.releaseAt, "debounce")
    return name


def _of(turn: Turn, message: Release | Withdraw) -> list[tuple[str, Item]]:
    wanted = (message.record, message.applicationId or "", message.kind, message.fact)
    return turn.having(lambda item: item.news.name == wanted)


def _hour(turn: Turn, item: Item) -> datetime:
    """The first hour from now on at which the channel may be used (contract 5.1), but never after its time."""
    if not turn.setting.policy.quiet_hours or (item.channel == "email" and not item.news.adverse):
        return turn.now
    window = hours.ADVERSE if item.news.adverse else hours.TEXTS
    return min(hours.earliest(turn.now, zones(turn.traveler), window), item.news.notAfter)


def _decide(turn: Turn, name: str) -> None:
    item = turn.traveler.items[name]
    person = recipient(turn.traveler, turn.now, item.news.record)
    if turn.traveler.deceased:
        _end(turn, name, "suppressed", "deceased")
    elif coverage.covered(turn.traveler, item.news):
        _end(turn, name, "suppressed", "covered-by-other-program")
        if item.channel == "email" and (instead := coverage.instead(turn.traveler, item.news, turn.now)) is not None:
            start(turn, instead, kept=True)
    elif item.to is not None:
        _hand(turn, name, item.to, person)
    elif (reason := refusal(person, item.channel, _held_address(turn, item))) is None:
        address = person.phone if item.channel == "sms" else person.email
        _hand(turn, name, address.address if address is not None else "", person)
    elif person.missing and not item.waits and "guardian" in turn.traveler.profile.stamps:
        until = min(turn.now + GUARDIAN_WAIT, item.news.notAfter)
        turn.put(name, replace(item, waits=True))
        _hold(turn, name, until, "no-guardian")
    else:
        _end(turn, name, "suppressed", reason)
        if reason == "unverified":
            reroute(turn, item)


def _held_address(turn: Turn, item: Item) -> bool:
    cards = turn.traveler.cards.values()
    return any(card.sourceHasPhone if item.channel == "sms" else card.sourceHasEmail for card in cards)


def _hand(turn: Turn, name: str, to: str, person: Recipient) -> None:
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
        exempt=news.exempt or news.adverse or _LANES.get(news.kind) == 0,
        optIn=news.kind == "OPT_IN_REQUEST",
        rescue=item.rescue,
        round=item.round,
    )
    turn.put(name, replace(item, phase="handed", due=None, key=key))
    turn.tell("addresses", key, send)


def _hold(turn: Turn, name: str, until: datetime, reason: str) -> None:
    item = turn.traveler.items[name]
    turn.put(name, replace(item, phase="held", due=until))
    _say_held(turn, name, until, reason)


def _say_held(turn: Turn, name: str, until: datetime, reason: str) -> None:
    item = turn.traveler.items[name]
    turn.put(name, replace(item, holds=item.holds + 1))
    _say(turn, name, "held", reason, until)


def _end(turn: Turn, name: str, state: NotificationState, reason: str | None) -> None:
    _say(turn, name, state, reason)
    turn.drop(name)
    if state == "superseded":
        _count_end(turn, name)


def _count_end(turn: Turn, name: str) -> None:
    ended = turn.traveler.ended
    turn.traveler = replace(turn.traveler, ended=ended | {name: ended.get(name, 0) + 1})


def _say(
    turn: Turn, name: str, state: NotificationState, reason: str | None = None, until: datetime | None = None
) -> None:
    """Write the step, and tell the record of it."""
    item = turn.traveler.items[name]
    news = item.news
    requested = recipient(turn.traveler, turn.now, news.record).language
    served = turn.setting.catalogue.serve(news.kind, requested, item.channel)
    data = Notification(
        notificationId=name,
        travelerId=turn.traveler.id,
        recordId=news.recordId or None,
        program=news.program or None,
        kind=news.kind,
        channel=item.channel,
        languageRequested=requested,
        languageServed=served,
        templateVersion=turn.setting.catalogue.version(news.kind, served, item.channel),
        plannedAt=news.plannedAt,
        releaseAt=until or item.due or news.releaseAt,
        notAfter=news.notAfter,
        causeId=news.causeId,
        reason=reason,
    )
    turn.emit(events.notification(state, data, turn.now, f"{item.round}:{item.holds}"))
    if item.kept:
        _forward(
            turn,
            Outcome(
                notificationId=name,
                travelerId=turn.traveler.id,
                record=news.record,
                applicationId=news.applicationId,
                kind=news.kind,
                fact=news.fact,
                channel=item.channel,
                state=state,
                at=turn.now,
                plannedAt=news.plannedAt,
                languageRequested=requested,
                languageServed=served,
                templateVersion=data.templateVersion,
                reason=reason,
            ),
        )


def _forward(turn: Turn, message: Outcome) -> None:
    if message.record:
        turn.tell("records", message.record, message)
