"""The life of a message before it is handed to an address: planned, held, decided at its hour; and what came of it.

Consent, address and language are those of the moment at which the message is released (contract 5.12). A channel that
is closed ends `planned` then `suppressed`; nothing is decided silently.
"""

from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from msgspec.structs import replace

from schemas.internal import Freeze, News, Outcome, Plan, Recall, Release, Withdraw
from schemas.outputs import Channel, Reason
from streams import hours
from streams.events import FINAL
from streams.identity import notification_id
from streams.travelers import coverage, handover, steps
from streams.travelers.people import about_number, recipient, refusal, zones
from streams.travelers.state import Item
from streams.travelers.turn import Turn

GUARDIAN_WAIT: Final = timedelta(hours=72)
"""How long news of a child waits for a new guardian after the old one was removed (domain 3.6)."""

REASONS: Final = frozenset(get_args(Reason))
"""Why a notification may be suppressed (contract 1.5)."""

_RESCUED: Final = frozenset({"failed", "unconfirmed", "parked"})
_RESCUED_REASONS: Final = frozenset({"cap", "hard-bounce", "wrong-person", "unverified"})
_MOVED: Final = "contact-changed"


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
            if message.notAfter is not None:
                turn.put(name, replace(item, news=replace(item.news, notAfter=message.notAfter)))
            go(turn, name)


def freeze(turn: Turn, message: Freeze) -> None:
    """Facts contradict each other: what only waits for its hour does not leave until they are settled."""
    for name, item in _of(turn, message):
        if item.phase == "held":
            steps.hold(turn, name, item.news.notAfter, "contradiction")
            held = turn.traveler.items[name]
            turn.put(name, replace(held, phase="planned", due=None, waits=False))


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
        steps.end(turn, name, _ending(reason), reason)


def _ending(reason: str) -> Literal["superseded", "suppressed"]:
    return "suppressed" if reason in REASONS else "superseded"


def go(turn: Turn, name: str) -> None:
    """Let a message leave now, or hold it until its hour; over its time it expires."""
    item = turn.traveler.items[name]
    if turn.now >= item.news.notAfter:
        steps.end(turn, name, *(("suppressed", "no-guardian") if item.waits else ("expired", None)))
        return
    hour = _hour(turn, item)
    if hour > turn.now:
        steps.hold(turn, name, hour, "adverse-hours" if item.news.adverse else "quiet-hours")
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
    moved = message.state == "superseded" and message.reason == _MOVED and item is not None and item.to is None
    if not moved and (item is None or item.kept):
        steps.forward(turn, message)
    if item is None or message.state not in FINAL:
        return
    turn.drop(message.notificationId)
    if message.state == "superseded":
        steps.count_end(turn, message.notificationId)
    if moved:
        _readdress(turn, item)
    elif message.state in _RESCUED or message.reason in _RESCUED_REASONS:
        reroute(turn, item)


def _readdress(turn: Turn, item: Item) -> None:
    """Tell at the present address what the one given up had not let go.

    A notification ends once (contract 1.5), so this is another one; to its record it is the same news on the same
    channel, which it may still take back.
    """
    news = replace(
        item.news, plannedAt=turn.now, releaseAt=turn.now, queuedAt=item.news.queuedAt or item.news.plannedAt
    )
    again = item.readdressed + 1
    made = _plan(turn, news, item.channel, kept=item.kept, rescue=item.rescue, readdressed=again)
    if made is not None:
        go(turn, made)


def reroute(turn: Turn, item: Item) -> None:
    """Tell by email what a text message did not: once, and only where the same news has no email of its own.

    The other way round needs nothing: news that may go by text has a text of its own. What goes to a number of its own
    choice is about that number, and is told nowhere else.
    """
    if item.channel != "sms" or "email" in (*item.news.channels, *item.news.over) or item.rescue or item.to is not None:
        return
    person = recipient(turn.traveler, turn.now, item.news.record)
    if refusal(person, "email", held=False) is None and not turn.traveler.deceased:
        news = replace(item.news, channels=("email",), plannedAt=turn.now, releaseAt=turn.now)
        start(turn, news, rescue=True, kept=item.kept)


