"""A person is forgotten: nothing is kept but that it is so, and all who knew of the person are told to forget, too.

That it is so has to stay: what comes later about one of the records is of nobody, and does not bring the person back.
Whatever a traveler no longer holds cannot be read in older copies of its state either: that of somebody who is
forgotten, and that of a record which is another traveler's now.
"""

from msgspec.structs import replace

from schemas.internal import Forget, Owned, Send, TravelerChanged
from streams.grammar import Renew, ToStage
from streams.travelers import messages
from streams.travelers.state import Profile, Traveler
from streams.travelers.turn import Turn


def asked(turn: Turn, message: Forget) -> None:
    """One of the records of this traveler was of somebody who is forgotten, and had this traveler before a link."""
    if not turn.traveler.erased:
        turn.cause = message.causeId
        forget(turn)


def forget(turn: Turn) -> None:
    """End all that is under way. Who knew of the person is told when that is settled."""
    turn.traveler = replace(turn.traveler, profile=Profile(), erased=True)
    for name in list(turn.traveler.items):
        messages.cancel(turn, name, "no-address")
    turn.emit(Renew())


def settle(turn: Turn) -> None:
    """After everything else: note which addresses were told of the person, and let go of what is over."""
    told = [out.key for out in turn.outputs if isinstance(out, ToStage) and isinstance(out.message, Send | Owned)]
    new = [key for key in dict.fromkeys(told) if key not in turn.traveler.reached]
    if new:
        turn.traveler = replace(turn.traveler, reached=(*turn.traveler.reached, *new))
    traveler, before = turn.traveler, turn.before
    if traveler.erased:
        if not before.erased:
            _pass_on(turn)
        turn.traveler = Traveler(
            id=traveler.id, items=traveler.items, events=traveler.events, shows=traveler.shows, erased=True
        )
    changed = turn.traveler.items is not before.items or turn.traveler.cards is not before.cards
    if changed and _about(before) - _about(turn.traveler):
        turn.emit(Renew())


def _pass_on(turn: Turn) -> None:
    """Let every address forget, the records that left, and the travelers whom the present records had before."""
    traveler = turn.traveler
    told = Forget(travelerId=traveler.id, causeId=turn.cause or traveler.id)
    for key in traveler.reached:
        turn.tell("addresses", key, told)
    for record in sorted(traveler.gone):
        turn.tell("records", record, TravelerChanged(travelerId=traveler.id, erased=True))
    for record in sorted(traveler.cards):
        own = turn.setting.identity.traveler_of_record(record)
        if own != traveler.id:
            turn.tell("travelers", own, told)


def _about(traveler: Traveler) -> set[str]:
    """The records of which the traveler holds something."""
    return {*traveler.cards, *(item.news.record for item in traveler.items.values())} - {traveler.id}
