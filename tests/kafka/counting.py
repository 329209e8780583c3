"""A small keyed stage for tests of the runtime: its state is a hash chain, so that loss, doubling and disorder show.

`hit` adds an event to the chain, may ask to be woken, may pass the event on to another stage and may be poison.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from schemas.cloudevents import CloudEvent
from schemas.internal import Lookup
from streams.grammar import Output, Publish, ToStage


class Hit(msgspec.Struct, frozen=True, tag="hit"):
    """An event: `hold` seconds until the key wants to be woken, `size` bytes of ballast in the state."""

    event: str
    hold: float | None = None
    poison: bool = False
    command: bool = False
    size: int = 0


class Chain(msgspec.Struct, frozen=True):
    """What a key has seen."""

    key: str
    count: int = 0
    chain: str = ""
    wakes: int = 0
    due: datetime | None = None
    ballast: bytes = b""


class Counting:
    """Counts, chains, publishes each step, and passes hits on to stage `onward`."""

    state_type = Chain
    message_type: Any = Hit

    def __init__(self, name: str, topic: str, onward: str | None = None) -> None:
        self.name = name
        self._topic = topic
        self._onward = onward

    def empty(self, key: str) -> Chain:
        return Chain(key)

    def receive(self, state: Chain, message: Hit, now: datetime) -> tuple[Chain, Sequence[Output]]:
        if message.poison:
            raise ValueError(f"poison {message.event}")
        chain = _link(state.chain, message.event, now)
        due = now + timedelta(seconds=message.hold) if message.hold is not None else state.due
        new = Chain(state.key, state.count + 1, chain, state.wakes, due, bytes(message.size))
        outputs: list[Output] = [self._event(new, "hit", now)]
        if self._onward is not None:
            outputs.append(ToStage(self._onward, f"g{state.key[-1]}", Hit(f"{state.key}/{new.count}")))  # type: ignore[arg-type]
        if message.command:
            outputs.append(Lookup(claimId=message.event, key=state.key, to="-", body="", since=now, until=now))
        return new, outputs

    def due(self, state: Chain) -> datetime | None:
        return state.due

    def wake(self, state: Chain, now: datetime) -> tuple[Chain, Sequence[Output]]:
        new = Chain(state.key, state.count, _link(state.chain, "wake", now), state.wakes + 1, None, state.ballast)
        return new, [self._event(new, "wake", now)]

    def _event(self, state: Chain, step: str, now: datetime) -> Publish:
        data = msgspec.json.encode({"chain": state.chain, "count": state.count, "wakes": state.wakes})
        event = CloudEvent(
            id=f"{state.key}-{state.count}-{state.wakes}", source="test", type=step, time=now, data=msgspec.Raw(data)
        )
        return Publish(self._topic, state.key, event)


def _link(chain: str, event: str, now: datetime) -> str:
    return hashlib.sha256(f"{chain}|{event}|{now.astimezone(UTC).isoformat()}".encode()).hexdigest()[:16]