def recheck(turn: Turn) -> None:
    """After a change of the person: recall what may no longer leave, and let go what waited for a guardian."""
    for name, item in turn.having(lambda item: item.phase == "handed"):
        person = recipient(turn.traveler, turn.now, item.news.record)
        if item.to is not None:
            closed, address = about_number(turn.traveler, turn.now, item.news.kind, item.to), None
        else:
            closed = refusal(person, item.channel, held=False)
            address = person.phone if item.channel == "sms" else person.email
        reason = "deceased" if turn.traveler.deceased else closed
        if reason is not None:
            cancel(turn, name, reason)
        elif address is not None and turn.setting.identity.address(item.channel, address.address) != item.key:
            cancel(turn, name, _MOVED)
    for name, item in turn.having(lambda item: item.waits):
        if not recipient(turn.traveler, turn.now, item.news.record).missing:
            turn.put(name, replace(item, waits=False, due=None))
            go(turn, name)


def sooner(turn: Turn) -> None:
    """After a change of zone: what waits for its hour and may leave earlier now does. A later hour is seen when due."""
    for name, item in turn.having(lambda item: item.phase == "held" and not item.waits):
        hour = _hour(turn, item)
        if item.due is not None and hour < item.due:
            go(turn, name)


def _plan(
    turn: Turn,
    news: News,
    channel: Channel,
    *,
    kept: bool,
    to: str | None = None,
    rescue: bool = False,
    readdressed: int = 0,
) -> str | None:
    """The id of the notification now planned; None when it is planned already."""
    fact = f"{news.fact}@{readdressed}" if readdressed else news.fact
    name = notification_id(news.record, news.applicationId, news.kind, fact, channel)
    if name in turn.traveler.items:
        return None
    item = Item(
        news=news,
        channel=channel,
        phase="planned",
        kept=kept,
        to=to,
        rescue=rescue,
        readdressed=readdressed,
        round=turn.traveler.ended.get(name, 0),
    )
    turn.put(name, item)
    steps.say(turn, name, "planned")
    closed = "deceased" if turn.traveler.deceased else "no-address" if turn.traveler.erased else None
    if (reason := closed or news.withheld.get(channel)) is not None:
        steps.end(turn, name, "suppressed", reason)
        return None
    if news.releaseAt > turn.now:
        steps.say_held(turn, name, news.releaseAt, "debounce")
    return name


def _of(turn: Turn, message: Release | Freeze | Withdraw) -> list[tuple[str, Item]]:
    wanted = (message.record, message.applicationId or "", message.kind, message.fact)
    return turn.having(lambda item: item.news.name == wanted)


def _hour(turn: Turn, item: Item) -> datetime:
    """The first hour from now on at which the channel may be used (contract 5.1), but never after its time."""
    window = hours.window(item.channel, adverse=item.news.adverse, daytime=item.news.daytime)
    if window is None or not turn.setting.policy.quiet_hours:
        return turn.now
    return min(hours.earliest(turn.now, zones(turn.traveler), window), item.news.notAfter)


def _decide(turn: Turn, name: str) -> None:
    item = turn.traveler.items[name]
    person = recipient(turn.traveler, turn.now, item.news.record)
    if turn.traveler.deceased:
        steps.end(turn, name, "suppressed", "deceased")
    elif coverage.covered(turn.traveler, item.news):
        steps.end(turn, name, "suppressed", "covered-by-other-program")
        if item.channel == "email" and (instead := coverage.instead(turn.traveler, item.news, turn.now)) is not None:
            start(turn, instead, kept=True)
    elif item.to is not None:
        if (closed := about_number(turn.traveler, turn.now, item.news.kind, item.to)) is not None:
            cancel(turn, name, closed)
        else:
            handover.hand(turn, name, item.to, person)
    elif (reason := refusal(person, item.channel, _held_address(turn, item))) is None:
        address = person.phone if item.channel == "sms" else person.email
        handover.hand(turn, name, address.address if address is not None else "", person)
    elif person.missing and not item.waits and "guardian" in turn.traveler.profile.stamps:
        until = min(turn.now + GUARDIAN_WAIT, item.news.notAfter)
        turn.put(name, replace(item, waits=True))
        steps.hold(turn, name, until, "no-guardian")
    else:
        steps.end(turn, name, "suppressed", reason)
        if reason == "unverified":
            reroute(turn, item)


def _held_address(turn: Turn, item: Item) -> bool:
    cards = turn.traveler.cards.values()
    return any(card.sourceHasPhone if item.channel == "sms" else card.sourceHasEmail for card in cards)
