"""Standby stores: a worker keeps the stores of partitions that others own up with their changelogs.

Whoever takes such a partition over restores only what was written since. Only committed records are followed, so a
standby store is never ahead of its changelog. At most half of the process's time goes into it.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from services import logs
from services.runtime.meters import Meters
from services.store import Change, Store, due_of

_BULK: Final = 20_000
"""Offsets behind from which a store is written as in a restore: without its write-ahead log."""

_AT_ONCE: Final = 1000
_FETCH: Final = 1 << 20
_IDLE: Final = 0.1

_log = logs.get(__name__)


class Standby:
    """The stores of those of so many partitions that this process does not own; `opened` opens one.

    From `pause` to `follow` no store is written here: that is when partitions change hands.
    """

    def __init__(
        self,
        changelog: str,
        partitions: int,
        client: Mapping[str, Any],
        opened: Callable[[int], Store],
        meters: Meters,
    ) -> None:
        self._changelog = changelog
        self._all = frozenset(range(partitions))
        self._client = client
        self._opened = opened
        self._meters = meters
        self._stores: dict[int, Store] = {}
        self._unlogged: set[int] = set()
        self._left: dict[int, int] = {}
        self._owned: frozenset[int] | None = None
        self._turn = 0
        self._assigned = 0

    def pause(self) -> None:
        """Follow nothing; what is being fetched is dropped, and read again from where the stores stand."""
        self._owned = None
        self._turn += 1
        self._left.clear()

    def keep(self, partition: int, store: Store) -> None:
        """Take over the store of a partition that this process has let go. Only while paused."""
        self._stores[partition] = store

    def give(self, partition: int) -> Store | None:
        """The store of a partition that this process owns from now on, where there is one. Only while paused."""
        store = self._stores.pop(partition, None)
        if store is not None:
            self._settle(partition, store)
        return store

    def follow(self, owned: Collection[int]) -> None:
        """From now on, follow every partition but these."""
        self._owned = frozenset(owned)
        self._turn += 1

    def health(self) -> dict[str, int]:
        """How many partitions are followed, and the changelog offsets that are left to read."""
        return {"partitions": len(self._stores), "left": sum(self._left.values())}

    def release(self) -> None:
        """Close all stores: the process ends in order."""
        self.pause()
        for partition in tuple(self._stores):
            store = self.give(partition)
            if store is not None:
                store.close()

    async def run(self) -> None:
        """Follow, until cancelled."""
        while self._owned is None:  # noqa: ASYNC110 - there is nothing to do before the first assignment
            await asyncio.sleep(_IDLE)
        consumer = AIOKafkaConsumer(
            **self._client,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH,
        )
        await consumer.start()
        try:
            while True:
                rest = await self._round(consumer)
                await asyncio.sleep(rest)
        finally:
            await consumer.stop()

    async def _round(self, consumer: AIOKafkaConsumer) -> float:
        """Fetch and write once; the seconds to leave to the owned partitions after it."""
        owned = self._owned
        if owned is None:
            return _IDLE
        if self._assigned != self._turn:
            self._assign(consumer, owned)
        if not self._stores:
            return _IDLE
        turn = self._turn
        fetched = await consumer.getmany(timeout_ms=500, max_records=_AT_ONCE)
        started = monotonic()
        if turn == self._turn:
            for place, records in fetched.items():
                stable = consumer.last_stable_offset(place)
                self._apply(place.partition, records, 0 if stable is None else stable - records[-1].offset)
            spent = monotonic() - started
            await self._measure(consumer)
            return spent
        return 0.0

    def _assign(self, consumer: AIOKafkaConsumer, owned: frozenset[int]) -> None:
        """Read what is not owned, each from where its store stands."""
        followed = sorted(self._all - owned)
        for partition in followed:
            if partition not in self._stores:
                self._stores[partition] = self._opened(partition)
        consumer.unsubscribe()
        if followed:
            consumer.assign([TopicPartition(self._changelog, partition) for partition in followed])
            for partition in followed:
                consumer.seek(TopicPartition(self._changelog, partition), self._stores[partition].position())
        self._assigned = self._turn
        _log.info("follows the stores of other workers", partitions=followed)

    def _apply(self, partition: int, records: Sequence[Any], left: int) -> None:
        store = self._stores[partition]
        pairs = [(record.key, record.value) for record in records if record.key is not None]
        if left > _BULK:
            self._unlogged.add(partition)
            store.restore(pairs, records[-1].offset + 1)
            return
        self._settle(partition, store)
        newest = dict(pairs)
        before = store.get_many(list(newest))
        changes = {
            key: Change(value, None if old is None else due_of(old))
            for (key, value), old in zip(newest.items(), before, strict=True)
        }
        store.write(changes, records[-1].offset + 1)

    async def _measure(self, consumer: AIOKafkaConsumer) -> None:
        for place in consumer.assignment():
            stable = consumer.last_stable_offset(place)
            if stable is not None:
                left = max(0, stable - await consumer.position(place))
                self._left[place.partition] = left
                self._meters.of(self._meters.standby_left, place).set(left)

    def _settle(self, partition: int, store: Store) -> None:
        if partition in self._unlogged:
            store.settle()
            self._unlogged.discard(partition)
