"""What is said of the person as a whole: profile, death, erasure; and what everything before it leads to in the end."""

import hashlib

import msgspec
from msgspec.structs import replace

from schemas.cloudevents import canonical
from schemas.internal import Arrived, Death, SourceGuardian, TravelerChanged
from schemas.outputs import Audit
from schemas.source import Link, ProfileUpdated
from schemas.vocabulary import STAFF_SOURCE
from streams import events
from streams.grammar import DeadLetter
from streams.reading import Data, read, record_key
from streams.travelers import contact, forgetting, messages, notices
from streams.travelers.people import is_child, of_age, zones
from streams.travelers.profile import amend, merge
from streams.travelers.state import Profile, Stamp
from streams.travelers.turn import Turn
from streams.travelers.view import next_look, view


def arrived(turn: Turn, message: Arrived) -> None:
    """A profile event: merged in, whatever the order; the same id with another body is a dead letter."""
    event, data, program, name = read(message.origin)
    cause = f"{event.source}/{event.id}"
    digest = hashlib.sha256(event.type.encode() + canonical(event.data)).hexdigest()[:16]
    known = turn.traveler.events.get(cause)
    if known is not None:
        if known != digest:
            error = "an event of this source and id is known with another body"
            turn.emit(DeadLetter(message.origin, "travelers", "id-reused", error))
        return
    turn.traveler = replace(turn.traveler, events=turn.traveler.events | {cause: digest})
    turn.cause = event.id
    if event.source == STAFF_SOURCE:
        _audit(turn, event.id, name, data)
    if turn.traveler.erased:
        return
    if isinstance(data, ProfileUpdated):
        before = turn.traveler.profile
        turn.traveler = replace(turn.traveler, profile=merge(before, data, Stamp(event.time, cause)))
        if not message.backfill:
            contact.changed(turn, before, event.id, event.time)
    elif name == "deceased":
        named = getattr(data, "recordId", None)
        record = None if named is None else record_key(program or "", named)
        turn.traveler = replace(turn.traveler, deceased=turn.traveler.deceased or Death(event.id, event.time, record))
        for held in list(turn.traveler.items):
            messages.cancel(turn, held, "deceased")
    elif name == "erased":
        forgetting.forget(turn)


def _audit(turn: Turn, cause: str, name: str, data: Data) -> None:
    link = data if isinstance(data, Link) else Link()
    entry = Audit(
        action=name,
        by=link.actor or "unnamed",
        recordId=data.recordId,
        program=data.program,
        reason=link.reason,
        result="no-effect" if turn.traveler.erased else "done",
    )
    turn.emit(events.audit(entry, cause, turn.now))


def source_guardian(turn: Turn, message: SourceGuardian) -> None:
    """A program says who acts for the child. That nobody does any more counts; whom it names is unverified."""
    if message.guardian is None and not turn.traveler.erased:
        stamp = Stamp(message.occurredAt, message.causeId)
        turn.traveler = replace(turn.traveler, profile=amend(turn.traveler.profile, {"guardian": None}, stamp))


def settle(turn: Turn) -> None:
    """After every message and moment: recall what may no longer leave, tell the records, publish the view."""
    before = turn.before
    notices.lapse(turn)
    if not _touched(turn):
        return
    turn.traveler = replace(turn.traveler, zones=zones(turn.traveler))
    comes = of_age(turn.traveler)
    waiting = comes is not None and comes > turn.now and is_child(turn.traveler, turn.now)
    turn.traveler = replace(turn.traveler, adultAt=comes if waiting else None)
    if turn.traveler.profile != before.profile or before.adultAt != turn.traveler.adultAt:
        messages.recheck(turn)
    if turn.traveler.zones != before.zones:
        messages.sooner(turn)
    contact.register(turn)
    notices.enroll(turn)
    _tell_records(turn)
    _publish(turn)


def _touched(turn: Turn) -> bool:
    """Whether anything of the person is other than before, or the clock has reached one of their moments.

    Most messages are outcomes, which touch nothing here; looking for it in vain would cost more than all else.
    """
    before, after = turn.before, turn.traveler
    moments = (before.adultAt, before.lookAt)
    return (
        after.profile is not before.profile
        or after.cards is not before.cards
        or after.births is not before.births
        or after.notices is not before.notices
        or (after.deceased, after.erased) != (before.deceased, before.erased)
        or any(moment is not None and moment <= turn.now for moment in moments)
    )


def _tell_records(turn: Turn) -> None:
    before, traveler = turn.before, turn.traveler
    same = (before.zones, before.deceased, before.erased) == (traveler.zones, traveler.deceased, traveler.erased)
    for record in sorted(traveler.cards):
        if same and record in before.cards:
            continue
        changed = TravelerChanged(
            travelerId=traveler.id,
            zones=traveler.zones,
            deceased=traveler.deceased,
            erased=traveler.erased,
        )
        turn.tell("records", record, changed)


def _publish(turn: Turn) -> None:
    """The view, when it is another than the one shown last.

    A tombstone says "erased" (contract 1.3); so a person without any enrollment left has an empty view. Where no person
    is known, only a record that has gone elsewhere, there is nothing left to show.
    """
    traveler = turn.traveler
    nobody = not traveler.cards and traveler.profile == Profile()
    if traveler.shown is None and not traveler.cards:
        return
    if traveler.erased or nobody:
        if traveler.shown is not None:
            turn.emit(events.no_status(traveler.id))
            turn.traveler = replace(traveler, shown=None, lookAt=None)
        return
    made = view(traveler, turn.now)
    digest = hashlib.sha256(msgspec.json.encode(made)).hexdigest()[:32]
    turn.traveler = replace(traveler, lookAt=next_look(made.cards, turn.now))
    if digest != traveler.shown:
        turn.traveler = replace(turn.traveler, shown=digest, shows=traveler.shows + 1)
        turn.emit(events.status(made, turn.cause or traveler.id, turn.now, str(traveler.shows)))
