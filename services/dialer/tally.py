"""How many segments the whole sender has used since a moment, read from the notifications that say so."""

import uuid
from datetime import datetime
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.cloudevents import parse_time
from schemas.outputs import Notification
from services.broker import bootstrap
from services.settings import Settings
from services.topics import partitions
from streams.topics import NOTIFICATIONS

_USED: Final = (b".accepted", b".in-doubt")
"""A doubt counts as used: it may have been."""


async def segments_since(settings: Settings, moment: datetime) -> int:
    """Raises SettingsError where the brokers or the topic cannot be reached."""
    places = [TopicPartition(NOTIFICATIONS, number) for number in range(await partitions(settings, NOTIFICATIONS))]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap(settings),
        client_id=f"ttn-tally-{uuid.uuid4().hex[:8]}",
        enable_auto_commit=False,
        isolation_level="read_committed",
        **settings.security.client_options(),
    )
    await consumer.start()
    used: dict[tuple[str, int | None], int] = {}
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        firsts = await consumer.offsets_for_times({place: int(moment.timestamp() * 1000) for place in places})
        for place in places:
            first = firsts.get(place)
            consumer.seek(place, first.offset if first is not None else ends[place])
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    headers = dict(record.headers)
                    if not headers["ce_type"].endswith(_USED) or parse_time(headers["ce_time"].decode()) < moment:
                        continue
                    data = msgspec.json.decode(record.value, type=Notification)
                    if data.channel == "sms":
                        used[data.notificationId, data.attempt] = data.segments or 0
    finally:
        await consumer.stop()
    return sum(used.values())
