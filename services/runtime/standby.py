"""Standby stores: a worker keeps the stores of partitions that others own up with their changelogs.

Whoever takes such a partition over restores only what was written since. Only committed records are followed, so a
standby store is never ahead of its changelog. At most half of the process's time goes into it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from services import logs
from services.runtime.meters import Meters
from services.runtime.restore import reading
from services.store import Change, Store, due_of

_BULK: Final = 20_000
"""Offsets behind from which a store is written as in a restore: without its write-ahead log."""

_AT_ONCE: Final = 1000
_FETCH: Final = 1 << 20
_IDLE: Final = 0.1

_log = logs.get(__name__)


class Standby:
    """Feeds the stores of partitions that this process does not own, while it owns others.

    From `pause` to `follow` no store is written here: that is when partitions change hands.
    """

    def __init__(self, client: Mapping[str, Any], meters: Meters) -> None:
        self._client = client
        self._meters = meters
        self._stores: dict[TopicPartition, Store] = {}
        self._unlogged: set[TopicPartition] = set()
        self._left: dict[TopicPartition, int] = {}
        self._turn = 0
        self._assigned = 0

    def pause(self) -> None:
        """Follow nothing; what is being fetched is dropped, and read again from where the stores stand."""
        for log in tuple(self._unlogged):
            self._settle(log)
        self._stores.clear()
        self._left.clear()
        self._turn += 1

    def follow(self, stores: Mapping[TopicPartition, Store]) -> None:
        """From now on, bring these stores up with these changelog partitions."""
        self._stores = dict(stores)
        self._turn += 1

    def health(self) -> dict[str, int | None]:
        """How many partitions are followed, and the offsets that are left to read; None until all have been asked."""
        known = self._stores.keys() <= self._left.keys()
        followed = len({log.partition for log in self._stores})
        return {"partitions": followed, "left": sum(self._left.values()) if known else None}

    async def run(self) -> None:
        """Follow, until cancelled."""
        while not self._stores:  # noqa: ASYNC110 - a worker that owns everything has nothing to follow
            await asyncio.sleep(_IDLE)
        async with reading(
            **self._client,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH,
        ) as consumer:
            while True:
                rest = await self._round(consumer)
                await asyncio.sleep(rest)

    async def _round(self, consumer: AIOKafkaConsumer) -> float:
        """Fetch and write once; the seconds to leave to the owned partitions after it."""
        if self._assigned != self._turn:
            self._assign(consumer)
        if not self._stores:
            return _IDLE
        turn = self._turn
        fetched = await consumer.getmany(timeout_ms=500, max_records=_AT_ONCE)
        started = monotonic()
        if turn == self._turn:
            for place, records in fetched.items():
                stable = consumer.last_stable_offset(place)
                self._apply(place, records, 0 if stable is None else stable - records[-1].offset)
            spent = monotonic() - started
            await self._measure(consumer, turn)
            return spent
        return 0.0

    def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Read each changelog from where its store stands."""
        consumer.unsubscribe()
        if self._stores:
            consumer.assign(list(self._stores))
            for log, store in self._stores.items():
                consumer.seek(log, store.position())
        self._assigned = self._turn
        _log.info("follows what other workers own", partitions=sorted({log.partition for log in self._stores}))

    def _apply(self, log: TopicPartition, records: Sequence[Any], left: int) -> None:
        store = self._stores[log]
        pairs = [(record.key, record.value) for record in records if record.key is not None]
        if left > _BULK:
            self._unlogged.add(log)
            store.restore(pairs, records[-1].offset + 1)
            return
        self._settle(log)
        newest = dict(pairs)
        before = store.get_many(list(newest))
        store.replaced |= any(old is not None for old in before)
        changes = {
            key: Change(value, None if old is None else due_of(old))
            for (key, value), old in zip(newest.items(), before, strict=True)
        }
        store.write(changes, records[-1].offset + 1)

    async def _measure(self, consumer: AIOKafkaConsumer, turn: int) -> None:
        for place in consumer.assignment():
            stable = consumer.last_stable_offset(place)
            if stable is None:
                continue
            left = max(0, stable - await consumer.position(place))
            if turn != self._turn:
                return
            self._left[place] = left
            self._meters.of(self._meters.standby_left, place).set(left)

    def _settle(self, log: TopicPartition) -> None:
        if log in self._unlogged:
            self._stores[log].settle()
            self._unlogged.discard(log)
