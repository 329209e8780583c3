"""The cards of a traveler: which records belong to them, always the newest version of each."""

from msgspec.structs import replace

from schemas.internal import CardGone, CardSnapshot, Join, Joined
from streams.travelers.people import zones
from streams.travelers.turn import Turn


def join(turn: Turn, message: Join) -> None:
    """Let a record in, unless the person was forgotten or has another birth date (contract 5.13, 5.19)."""
    traveler = turn.traveler
    known = {day for record, day in traveler.births.items() if record != message.record}
    if traveler.profile.dateOfBirth is not None:
        known.add(traveler.profile.dateOfBirth)
    accepted = not traveler.erased and (message.birthDate is None or known <= {message.birthDate})
    if accepted and message.birthDate is not None:
        turn.traveler = replace(traveler, births=traveler.births | {message.record: message.birthDate})
    answer = Joined(
        travelerId=traveler.id,
        eventId=message.eventId,
        accepted=accepted,
        zones=zones(turn.traveler),
        deceased=traveler.deceased,
        erased=traveler.erased,
    )
    turn.tell("records", message.record, answer)


def snapshot(turn: Turn, message: CardSnapshot) -> None:
    """A record shows its card: the highest version holds."""
    traveler = turn.traveler
    held = traveler.cards.get(message.record)
    latest = max(held.version if held is not None else -1, traveler.gone.get(message.record, -1))
    if message.version <= latest:
        return
    births = traveler.births
    if message.birthDate is not None:
        births = births | {message.record: message.birthDate}
    gone = {record: version for record, version in traveler.gone.items() if record != message.record}
    cards = traveler.cards | {message.record: message}
    turn.traveler = replace(traveler, cards=cards, gone=gone, births=births)
    turn.cause = message.causeId or turn.cause


def gone(turn: Turn, message: CardGone) -> None:
    """A record left: linked elsewhere, unlinked, merged or erased."""
    traveler = turn.traveler
    held = traveler.cards.get(message.record)
    if message.version <= max(held.version if held is not None else -1, traveler.gone.get(message.record, -1)):
        return
    turn.traveler = replace(
        traveler,
        cards={record: card for record, card in traveler.cards.items() if record != message.record},
        births={record: day for record, day in traveler.births.items() if record != message.record},
        gone=traveler.gone | {message.record: message.version},
    )
