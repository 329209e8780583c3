"""How far behind the stages are, asked of Kafka: what each has not read yet, and since when the oldest of it waits."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.broker import client
from services.positions import read_to
from services.settings import Settings, SettingsError
from streams import PIPELINE

_FRESH: Final = 5.0
"""Seconds for which an answer of Kafka is shown again, however many look."""

_WITHIN: Final = 8.0
_BYTES: Final = 4096


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage: `waiting` records that it has not finished, at most, and since when the oldest waits."""

    name: str
    waiting: int = 0
    oldest: datetime | None = None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """All stages in their order, at `at`; None where Kafka does not answer."""

    at: datetime
    stages: tuple[Stage, ...] | None


class Watcher:
    """Asks Kafka, at most once in five seconds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: tuple[float, Progress] | None = None
        self._asking = asyncio.Lock()

    async def look(self) -> Progress:
        """The state of things, a few seconds old at most."""
        async with self._asking:
            if self._seen is None or time.monotonic() - self._seen[0] > _FRESH:
                self._seen = time.monotonic(), await self._ask()
            return self._seen[1]

    async def _ask(self) -> Progress:
        try:
            async with asyncio.timeout(_WITHIN):
                stages = await self._stages()
        except (KafkaError, SettingsError, OSError, TimeoutError):
            stages = None
        return Progress(at=datetime.now(UTC), stages=stages)

    async def _stages(self) -> tuple[Stage, ...]:
        options = {**client(self._settings), "client_id": f"ttn-progress-{uuid.uuid4().hex[:8]}"}
        admin = AIOKafkaAdminClient(**options)
        consumer = AIOKafkaConsumer(
            isolation_level="read_committed", enable_auto_commit=False, max_partition_fetch_bytes=_BYTES, **options
        )
        try:
            await admin.start()
            await consumer.start()
            done = {stage: await read_to(admin, consumer, stage) for stage in PIPELINE}
            return await _behind(consumer, done)
        finally:
            await consumer.stop()
            await admin.close()


async def _behind(consumer: AIOKafkaConsumer, done: Mapping[str, Mapping[TopicPartition, int]]) -> tuple[Stage, ...]:
    places = [place for committed in done.values() for place in committed]
    ends = await consumer.end_offsets(places) if places else {}
    late = {place: offset for each in done.values() for place, offset in each.items() if ends[place] > offset}
    oldest = await _oldest(consumer, late, ends) if late else {}
    return tuple(
        Stage(
            name=stage,
            waiting=sum(ends[place] - offset for place, offset in committed.items() if place in oldest),
            oldest=min((oldest[place] for place in committed if place in oldest), default=None),
        )
        for stage, committed in done.items()
    )


async def _oldest(
    consumer: AIOKafkaConsumer, late: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, datetime]:
    """When the first record behind each offset was written; none where only a transaction's marker stands there."""
    consumer.assign(list(late))
    for place, offset in late.items():
        consumer.seek(place, offset)
    found: dict[TopicPartition, datetime] = {}
    while any([place not in found and await consumer.position(place) < ends[place] for place in late]):
        for place, records in (await consumer.getmany(timeout_ms=100)).items():
            if records:
                found.setdefault(place, datetime.fromtimestamp(records[0].timestamp / 1000, UTC))
                consumer.pause(place)
    return found
