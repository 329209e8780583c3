"""One owned partition: its transactional producer, its store and the loop of its actor.

Order is everything here. Taking over: fence the previous owner, then read offsets, then the changelog. A slice: one
transaction of outputs, changelog and offset; then one write to the store; then the commands. Every failure on the way
ends the process before anything else can commit.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.structs import RecordMetadata

from services.failpoints import Failpoints
from services.runtime.inlet import Inlet
from services.runtime.job import Job, Slice
from services.runtime.meters import Meters
from services.store import Change, Store
from services.wire import Outgoing
from streams.grammar import Command

_TRANSACTION_SECONDS: Final = 60.0


Held = Callable[[], bool]
"""Whether the assignment under which something was committed still stands."""

HandOver = Callable[[Sequence[Command], Held], None]


class Membership(Protocol):
    """What tells whether the group can still count this process as a member."""

    def sure(self) -> bool:
        """Whether it cannot have given our partitions away without our knowing."""

    def confirm(self, asked: float) -> None:
        """The broker has taken a write that only the owner can make, asked for at this moment or later."""


class Partition:
    """A partition that this process owns, from fencing until it is let go."""

    def __init__(
        self,
        place: TopicPartition,
        job: Job,
        group: str,
        producer: AIOKafkaProducer,
        meters: Meters,
        failpoints: Failpoints,
        hand_over: HandOver,
        membership: Membership,
    ) -> None:
        self.place = place
        self.inlet = Inlet()
        self.store: Store | None = None
        self.producer = producer
        self.next_offset: int | None = None
        self.busy_since: float | None = None
        self.working_on: int | None = None
        self.progressed = monotonic()
        self.transactions = 0
        self._job = job
        self._group = group
        self._meters = meters
        self._failpoints = failpoints
        self._hand_over = hand_over
        self._membership = membership

    def held(self) -> bool:
        """Whether this partition is still ours."""
        return not self.inlet.closed and self._membership.sure()

    async def fence(self) -> None:
        """Become the only writer: from here on, the broker refuses whatever the previous owner still sends."""
        await self.producer.start()
        self._failpoints.reach("after-fence")

    async def work(self) -> None:
        """Do all that waits, slice by slice, until nothing waits or the partition is being let go."""
        self.inlet.rung = False
        while records := self.inlet.take():
            self._failpoints.reach("after-fetch")
            while records and not self.inlet.closed:
                self.busy_since, self.working_on = monotonic(), records[0].timestamp
                started = self.busy_since
                work = self._job.slice(records, self.store)
                handled = monotonic()
                self._failpoints.reach("after-handle")
                position = await self._commit(work)
                committed = monotonic()
                self._membership.confirm(handled)
                self._failpoints.reach("after-commit")
                if self.store is not None and work.changes:
                    self.store.write(work.changes, position)
                self._failpoints.reach("after-store")
                self.next_offset = work.upto
                self.progressed = monotonic()
                self.transactions += 1
                if work.commands:
                    self._hand_over(work.commands, self.held)
                self._failpoints.reach("after-hand-over")
                self._meters.slice(
                    self.place, work, handled - started, committed - handled, self.progressed - committed
                )
                records = records[work.taken :]
            self.busy_since = self.working_on = None

    async def stop(self) -> None:
        """Let go: take nothing more, and close the producer. The store stays open for a quick return."""
        self.inlet.close()
        await self.producer.stop()

    async def _commit(self, work: Slice) -> int | None:
        """Outputs, changelog and offset in one transaction; the changelog offset to read next, where it is known.

        Every send is awaited before the end of the transaction is asked for: the client would commit without a batch
        that the broker refused.
        """
        producer, failpoints = self.producer, self._failpoints
        async with asyncio.timeout(_TRANSACTION_SECONDS):
            await producer.begin_transaction()
            failpoints.reach("after-begin")
            await producer.send_offsets_to_transaction({self.place: work.upto}, self._group)
            failpoints.reach("after-offsets")
            states = await self._send(self._states(work.changes))
            outputs = await self._send(_by_place(work.outgoing))
            failpoints.reach("after-send")
            written = await asyncio.gather(*(future for future, _ in states + outputs))
            failpoints.reach("after-produce")
            await producer.commit_transaction()
        ends = [meta.offset + count for meta, (_, count) in zip(written, states, strict=False)]
        # A batch that the client had to repeat may come back without its offset; the position then stays behind.
        return max(ends) if ends and all(meta.offset >= 0 for meta in written[: len(states)]) else None

    def _states(self, changes: Mapping[bytes, Change]) -> dict[tuple[str, int], list[Outgoing]]:
        topic = self._job.changelog
        if topic is None or not changes:
            return {}
        place = (topic, self.place.partition)
        return {place: [Outgoing(*place, key, change.value) for key, change in changes.items()]}

    async def _send(
        self, batches: Mapping[tuple[str, int], list[Outgoing]]
    ) -> list[tuple["asyncio.Future[RecordMetadata]", int]]:
        """Hand the records to the client, whole batches at a time; futures and record counts of the batches."""
        sent: list[tuple[asyncio.Future[Any], int]] = []
        for (topic, partition), records in batches.items():
            batch = self.producer.create_batch()
            for record in records:
                fits = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
                if fits is None:
                    sent.append(
                        (await self.producer.send_batch(batch, topic, partition=partition), batch.record_count())
                    )
                    batch = self.producer.create_batch()
                    batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
            sent.append((await self.producer.send_batch(batch, topic, partition=partition), batch.record_count()))
        return sent


def _by_place(records: Sequence[Outgoing]) -> dict[tuple[str, int], list[Outgoing]]:
    places: dict[tuple[str, int], list[Outgoing]] = {}
    for record in records:
        places.setdefault((record.topic, record.partition), []).append(record)
    return places
