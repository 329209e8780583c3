"""Travelers: one person across all programs. Profile, cards, the view, and who is told what, where and when."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from schemas import internal
from schemas.internal import TravelersMessage
from streams.grammar import Output
from streams.identity import Identity
from streams.policy import Policy
from streams.travelers import cards, contact, messages, person
from streams.travelers.state import Traveler
from streams.travelers.turn import Setting, Turn, Wordings

_HANDLERS: Final[dict[type, Callable[[Turn, Any], None]]] = {
    internal.Arrived: person.arrived,
    internal.Join: cards.join,
    internal.CardSnapshot: cards.snapshot,
    internal.CardGone: cards.gone,
    internal.Plan: messages.plan,
    internal.Release: messages.release,
    internal.Withdraw: messages.withdraw,
    internal.ContactChanged: contact.reported,
    internal.Outcome: messages.outcome,
    internal.Answered: contact.answered,
}


class Travelers:
    """The stage. `catalogue` says which language a message would go out in."""

    name = "travelers"
    state_type = Traveler
    message_type: Any = TravelersMessage

    def __init__(self, identity: Identity, policy: Policy, catalogue: Wordings) -> None:
        self._setting = Setting(identity, policy, catalogue)

    def empty(self, key: str) -> Traveler:
        """A traveler of whom nothing is known."""
        return Traveler(id=key)

    def receive(self, state: Traveler, message: Any, now: datetime) -> tuple[Traveler, Sequence[Output]]:
        """The traveler after a message, with the view published when it changed."""
        turn = Turn(self._setting, state, now)
        _HANDLERS[type(message)](turn, message)
        person.settle(turn)
        return turn.traveler, turn.outputs

    def due(self, state: Traveler) -> datetime | None:
        """The next hour of a held message, the moment of coming of age, or the next look at the headline."""
        moments = [item.due for item in state.items.values()] + [state.adultAt, state.lookAt]
        return min((moment for moment in moments if moment is not None), default=None)

    def wake(self, state: Traveler, now: datetime) -> tuple[Traveler, Sequence[Output]]:
        """Whatever the clock brings at `now`."""
        turn = Turn(self._setting, state, now)
        messages.due(turn)
        person.settle(turn)
        return turn.traveler, turn.outputs
