"""Group commit: the work of all partitions that is ready at the same moment goes into one transaction.

A transaction costs the broker and this process the same for one event as for thousands, so those who wait for a free
lane go together, as in a database's log. Nobody waits for company: where a lane is free, a transaction begins at once.

The order inside is the fence. First the offsets, in the name of the member that we are: the group's coordinator refuses
them to anyone who is none any more, and holds back whoever takes over until this transaction has ended. Only then
records, each awaited: aiokafka commits a transaction without a batch that the broker refused.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from aiokafka import TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from services.failpoints import Failpoints
from services.runtime.job import Slice
from services.runtime.lane import Lane
from services.runtime.meters import Meters
from services.runtime.requests import Member
from services.wire import Outgoing

LANES: Final = 2
"""Producers used in turn: one begins while the broker still writes the markers of the other's transaction."""

_TRANSACTION_SECONDS: Final = 60.0

_Place = tuple[str, int]

Ends = Mapping[_Place, int | None]
"""Where each topic and partition that a transaction wrote to goes on after it; None where that is not known."""


class Part(msgspec.Struct, eq=False):
    """The work of one partition, as a member of the group."""

    place: TopicPartition
    member: Member
    work: Slice
    written: asyncio.Future[Ends]


class Committer:
    """Commits what the partitions of this process bring."""

    def __init__(
        self,
        new_lane: Callable[[str], Lane],
        name: str,
        changelog: str | None,
        meters: Meters,
        failpoints: Failpoints,
        lanes: int = LANES,
    ) -> None:
        """`name` is the transactional id of this process, which no other process has at the same time."""
        self._new_lane = new_lane
        self._names = [f"{name}-{number}" for number in range(lanes)]
        self._changelog = changelog
        self._meters = meters
        self._failpoints = failpoints
        self._lanes: deque[Lane] = deque()
        self._waiting: list[Part] = []
        self._driver: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Become the only process of this name: from here on, the broker aborts what a predecessor left open."""
        if not self._lanes:
            lanes = [self._new_lane(name) for name in self._names]
            await asyncio.gather(*(lane.start() for lane in lanes))
            self._lanes.extend(lanes)

    async def stop(self) -> None:
        """Close the producers."""
        while self._lanes:
            await self._lanes.popleft().stop()

    async def commit(self, place: TopicPartition, member: Member, work: Slice) -> Ends:
        """Commit it, with whatever else is ready."""
        part = Part(place, member, work, asyncio.get_running_loop().create_future())
        self._waiting.append(part)
        if self._driver is None:
            self._driver = asyncio.create_task(self._drive())
        return await part.written

    async def _drive(self) -> None:
        """One transaction after the other, until nothing waits."""
        while self._waiting:
            parts = self._take()
            lane = self._lanes.popleft()
            try:
                await self._transact(lane, parts)
            except BaseException as error:  # noqa: BLE001 - each partition ends the process by it
                for part in parts:
                    part.written.set_exception(error)
                return
            self._lanes.append(lane)
        self._driver = None

    def _take(self) -> list[Part]:
        """All that wait as the same member: one that an earlier assignment left behind is judged by itself."""
        member = self._waiting[0].member
        parts = [part for part in self._waiting if part.member == member]
        self._waiting = [part for part in self._waiting if part.member != member]
        return parts

    async def _transact(self, lane: Lane, parts: Sequence[Part]) -> None:
        failpoints, member = self._failpoints, parts[0].member
        places = self._by_place(parts)
        async with asyncio.timeout(_TRANSACTION_SECONDS):
            await lane.begin(member, places)
            failpoints.reach("after-begin")
            await lane.send_offsets_to_transaction({part.place: part.work.upto for part in parts}, member.group)
            failpoints.reach("after-offsets")
            sent = await _send(lane, places)
            failpoints.reach("after-send")
            written = await asyncio.gather(*(future for _, future, _ in sent))
            failpoints.reach("after-produce")
            await lane.commit_transaction()
        ends: dict[_Place, int | None] = {}
        for (place, _, count), meta in zip(sent, written, strict=True):
            # A batch that the client had to repeat may come back without its offset; the position then stays behind.
            known = meta.offset >= 0 and ends.get(place, 0) is not None
            ends[place] = meta.offset + count if known else None
        self._meters.transaction(len(parts))
        for part in parts:
            part.written.set_result(ends)

    def _by_place(self, parts: Sequence[Part]) -> dict[_Place, list[Outgoing]]:
        """States and outputs by where they go, those of one partition in its order."""
        places: dict[_Place, list[Outgoing]] = {}
        for part in parts:
            if self._changelog is not None and part.work.changes:
                place = (self._changelog, part.place.partition)
                places[place] = [Outgoing(*place, key, change.value) for key, change in part.work.changes.items()]
            for record in part.work.outgoing:
                places.setdefault((record.topic, record.partition), []).append(record)
        return places


async def _send(
    lane: Lane, places: Mapping[_Place, Sequence[Outgoing]]
) -> list[tuple[_Place, "asyncio.Future[RecordMetadata]", int]]:
    """Hand all records to the client, a batch of each place in turn: place, outcome and number of records of each."""
    sent: list[tuple[_Place, asyncio.Future[RecordMetadata], int]] = []
    filling = [(place, _batches(lane, records)) for place, records in places.items()]
    while filling:
        left = []
        for place, batches in filling:
            batch = next(batches, None)
            if batch is not None:
                topic, partition = place
                sent.append((place, await lane.send_batch(batch, topic, partition=partition), batch.record_count()))
                left.append((place, batches))
        filling = left
    return sent


def _batches(lane: Lane, records: Sequence[Outgoing]) -> Iterator[BatchBuilder]:
    """The records in as few batches as the client's limit allows."""
    batch = lane.create_batch()
    for record in records:
        key, value, headers = record.key, record.value, list(record.headers)
        if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
            yield batch
            batch = lane.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)
    yield batch
