"""What a topic holds at this moment: read from its beginning to its present end, committed records alone."""

import uuid
from collections.abc import AsyncIterator
from datetime import datetime

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.broker import client
from services.settings import Settings
from services.topics import partitions


async def contents(
    settings: Settings, topic: str, since: datetime | None = None
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """All records up to the end that the topic has at the call; each partition in its order.

    With `since`, from the first that was written at this moment or later.

    Raises SettingsError where the brokers or the topic cannot be reached.
    """
    places = [TopicPartition(topic, number) for number in range(await partitions(settings, topic))]
    consumer = AIOKafkaConsumer(
        **client(settings),
        client_id=f"ttn-reader-{uuid.uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        if since is None:
            await consumer.seek_to_beginning(*places)
        else:
            firsts = await consumer.offsets_for_times({place: int(since.timestamp() * 1000) for place in places})
            for place in places:
                first = firsts.get(place)
                consumer.seek(place, ends[place] if first is None else first.offset)
        left = {place for place in places if await consumer.position(place) < ends[place]}
        while left:
            for records in (await consumer.getmany(*left, timeout_ms=200)).values():
                for record in records:
                    if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                        yield record
            left = {place for place in left if await consumer.position(place) < ends[place]}
    finally:
        await consumer.stop()
