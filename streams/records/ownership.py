"""Which traveler a record belongs to, and how it moves from one to another (contract 5.13, design 1)."""

from typing import Final

import msgspec

from schemas.internal import CardGone, Join
from streams.grammar import DeadLetter
from streams.identity import event_id
from streams.records.log import Entry
from streams.records.outbox import withdraw
from streams.records.persons import disputed
from streams.records.turn import Turn

OTHER_PERSON: Final = "the birth date differs from that of the record's other portal subject"


def belong(turn: Turn, trigger: Entry | None) -> None:
    """Ask the traveler whom the newest link or sign-in names, unless the record is there (contract 5.13)."""
    state = turn.state
    left = turn.left()
    voids = [one for one in left.living if one.name == "record.corrected" and one.data.void]  # they name a person too
    events_left = sorted((*left.events, *voids), key=lambda one: (one.at, one.id))
    strange = disputed(events_left)
    _dispute(turn, strange, trigger)
    wanted, cause = turn.identity.traveler_of_record(turn.key), state.entries[0].id
    own = wanted
    for one in events_left:
        named = one.data.portalSubject
        traveler = turn.identity.traveler_of_subject(named) if named else own
        if one.name == "unlinked" and wanted == traveler:
            wanted, cause = own, one.id
        elif named and one.name != "unlinked" and (one.source, one.id) not in strange and not turn.refuses(traveler):
            wanted, cause = traveler, one.id
    birth = turn.birth_date()
    proof = f"{wanted}|{birth}"
    if (wanted == state.owner and proof == state.joinedAs) or proof == state.asked:
        return
    state.asked = proof
    turn.tell_traveler(Join(record=turn.key, eventId=cause, birthDate=birth), wanted)


def identity_item(turn: Turn, traveler: str) -> str:
    """The work item of a traveler whom this record may not join."""
    return event_id(turn.key, "identity conflict", traveler)


def _dispute(turn: Turn, strange: dict[tuple[str, str], str], trigger: Entry | None) -> None:
    """Put it before the staff that two subjects with different birth dates sign in for this record."""
    state = turn.state
    items = sorted({identity_item(turn, turn.identity.traveler_of_subject(named)) for named in strange.values()})
    fresh = [item for item in items if item not in state.disputes]
    if turn.origin is not None and trigger is not None and (fresh or (trigger.source, trigger.id) in strange):
        turn.out.append(DeadLetter(turn.origin, "records", "identity-conflict", OTHER_PERSON))
    for item in fresh:
        if item not in state.work:
            turn.open_work(item, "identity conflict", trigger)
    for item in state.disputes:
        if item not in items and item in state.work:
            turn.close_work(item, trigger)
    state.disputes = items


def move(turn: Turn, traveler: str) -> None:
    """Leave the old traveler for a new one; what has not left goes along (design 1)."""
    state, old = turn.state, turn.state.owner
    if old == traveler:
        return
    state.owner = traveler
    state.card = None
    if old is None:
        for message in state.waiting:
            turn.tell_traveler(message)
        state.waiting = []
        return
    state.version += 1
    turn.tell_traveler(CardGone(record=turn.key, version=state.version), old)
    hand_back(turn, old)


def hand_back(turn: Turn, traveler: str) -> None:
    """Ask for what has not left yet, to tell it from elsewhere once the traveler has let go."""
    state = turn.state
    moving = [one for one in state.items if one.on_its_way]
    for one in moving:
        turn.tell_traveler(withdraw(one.news, "moved"), traveler)
    state.items = [msgspec.structs.replace(one, status="moving") if one in moving else one for one in state.items]
