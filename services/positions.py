"""How far a stage has read what it reads, by what its group has committed."""

from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams import topics

READS: Final = {"intake": topics.INPUTS} | {stage: (topics.inbox(stage),) for stage in topics.KEYED_STAGES}
"""The topics of each stage."""


async def read_to(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, stage: str) -> dict[TopicPartition, int]:
    """The next offset to read of each partition; where nothing was committed yet, the first one that there is."""
    described = await admin.describe_topics(list(READS[stage]))
    places = [TopicPartition(one["topic"], part["partition"]) for one in described for part in one["partitions"]]
    firsts = await consumer.beginning_offsets(places) if places else {}
    held = await admin.list_consumer_group_offsets(f"ttn-{stage}")
    return {place: max(first, held[place].offset if place in held else 0) for place, first in firsts.items()}
