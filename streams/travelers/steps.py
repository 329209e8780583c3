"""The steps of a message before it is handed over: written down, and told to its record."""

from datetime import datetime

from msgspec.structs import replace

from schemas.internal import Outcome
from schemas.outputs import Notification
from schemas.vocabulary import NotificationState
from streams import events
from streams.travelers.people import recipient
from streams.travelers.turn import Turn


def hold(turn: Turn, name: str, until: datetime, reason: str) -> None:
    """Keep a message until its hour comes, and say so."""
    item = turn.traveler.items[name]
    turn.put(name, replace(item, phase="held", due=until))
    say_held(turn, name, until, reason)


def say_held(turn: Turn, name: str, until: datetime, reason: str) -> None:
    """Say that a message waits; each hold is a step of its own."""
    item = turn.traveler.items[name]
    turn.put(name, replace(item, holds=item.holds + 1))
    say(turn, name, "held", reason, until)


def end(turn: Turn, name: str, state: NotificationState, reason: str | None) -> None:
    """The message is at its end before it left."""
    say(turn, name, state, reason)
    turn.drop(name)
    if state == "superseded":
        count_end(turn, name)


def count_end(turn: Turn, name: str) -> None:
    """Remember that it was withdrawn: it may come again, and its steps then have ids of their own."""
    ended = turn.traveler.ended
    turn.traveler = replace(turn.traveler, ended=ended | {name: ended.get(name, 0) + 1})


def say(
    turn: Turn, name: str, state: NotificationState, reason: str | None = None, until: datetime | None = None
) -> None:
    """Write the step, and tell the record of an end."""
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
    if item.kept and state in events.NOTED:
        forward(turn, events.outcome(state, data, news, turn.now))


def forward(turn: Turn, message: Outcome) -> None:
    """Pass on to the record what became of its message."""
    if message.record:
        turn.tell("records", message.record, message)
