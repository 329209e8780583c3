"""A program notice as one traveler has it: the overlay on the cards at once, the message only when staff let it go."""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from schemas.internal import Enroll, Facts, News, Notice, Outcome
from schemas.outputs import OverlayView, Transition
from streams import events, hours
from streams.channels import BOTH, EMAIL, withheld
from streams.travelers import messages, programs
from streams.travelers.state import Seen, Traveler
from streams.travelers.turn import Turn
from streams.travelers.view import overlay_end

_NAMES: Final = {"PAUSED": "PROGRAM_PAUSED", "DEGRADED": "PROGRAM_DEGRADED", "NORMAL": "PROGRAM_NORMAL"}
_NOT_AFTER: Final = timedelta(hours=72)
_KINDS: Final = ("PROGRAM_NOTICE", "CORRECTION")


def notice(turn: Turn, message: Notice) -> None:
    """Show a notice, or tell it."""
    records = _records(turn.traveler, message.program)
    if not records or turn.traveler.erased:
        return
    turn.cause = message.eventId
    if message.dropped:
        _take_back(turn, message.program, "staff", message.eventId)
    elif message.wave:
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
    end = overlay_end(message.overlay)
    overlay = message.overlay if end is None or end > turn.now else OverlayView(state="NORMAL")
    seen = Seen(message.eventId, message.occurredAt, overlay)
    if held is not None:
        seen = replace(seen, told=held.told, reached=held.reached)
    _take_back(turn, message.program, "superseded")
    _see(turn, message.program, seen)
    for record in records:
        shown = held.overlay if held is not None else was[record]
        before = shown.state if shown is not None else "NORMAL"
        _move(turn, record, before, overlay.state, message.eventId, message.occurredAt)


def lapse(turn: Turn) -> None:
    """A notice that said until when it holds is over then (domain 3.1)."""
    for program, seen in turn.traveler.notices.items():
        end = overlay_end(seen.overlay)
        if end is None or end > turn.now:
            continue
        _see(turn, program, replace(seen, overlay=OverlayView(state="NORMAL")))
        for record in _records(turn.traveler, program):
            _move(turn, record, seen.overlay.state, "NORMAL", seen.eventId, end)


def _move(turn: Turn, record: str, before: str, after: str, cause: str, at: datetime) -> None:
    if before == after:
        return
    card = turn.traveler.cards[record].card
    change = Transition(
        recordId=card.recordId,
        program=card.program,
        applicationId=None,
        axis="overlay",
        from_=before,
        to=after,
        causeId=cause,
    )
    turn.emit(events.transition(_NAMES[after], turn.traveler.id, change, cause, at))


def _tell(turn: Turn, message: Notice, record: str) -> None:
    """One message for all the records of the program. Who was not reached has nothing to be corrected."""
    seen = turn.traveler.notices.get(message.program)
    if seen is None or seen.told == message.eventId or (message.correction and not seen.reached):
        return
    channels = BOTH if not message.correction or "sms" in seen.reached else EMAIL
    _see(turn, message.program, replace(seen, told=message.eventId, reached=()))
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
        channels=channels,
        facts=Facts(program=message.program, dates={"on": day}),
        withheld=withheld(message.occurredAt, message.receivedAt),
    )
    messages.start(turn, news)


def reached(turn: Turn, message: Outcome) -> None:
    """A provider took a notice: only this makes a later notice a correction to this traveler."""
    if message.state != "accepted":
        return
    for program, seen in turn.traveler.notices.items():
        if seen.told == message.fact and message.channel not in seen.reached:
            _see(turn, program, replace(seen, reached=(*seen.reached, message.channel)))


def _take_back(turn: Turn, program: str, reason: str, event: str | None = None) -> None:
    """What has not left of the notices of a program, or of one of them, does not leave any more."""
    for name, item in turn.having(lambda item: item.news.kind in _KINDS and not item.kept):
        if item.news.program == program and event in (None, item.news.fact):
            messages.cancel(turn, name, reason)


def _see(turn: Turn, program: str, seen: Seen) -> None:
    turn.traveler = replace(turn.traveler, notices=turn.traveler.notices | {program: seen})


def _records(traveler: Traveler, program: str) -> list[str]:
    return sorted(record for record, held in traveler.cards.items() if held.card.program == program)


def _programs(traveler: Traveler) -> set[str]:
    return set() if traveler.erased else {held.card.program for held in traveler.cards.values()}
