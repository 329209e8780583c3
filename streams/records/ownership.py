"""Which traveler a record belongs to, and how it moves from one to another (contract 5.13, design 1)."""

import msgspec

from schemas.internal import CardGone, Join
from streams.records.log import effective
from streams.records.telling import withdraw
from streams.records.turn import Turn


def belong(turn: Turn) -> None:
    """Ask the traveler whom the newest link or sign-in names, unless the record is there (contract 5.13)."""
    state = turn.state
    events_left = sorted(effective(state.entries).events, key=lambda one: (one.at, one.id))
    wanted, cause = turn.identity.traveler_of_record(turn.key), state.entries[0].id
    own = wanted
    for one in events_left:
        named = one.data.portalSubject
        traveler = turn.identity.traveler_of_subject(named) if named else own
        if one.name == "unlinked" and wanted == traveler:
            wanted, cause = own, one.id
        elif named and one.name != "unlinked" and not turn.refuses(traveler):
            wanted, cause = traveler, one.id
    birth = turn.birth_date()
    proof = f"{wanted}|{birth}"
    if (wanted == state.owner and proof == state.joinedAs) or proof == state.asked:
        return
    state.asked = proof
    turn.tell_traveler(Join(record=turn.key, eventId=cause, birthDate=birth), wanted)


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
    moving = [one for one in state.items if one.status in ("held", "released")]
    for one in moving:
        turn.tell_traveler(withdraw(one.news, "moved"), old)
    state.items = [msgspec.structs.replace(one, status="moving") if one in moving else one for one in state.items]
