"""What a stage does with a batch: records in, one slice of work out, all of which one transaction commits."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from services.keyring import Keyring
from services.store import Change, Store
from services.wire import Outgoing, Received
from streams.grammar import Command

HANDLER_BUG: Final = "handler-bug"
"""Reason of a dead letter for a record that our own code fails on."""


class Limits(msgspec.Struct, frozen=True):
    """When a slice ends: records, keys woken by one tick, seconds of work, bytes of output."""

    records: int = 3000
    wakes: int = 1000
    seconds: float = 0.25
    output: int = 4 << 20


class Slice(msgspec.Struct):
    """The work of one transaction. `taken` records are done, and everything before offset `upto`.

    A tick with more due keys than fit is not `taken`: its offset is committed again with each part of its work.
    `forgotten` records were sealed with a key that is gone: they were read before, and are passed over.
    """

    taken: int
    upto: int
    outgoing: list[Outgoing]
    changes: dict[bytes, Change]
    commands: list[Command]
    events: int = 0
    wakes: int = 0
    poison: int = 0
    forgotten: int = 0
    letters: dict[str, int] = msgspec.field(default_factory=dict)


class Job(Protocol):
    """A stage as the runtime sees it: bytes in, bytes out, no clock but the one it was given.

    `changelog` is None for a stage without state, which gets no store and no keyring.
    """

    name: str
    topics: tuple[str, ...]
    changelog: str | None

    def slice(self, records: Sequence[Received], store: Store | None, ring: Keyring | None) -> Slice:
        """The work for as many of the records as fit, at least one. Changes nothing but what it returns."""
