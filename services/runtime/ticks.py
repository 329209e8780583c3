"""Ticks: when something of an owned partition is due and the clock has passed it, its owner says so in the inbox.

A tick is a record like any other, so that the inbox alone determines what happens. On the stepped clock of a
demonstration nobody ticks here: whoever moves the clock does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka import TopicPartition

from services import wire
from services.clock import Clock
from services.runtime.owned import Owned
from services.runtime.partition import Partition
from services.store import micros

_LOOK: Final = 0.1

Send = Callable[[wire.Outgoing], Awaitable[int]]
"""Writes a record; returns its offset when Kafka holds it."""


class Ticks:
    """Pushes the idle keys of all owned partitions of a stage."""

    def __init__(self, stage: str, owned: Owned, clock: Clock, send: Send) -> None:
        self._stage = stage
        self._owned = owned
        self._clock = clock
        self._send = send
        self._sent: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        """Look, again and again."""
        while True:
            await asyncio.sleep(_LOOK)
            if self._owned.ready:
                for partition in self._owned.all():
                    await self._look(partition)

    async def _look(self, partition: Partition) -> None:
        # A tick of one that owns nothing any more does no harm: it only says what time it is.
        if partition.store is None or partition.inlet.closed:
            return
        if partition.next_offset is not None and self._sent.get(partition.place, -1) >= partition.next_offset:
            return
        now = self._clock.now()
        due = partition.store.next_due()
        if due is None or due > micros(now):
            return
        self._sent[partition.place] = await self._send(wire.tick(self._stage, partition.place.partition, now))
