"""Bulk restore of stores from their changelog: whole fetches into write batches, read_committed, with progress.

It reads with a client of its own: the group's consumer decodes and delivers record by record, a fifteenth as fast.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from services import logs
from services.runtime.ending import RefusedError
from services.store import Store

STALLED: Final = 60.0
"""Seconds without a record after which a restore is given up, and the process with it."""

_SAY_EVERY: Final = 5.0
_FETCH: Final = 1 << 20

_log = logs.get(__name__)

Told = Callable[[TopicPartition, int, int], None]
"""Progress of one partition: records read so far, offsets left."""


class StalledError(RuntimeError):
    """A restore that makes no progress."""


async def restore(
    stores: Mapping[TopicPartition, Store],
    client: Mapping[str, Any],
    told: Told,
    *,
    stalled: float = STALLED,
    wanted: Callable[[], bool] = lambda: True,
) -> int:
    """Bring each store up to the end of its changelog partition; the number of records read.

    Stops, and touches no store any more, once it is not `wanted`: partitions have changed hands meanwhile.

    The ends are read first: nothing that the previous owners still write behind them can be committed any more. They
    are those of the log, not of what is stable: the offsets of a transaction may show before its records do. Raises
    RefusedError where a store is ahead of its changelog, StalledError where nothing comes any more.
    """
    async with reading(**client, isolation_level="read_uncommitted") as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(list(stores))
    async with reading(
        **client,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH,
        retry_backoff_ms=20,
        fetch_max_wait_ms=100,
    ) as consumer:
        return await _Restore(consumer, stores, ends, told, stalled, wanted).run()


@asynccontextmanager
async def reading(**options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A client that reads. Closed also where its start is given up, which upstream's own context leaves open."""
    consumer = AIOKafkaConsumer(**options)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


class _Restore:
    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        stores: Mapping[TopicPartition, Store],
        ends: Mapping[TopicPartition, int],
        told: Told,
        stalled: float,
        wanted: Callable[[], bool],
    ) -> None:
        self._consumer = consumer
        self._stores = stores
        self._told = told
        self._stalled = stalled
        self._wanted = wanted
        self._read = dict.fromkeys(stores, 0)
        self._left = dict(ends)

    async def run(self) -> int:
        started = said = moved = monotonic()
        await self._start()
        while self._left and self._wanted():
            fetched = await self._consumer.getmany(timeout_ms=200)
            if not self._wanted():
                break
            self._apply(fetched)
            now = monotonic()
            if await self._reached() or fetched:
                moved = now
            elif now - moved > self._stalled:
                topic = next(iter(self._left)).topic
                raise StalledError(f"the restore from {topic} has read nothing for {self._stalled:.0f} s")
            if now - said > _SAY_EVERY:
                said = now
                self._say("restoring", now - started)
        total = sum(self._read.values())
        if total:
            self._say("restored", monotonic() - started)
        return total

    async def _start(self) -> None:
        places = list(self._stores)
        self._consumer.assign(places)
        first = await self._consumer.beginning_offsets(places)
        if not self._wanted():
            return
        for place, store in self._stores.items():
            position, end = store.position(), self._left[place]
            if position > end:
                raise RefusedError(
                    f"The store of {place.topic} partition {place.partition} is at {position}, and its changelog ends "
                    f"at {end}: they do not belong together. Move the store away, and it is restored."
                )
            self._consumer.seek(place, max(position, first[place]))
        await self._reached()

    def _apply(self, fetched: Mapping[TopicPartition, list[Any]]) -> None:
        for place, records in fetched.items():
            pairs = [(record.key, record.value) for record in records if record.key is not None]
            self._stores[place].restore(pairs, records[-1].offset + 1)
            self._read[place] += len(records)

    async def _reached(self) -> bool:
        """Take out what has reached its end; the place moves past markers and aborted records without any record."""
        before = len(self._left)
        for place, end in tuple(self._left.items()):
            at = await self._consumer.position(place)
            if not self._wanted():
                break
            self._told(place, self._read[place], max(0, end - at))
            if at >= end:
                if self._read[place]:
                    self._stores[place].settle()
                del self._left[place]
        return len(self._left) < before

    def _say(self, state: str, seconds: float) -> None:
        total = sum(self._read.values())
        _log.info(
            "store restore",
            state=state,
            records=total,
            seconds=round(seconds, 2),
            rate=round(total / max(seconds, 1e-9)),
            partitions=len(self._stores),
        )
