"""From the web into the inbox of the addresses stage: returns when Kafka holds the message, and only then."""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.internal import AddressesMessage
from services import wire
from services.broker import client
from services.clock import Clock
from services.sealing import Keys
from services.settings import Settings
from services.transit import Transit

_WITHIN: Final = 5.0


class NotHeld(Exception):  # noqa: N818 - what happened
    """Kafka did not confirm the message in time; the caller must ask its own caller to come again."""


class Inlet:
    """An idempotent producer that waits for all replicas in sync."""

    def __init__(self, settings: Settings, keys: Keys, clock: Clock) -> None:
        self._settings = settings
        self._client = client(settings)
        self._transit = Transit(keys, self._client)
        self._clock = clock
        self._producer: Any = None

    async def start(self) -> None:
        """Connect. Raises SettingsError, KafkaError or TimeoutError where there is no broker."""
        self._producer = AIOKafkaProducer(
            **self._client,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            request_timeout_ms=int(_WITHIN * 1000),
        )
        await self._producer.start()
        await asyncio.to_thread(self._transit.start)

    async def stop(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            await self._producer.stop()
            await asyncio.to_thread(self._transit.stop)

    async def put(self, key: str, message: AddressesMessage) -> None:
        """Write a message for one address. Raises NotHeld."""
        now, partitions = self._clock.now(), self._settings.partitions
        try:
            record = wire.to_stage(self._transit, partitions, "addresses", key, message, now)
            async with asyncio.timeout(_WITHIN):
                await self._producer.send_and_wait(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    partition=record.partition,
                    headers=list(record.headers),
                )
        except (KafkaError, TimeoutError) as error:
            raise NotHeld(type(error).__name__) from None
