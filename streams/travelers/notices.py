"""A program notice as one traveler has it: the overlay on the cards at once, the message only when staff let it go."""

from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from schemas.internal import Enroll, Facts, News, Notice
from schemas.outputs import Transition
from streams import events, hours
from streams.travelers import messages, programs
from streams.travelers.state import Seen, Traveler
from streams.travelers.turn import Turn

_NAMES: Final = {"PAUSED": "PROGRAM_PAUSED", "DEGRADED": "PROGRAM_DEGRADED", "NORMAL": "PROGRAM_NORMAL"}
_NOT_AFTER: Final = timedelta(hours=72)


def notice(turn: Turn, message: Notice) -> None:
    """Show a notice, or tell it."""
    records = _records(turn.traveler, message.program)
    if not records or turn.traveler.erased:
        return
    turn.cause = message.eventId
    if message.wave:
        _tell(turn, message, records[0])
    else:
        _show(turn, message, records)


def enroll(turn: Turn) -> None:
    """Join the shards of the programs that are new to the traveler, leave those of programs that are over."""
    before, after = _programs(turn.before), _programs(turn.traveler)
    for program in sorted(before ^ after):
        key = programs.shard_key(program, turn.traveler.id)
        joined = program in after
        turn.tell("travelers", key, Enroll(travelerId=turn.traveler.id, program=program, leave=not joined))


def _show(turn: Turn, message: Notice, records: list[str]) -> None:
    held = turn.traveler.notices.get(message.program)
    if held is not None and (held.occurredAt, held.eventId) >= (message.occurredAt, message.eventId):
        return
    was = {record: turn.traveler.cards[record].card.overlay for record in records}
    seen = Seen(message.eventId, message.occurredAt, message.overlay, held.told if held is not None else None)
    turn.traveler = replace(turn.traveler, notices=turn.traveler.notices | {message.program: seen})
    for record in records:
        shown = held.overlay if held is not None else was[record]
        before = shown.state if shown is not None else "NORMAL"
        if before == message.overlay.state:
            continue
        card = turn.traveler.cards[record].card
        change = Transition(
            recordId=card.recordId,
            program=card.program,
            applicationId=None,
            axis="overlay",
            from_=before,
            to=message.overlay.state,
            causeId=message.eventId,
        )
        name = _NAMES[message.overlay.state]
        turn.emit(events.transition(name, turn.traveler.id, change, message.eventId, message.occurredAt))


def _tell(turn: Turn, message: Notice, record: str) -> None:
    """One message for all the records of the program. Who was not told has nothing to be corrected."""
    seen = turn.traveler.notices.get(message.program)
    told = seen.told if seen is not None else None
    if told == message.eventId or (message.correction and told is None):
        return
    if seen is not None:
        marked = replace(seen, told=message.eventId)
        turn.traveler = replace(turn.traveler, notices=turn.traveler.notices | {message.program: marked})
    day = hours.local_day(message.occurredAt, turn.traveler.zones)
    news = News(
        record=record,
        program=message.program,
        recordId=turn.traveler.cards[record].card.recordId,
        applicationId=None,
        kind="CORRECTION" if message.correction else "PROGRAM_NOTICE",
        fact=message.eventId,
        causeId=message.eventId,
        occurredAt=message.occurredAt,
        receivedAt=message.receivedAt,
        plannedAt=turn.now,
        releaseAt=turn.now,
        notAfter=turn.now + _NOT_AFTER,
        channels=("sms", "email"),
        facts=Facts(program=message.program, dates={"on": day}),
    )
    messages.start(turn, news)


def _records(traveler: Traveler, program: str) -> list[str]:
    return sorted(record for record, held in traveler.cards.items() if held.card.program == program)


def _programs(traveler: Traveler) -> set[str]:
    return set() if traveler.erased else {held.card.program for held in traveler.cards.values()}
