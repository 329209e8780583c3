"""What a topic holds at this moment: read from its beginning to its present end, committed records alone."""

import uuid
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.broker import bootstrap
from services.settings import Settings
from services.topics import partitions


async def contents(settings: Settings, topic: str) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """All records up to the end that the topic has at the call; each partition in its order.

    Raises SettingsError where the brokers or the topic cannot be reached.
    """
    places = [TopicPartition(topic, number) for number in range(await partitions(settings, topic))]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap(settings),
        client_id=f"ttn-reader-{uuid.uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 << 20,
        **settings.security.client_options(),
    )
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        left = {place for place in places if await consumer.position(place) < ends[place]}
        while left:
            for records in (await consumer.getmany(*left, timeout_ms=200)).values():
                for record in records:
                    if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                        yield record
            left = {place for place in left if await consumer.position(place) < ends[place]}
    finally:
        await consumer.stop()
