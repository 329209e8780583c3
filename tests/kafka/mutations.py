"""Deliberate bugs, by name: each puts back a fault that the runtime must not have, and the suite must find it."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from services import wire
from services.runtime import keyed, owned, restore
from services.runtime.inlet import Inlet
from services.runtime.job import Slice
from services.runtime.partition import Partition
from services.store import Store
from streams.grammar import Emission, advance


def apply(name: str | None) -> None:
    """Put a bug into this process."""
    if name is not None:
        BUGS[name]()


def _offsets_first() -> None:
    commit = Partition._commit

    async def early(self: Partition, work: Slice) -> int | None:
        async with self.producer.transaction():
            await self.producer.send_offsets_to_transaction({self.place: work.upto}, self._group)
        self._failpoints.reach("after-offsets")
        return await commit(self, work)

    Partition._commit = early  # type: ignore[method-assign]


def _store_first() -> None:
    commit = Partition._commit

    async def early(self: Partition, work: Slice) -> int | None:
        if self.store is not None:
            self.store.write(work.changes, None)
        return await commit(self, work)

    Partition._commit = early  # type: ignore[method-assign]


def _no_fencing() -> None:
    init = owned.Owned.__init__

    def loose(self: owned.Owned, *args: Any, new_producer: Callable[[str], Any], **named: Any) -> None:
        init(self, *args, new_producer=lambda name: new_producer(f"{name}-{uuid.uuid4().hex}"), **named)

    owned.Owned.__init__ = loose  # type: ignore[method-assign]


def _no_restore() -> None:
    async def nothing(*_: Any, **__: Any) -> int:
        return 0

    owned.restore = nothing


def _restore_what_was_aborted() -> None:
    class Dirty(AIOKafkaConsumer):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**{**options, "isolation_level": "read_uncommitted"})

    restore.AIOKafkaConsumer = Dirty


def _restore_stops_early() -> None:
    apply_ = restore._Restore._apply

    def short(self: Any, fetched: Mapping[Any, list[Any]]) -> None:
        apply_(self, {place: records[:-1] or records for place, records in fetched.items()})

    restore._Restore._apply = short  # type: ignore[method-assign]


def _no_due_index() -> None:
    write = Store.write

    def without(self: Store, changes: Mapping[bytes, Any], position: int | None) -> None:
        write(self, changes, position)
        for moment, key in self.due((1 << 63) - 1, 1 << 20):
            self._db.delete(b"d" + moment.to_bytes(8, "big") + key)

    Store.write = without  # type: ignore[method-assign]


def _act_before_commit() -> None:
    commit = Partition._commit

    async def early(self: Partition, work: Slice) -> int | None:
        self._hand_over(work.commands, self.held)
        work.commands = []
        return await commit(self, work)

    Partition._commit = early  # type: ignore[method-assign]


def _drop_poison() -> None:
    keyed._Work._letter = lambda self, letter, outgoing: None  # type: ignore[method-assign]


def _wall_clock_in_the_fold() -> None:
    wire.now_of = lambda record: datetime.now(UTC)


def _no_changelog() -> None:
    Partition._states = lambda self, changes: {}  # type: ignore[method-assign]


def _lose_the_last_of_a_batch() -> None:
    take = Inlet.take

    def short(self: Inlet) -> list[wire.Received]:
        taken = take(self)
        return taken[:-1] if len(taken) > 100 else taken

    Inlet.take = short  # type: ignore[method-assign]


def _due_work_last() -> None:
    def late(stage: Any, state: Any, message: Any, now: datetime) -> tuple[Any, list[Emission]]:
        state, outputs = stage.receive(state, message, now)
        state, emitted = advance(stage, state, now)
        return state, [Emission(now, output) for output in outputs] + emitted

    keyed.step = late  # type: ignore[assignment]


def _reorder() -> None:
    put = Inlet.put

    def back(self: Inlet, records: list[wire.Received]) -> int:
        return put(self, sorted(records, key=lambda record: -record.offset))

    Inlet.put = back  # type: ignore[method-assign]


BUGS: Final[Mapping[str, Callable[[], None]]] = {
    "offsets are committed before their transaction": _offsets_first,
    "the store is written before the commit": _store_first,
    "transactional ids are random": _no_fencing,
    "a store is not restored": _no_restore,
    "a restore reads what was aborted": _restore_what_was_aborted,
    "a restore stops early": _restore_stops_early,
    "the due index is not written": _no_due_index,
    "commands are acted on before the commit": _act_before_commit,
    "poison is dropped": _drop_poison,
    "the fold looks at the wall clock": _wall_clock_in_the_fold,
    "states are not in the changelog": _no_changelog,
    "the last record of a batch is lost": _lose_the_last_of_a_batch,
    "what was due does not come first": _due_work_last,
    "a fetch is delivered out of order": _reorder,
}

NAMES: Final[Sequence[str]] = tuple(BUGS)
