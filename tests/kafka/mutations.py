"""Deliberate bugs, by name: each puts back a fault that the runtime must not have, and the suite must find it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.producer.sender import TxnOffsetCommitHandler
from aiokafka.protocol.transaction import TxnOffsetCommitRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from services import wire
from services.runtime import keyed, owned, restore, transport
from services.runtime.committer import Committer, Ends, Part
from services.runtime.inlet import Inlet
from services.runtime.job import Slice
from services.runtime.lane import Lane, _Handler
from services.runtime.partition import Partition
from services.runtime.requests import Member, StableOffsets
from services.runtime.standby import Standby
from services.store import Store
from streams.grammar import Emission, advance


def apply(name: str | None) -> None:
    """Put a bug into this process."""
    if name is not None:
        BUGS[name]()


def _offsets_first() -> None:
    transact = Committer._transact

    async def early(self: Committer, lane: Lane, parts: Sequence[Part]) -> None:
        await lane.begin(parts[0].member, ())
        await lane.send_offsets_to_transaction({part.place: part.work.upto for part in parts}, parts[0].member.group)
        await lane.commit_transaction()
        self._failpoints.reach("after-offsets")
        await transact(self, lane, parts)

    Committer._transact = early  # type: ignore[method-assign]


def _before_the_commit(act: Callable[[Partition, Slice], None]) -> None:
    init = Partition.__init__

    def early(self: Partition, *given: Any) -> None:
        init(self, *given)
        commit = self._committer.commit

        async def acted(place: TopicPartition, member: Member, done: Slice) -> Ends:
            act(self, done)
            return await commit(place, member, done)

        self._committer = SimpleNamespace(commit=acted)  # type: ignore[assignment]

    Partition.__init__ = early  # type: ignore[method-assign]


def _store_first() -> None:
    def write(partition: Partition, done: Slice) -> None:
        partition._keep(done, {})

    _before_the_commit(write)


def _no_fencing() -> None:
    create = _Handler.create_request

    def nameless(self: Any) -> TxnOffsetCommitRequest:
        asked = create(self)
        name, group, *_ = asked._fields
        topics: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for place, offset in asked._offsets.items():
            topics[place.topic].append((place.partition, offset, ""))
        return TxnOffsetCommitRequest(name, group, *asked._fields[2:4], list(topics.items()))

    def read(self: Any, answer: Any) -> Any:
        return TxnOffsetCommitHandler.handle_response(self, answer)

    _Handler.create_request = nameless  # type: ignore[method-assign, assignment]
    _Handler.handle_response = read  # type: ignore[method-assign]


def _unstable_offsets() -> None:
    build = StableOffsets.build

    def any_offsets(self: StableOffsets, request: Any) -> Any:
        made = build(self, request)
        made.require_stable = False
        return made

    StableOffsets.build = any_offsets  # type: ignore[method-assign]


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
    def hand_over(partition: Partition, done: Slice) -> None:
        partition._hand_over(done.commands, partition.held)
        done.commands = []

    _before_the_commit(hand_over)


def _drop_poison() -> None:
    keyed._Work._letter = lambda self, letter, outgoing: None  # type: ignore[method-assign]


def _wall_clock_in_the_fold() -> None:
    wire.now_of = lambda record: datetime.now(UTC)


def _no_changelog() -> None:
    by_place = Committer._by_place

    def without(self: Committer, parts: Sequence[Part]) -> Any:
        return {place: rows for place, rows in by_place(self, parts).items() if place[0] != self._changelog}

    Committer._by_place = without  # type: ignore[method-assign]


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


def _faust_commits() -> None:
    transport.Consumer.commit = driver.Consumer.commit  # type: ignore[method-assign]
    transport.Consumer.ack = driver.Consumer.ack  # type: ignore[method-assign]


def _deliver_late() -> None:
    """No bug: what is fetched right before a rebalance comes out of the client after it, as it may."""
    wait = transport.Consumer._wait_next_records
    held = False

    async def late(self: transport.Consumer, seconds: float) -> Any:
        nonlocal held
        assignment = self.owned.assignment
        records, active = await wait(self, seconds)
        if records and not held:
            held = True
            print(HELD, flush=True)
            while not (self.owned.assignment > assignment and self.owned.admits(self.owned.turn)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return records, active

    transport.Consumer._wait_next_records = late  # type: ignore[method-assign]


def _deliver_slowly() -> None:
    """No bug: what is fetched takes a second to come out of the client's thread, as on a busy machine it may."""
    wait = transport.Consumer._wait_next_records

    async def slowly(self: transport.Consumer, seconds: float) -> Any:
        records, active = await wait(self, seconds)
        await asyncio.sleep(1.0 if records else 0.0)
        return records, active

    transport.Consumer._wait_next_records = slowly  # type: ignore[method-assign]


def _deliver_what_is_stale() -> None:
    _deliver_late()

    async def blindly(self: transport.Consumer) -> None:
        records, _ = await self._wait_next_records(1.0)
        for place in [place for place, fetched in (records or {}).items() if self.owned.put(place, fetched)]:
            await self._ring(TP(*place), records[place][0].offset)

    transport.Consumer._deliver = blindly  # type: ignore[method-assign]


def _standby_is_ahead() -> None:
    def skip(self: Standby, log: TopicPartition, records: Sequence[Any], left: int) -> None:
        self._stores[log].write({}, records[-1].offset + 1)

    Standby._apply = skip  # type: ignore[method-assign]


def _standby_stands_still() -> None:
    Standby._apply = lambda self, log, records, left: None  # type: ignore[method-assign]


AHEAD: Final = "the position of a standby store is ahead of it"
STILL: Final = "a standby store stands still"
HELD: Final = "a fetch is held back"
"""Said by a worker with one of the next two."""

LATE: Final = "no bug, but a fetch comes late"
SLOW: Final = "no bug, but a fetch takes its time"
BUGS: Final[Mapping[str, Callable[[], None]]] = {
    "offsets are committed before their transaction": _offsets_first,
    "the store is written before the commit": _store_first,
    "offsets are committed in nobody's name": _no_fencing,
    "offsets are read while they are about to change": _unstable_offsets,
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
    "Faust commits on its own": _faust_commits,
    LATE: _deliver_late,
    SLOW: _deliver_slowly,
    AHEAD: _standby_is_ahead,
    STILL: _standby_stands_still,
    "what was fetched for an earlier assignment is delivered": _deliver_what_is_stale,
}

NAMES: Final[Sequence[str]] = tuple(BUGS)
