"""Travelers: one person across all programs. Profile, cards, the view, and who is told what, where and when.

Keys of the form `program:P` hold a program's notices, `program:P#n` a shard of its travelers.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from schemas import internal
from streams.grammar import Output
from streams.identity import Identity
from streams.policy import Policy
from streams.travelers import cards, contact, corrections, forgetting, messages, notices, person, programs
from streams.travelers.state import Program, Shard, State, Traveler
from streams.travelers.turn import Setting, Turn, Wordings


def _outcome(turn: Turn, message: internal.Outcome) -> None:
    notices.reached(turn, message)
    messages.outcome(turn, message)


_HANDLERS: Final[dict[type, Callable[[Turn, Any], None]]] = {
    internal.Arrived: person.arrived,
    internal.Join: cards.join,
    internal.CardSnapshot: cards.snapshot,
    internal.CardGone: cards.gone,
    internal.Plan: messages.plan,
    internal.Release: messages.release,
    internal.Freeze: messages.freeze,
    internal.Withdraw: messages.withdraw,
    internal.ContactChanged: contact.reported,
    internal.SourceGuardian: person.source_guardian,
    internal.Outcome: _outcome,
    internal.Answered: contact.answered,
    internal.Notice: notices.notice,
    internal.Forget: forgetting.asked,
}


class Travelers:
    """The stage. `catalogue` says which language a message would go out in."""

    name = "travelers"
    state_type: Any = State
    message_type: Any = internal.TravelersMessage

    def __init__(self, identity: Identity, policy: Policy, catalogue: Wordings) -> None:
        self._setting = Setting(identity, policy, catalogue)

    def empty(self, key: str) -> State:
        """A traveler, a program or a shard of which nothing is known."""
        return programs.empty(key) if key.startswith(programs.PREFIX) else Traveler(id=key)

    def receive(self, state: State, message: Any, now: datetime) -> tuple[State, Sequence[Output]]:
        """The traveler after a message, with the view published when it changed."""
        if isinstance(state, Shard):
            return programs.shard(state, message)
        if isinstance(state, Program):
            if isinstance(message, internal.ToldWrong):
                return corrections.told_wrong(state, message, now, programs.key(state.program))
            desk = programs.Desk(state, now)
            desk.enroll(message) if isinstance(message, internal.Enroll) else desk.arrived(message)
            return desk.program, desk.outputs
        turn = Turn(self._setting, state, now)
        _HANDLERS[type(message)](turn, message)
        person.settle(turn)
        forgetting.settle(turn)
        return turn.traveler, turn.outputs

    def due(self, state: State) -> datetime | None:
        """The next wave; the next hour of a held message, coming of age, or look at the headline."""
        if isinstance(state, Shard):
            return None
        if isinstance(state, Program):
            moments = [held.next for held in state.notices.values()]
        else:
            moments = [item.due for item in state.items.values()] + [state.adultAt, state.lookAt]
        return min((moment for moment in moments if moment is not None), default=None)

    def wake(self, state: State, now: datetime) -> tuple[State, Sequence[Output]]:
        """Whatever the clock brings at `now`."""
        if isinstance(state, Shard):
            return state, ()
        if isinstance(state, Program):
            desk = programs.Desk(state, now)
            desk.wake()
            return desk.program, desk.outputs
        turn = Turn(self._setting, state, now)
        messages.due(turn)
        person.settle(turn)
        forgetting.settle(turn)
        return turn.traveler, turn.outputs
