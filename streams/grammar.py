"""The one grammar of every stage: (state of one key, message, now) -> (state, outputs). Pure, synchronous, total.

Time is a value. Due work of a key runs before any later message of that key, each piece at its own due time, so a late
tick gives the same result as a punctual one. Three runners drive the same functions: the simulator, the Faust workers
and the crash tests.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from schemas.cloudevents import CloudEvent
from schemas.internal import Claim, Lookup, Message, Origin, Redact, Settled, Stray, Trouble, Withhold


class ToStage(msgspec.Struct, frozen=True, gc=False):
    """A message for one key of another stage."""

    stage: str
    key: str
    message: Message


class Publish(msgspec.Struct, frozen=True, gc=False):
    """An event on an output topic; None is a tombstone."""

    topic: str
    key: str
    event: CloudEvent | None


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A source record that we cannot use, with the reason (contract 1.3). `error` holds no values of the record."""

    origin: Origin
    stage: str
    reason: str
    error: str


class Renew(msgspec.Struct, frozen=True):
    """The state of this key gave up what it held of somebody: copies of it from before shall be unreadable.

    It gets a new data key; the old one is deleted. Where the state becomes empty, that happens without being asked.
    """


Command = Claim | Lookup | Redact | Withhold | Trouble | Settled | Stray
Output = ToStage | Publish | DeadLetter | Command | Renew

S = TypeVar("S", bound=msgspec.Struct)


class Emission(msgspec.Struct, frozen=True, gc=False):
    """An output and the moment at which it was decided."""

    at: datetime
    output: Output


class Stage(Protocol[S]):
    """A keyed stage: one idea of what a key is, and what it does with a message and with time."""

    name: str
    state_type: type[S]
    message_type: Any

    def empty(self, key: str) -> S:
        """The state of a key that has seen nothing."""

    def receive(self, state: S, message: Any, now: datetime) -> tuple[S, Sequence[Output]]:
        """The state after a message, and what follows from it."""

    def due(self, state: S) -> datetime | None:
        """When this key next has work to do by itself; None when it only waits for messages."""

    def wake(self, state: S, now: datetime) -> tuple[S, Sequence[Output]]:
        """The state after all work due at `now`; `due` of it is later than `now`."""


def advance(stage: Stage[S], state: S, until: datetime) -> tuple[S, list[Emission]]:
    """Run the key's due work up to and including `until`, each piece with `now` = its due time."""
    emitted: list[Emission] = []
    while (moment := stage.due(state)) is not None and moment <= until:
        state, outputs = stage.wake(state, moment)
        emitted += [Emission(moment, output) for output in outputs]
        following = stage.due(state)
        if following is not None and following <= moment:
            raise RuntimeError(f"stage {stage.name} woke for {moment} and is due again at {following}")
    return state, emitted


def step(stage: Stage[S], state: S, message: Message, now: datetime) -> tuple[S, list[Emission]]:
    """One message of a key that arrives at `now`: first what fell due until then, then the message."""
    state, emitted = advance(stage, state, now)
    state, outputs = stage.receive(state, message, now)
    return state, emitted + [Emission(now, output) for output in outputs]
