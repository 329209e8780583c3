"""What the whole sender has used of a carrier's day is on the notifications, so no restart forgets it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from schemas.cloudevents import rfc3339
from schemas.outputs import Notification
from services import topics as creation
from services.dialer.tally import segments_since
from services.settings import Settings
from streams.topics import NOTIFICATIONS

NOW = datetime.now(UTC)


def _notification(name: str, channel: str = "sms", attempt: int = 1, segments: int = 2) -> bytes:
    return msgspec.json.encode(
        Notification(
            notificationId=name,
            travelerId="t",
            recordId=None,
            program=None,
            kind="APPROVED",
            channel=channel,  # type: ignore[arg-type]
            languageServed="en",
            attempt=attempt,
            segments=segments,
        )
    )


@pytest.mark.kafka
async def test_accepted_and_doubted_texts_since_a_moment_are_counted_once_each(kafka: str, tmp_path: Path) -> None:
    settings = Settings.load({"TTN_DATA_DIR": str(tmp_path), "TTN_KAFKA": kafka, "TTN_PARTITIONS": "4"})
    await creation.apply(settings)
    moment = NOW + timedelta(minutes=5)
    before = await segments_since(settings, moment)
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()

    async def say(state: str, value: bytes, minutes: float, partition: int = 0) -> None:
        at = NOW + timedelta(minutes=minutes)
        headers = [
            ("ce_type", f"gov.dhs.ttp.notification.{state}".encode()),
            ("ce_time", rfc3339(at).encode()),
        ]
        await producer.send_and_wait(
            NOTIFICATIONS, value, partition=partition, headers=headers, timestamp_ms=int(at.timestamp() * 1000)
        )

    await say("accepted", _notification("tally-1"), 1)
    await say("in-doubt", _notification("tally-2"), 6)
    await say("accepted", _notification("tally-2"), 7, partition=1)
    await say("in-doubt", _notification("tally-3", attempt=1, segments=3), 7)
    await say("accepted", _notification("tally-3", attempt=2, segments=3), 8)
    await say("delivered", _notification("tally-2"), 8)
    await say("rejected", _notification("tally-4"), 8)
    await say("accepted", _notification("tally-5", channel="email"), 8)
    await producer.stop()
    assert await segments_since(settings, moment) - before == 2 + 3 + 3
