"""A steady stream of records at a fixed rate, and how long after each its first output can be read.

Read committed, on the clock of this machine: an output counts when its transaction is through.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.cloudevents import rfc3339
from services import wire
from services.wire import Headers
from tests.bench.load import PARTITIONS

SETTLING: Final = 3.0
"""Seconds at the beginning that are not counted."""

_AFTER: Final = 3.0


class Sending(msgspec.Struct, frozen=True):
    """A record that waits to be sent; `name` is what its outputs are known by, where that is not the moment sent."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    name: str | None = None


Known = Callable[[Any], Sequence[str]]
"""The names of the sent records that an output record comes from; none where it is not for us."""


def by_moment(record: Any) -> Sequence[str]:
    """Between stages the sender's moment travels in a header; an event of our own carries it as its time."""
    for header, raw in record.headers:
        if header in (wire.NOW, "ce_time"):
            return (raw.decode(),)
    return ()


async def delays(
    kafka: str, sendings: Sequence[Sending], outputs: Sequence[str], rate: float, known: Known = by_moment
) -> list[float]:
    """Send them at so many a second; milliseconds from each to its first output, of those that have one."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, isolation_level="read_committed", enable_auto_commit=False, fetch_max_wait_ms=100
    )
    sent: dict[str, float] = {}
    seen: dict[str, float] = {}

    async def read() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                now = time.time()
                for record in records:
                    for name in known(record):
                        seen.setdefault(name, now)

    async with consumer, AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=0) as producer:
        places = [TopicPartition(topic, number) for topic in outputs for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        reading = asyncio.create_task(read())
        started = time.time()
        for number, sending in enumerate(sendings):
            await asyncio.sleep(max(0.0, started + number / rate - time.time()))
            now = datetime.now(UTC)
            text = rfc3339(now)
            headers = [*sending.headers, (wire.NOW, text.encode())]
            await producer.send(sending.topic, sending.value, sending.key, sending.partition, headers=headers)
            sent[sending.name or text] = now.timestamp()
        await asyncio.sleep(_AFTER)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
    counted = {name: moment for name, moment in sent.items() if moment > started + SETTLING}
    return [(seen[name] - moment) * 1000 for name, moment in counted.items() if name in seen]
