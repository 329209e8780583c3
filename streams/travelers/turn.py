"""One message or moment of one traveler: the state so far and what follows from it, in order."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import msgspec
from msgspec.structs import replace

from schemas.internal import Message
from schemas.outputs import Channel
from streams.grammar import Output, ToStage
from streams.identity import Identity
from streams.policy import Policy
from streams.travelers.state import Item, Traveler


class Wordings(Protocol):
    """What this stage asks of the catalogue: which language a message would go out in, and its version."""

    def serve(self, kind: str, requested: str | None, channel: Channel) -> str: ...

    def version(self, kind: str, language: str, channel: Channel) -> str: ...


class Setting(msgspec.Struct, frozen=True):
    """What does not change while the stage lives."""

    identity: Identity
    policy: Policy
    catalogue: Wordings


class Turn:
    """A traveler being worked on at `now`. The state is replaced, never changed in place; `before` is how it was.

    `cause` is the id of the source event behind it, where there is one.
    """

    def __init__(self, setting: Setting, traveler: Traveler, now: datetime) -> None:
        self.setting = setting
        self.before = traveler
        self.traveler = traveler
        self.cause: str | None = None
        self.now = now
        self.outputs: list[Output] = []

    def emit(self, output: Output) -> None:
        self.outputs.append(output)

    def tell(self, stage: str, key: str, message: Message) -> None:
        """Send a message to a key of a stage."""
        self.outputs.append(ToStage(stage, key, message))

    def put(self, notification: str, item: Item) -> None:
        self.traveler = replace(self.traveler, items=self.traveler.items | {notification: item})

    def drop(self, notification: str) -> None:
        rest = {name: item for name, item in self.traveler.items.items() if name != notification}
        self.traveler = replace(self.traveler, items=rest)

    def having(self, wanted: Callable[[Item], bool]) -> list[tuple[str, Item]]:
        """The messages under way that fit, by notification id, oldest first."""
        return [(name, item) for name, item in self.traveler.items.items() if wanted(item)]
