"""Which keys of messages are still needed: those of messages that some stage has yet to read."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.positions import read_to
from streams import topics

LONGEST: Final = 20_000
"""Unread messages that are looked through; where there are more, all keys are needed for the time being."""


async def unread(
    client: Mapping[str, Any], names: Collection[bytes], key_of: Callable[[bytes], bytes | None]
) -> set[bytes]:
    """Those of the keys `names` with which a message is sealed that is not committed as read by its stage.

    `key_of` says which key sealed a message. Open transactions count as unread.
    """
    async with AIOKafkaConsumer(**client, enable_auto_commit=False, auto_offset_reset="earliest") as consumer:
        left = await _tails(client, consumer)
        consumer.assign(list(left))
        for place, (first, _) in left.items():
            consumer.seek(place, first)
        found: set[bytes] = set()
        seen = 0
        while left and found != set(names):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                seen += len(records)
                found |= {name for record in records if (name := key_of(record.value or b"")) in names and name}
            if seen > LONGEST:
                return set(names)
            left = {place: tail for place, tail in left.items() if await consumer.position(place) < tail[1]}
        return found


async def _tails(client: Mapping[str, Any], consumer: AIOKafkaConsumer) -> dict[TopicPartition, tuple[int, int]]:
    """From where to where each inbox is not committed as read."""
    admin = AIOKafkaAdminClient(**client)
    await admin.start()
    try:
        read: dict[TopicPartition, int] = {}
        for stage in topics.KEYED_STAGES:
            read |= await read_to(admin, consumer, stage)
    finally:
        await admin.close()
    ends = await consumer.end_offsets(list(read))
    return {place: (offset, ends[place]) for place, offset in read.items() if offset < ends[place]}
