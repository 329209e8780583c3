"""How many segments the whole sender has used since a moment, read from the notifications that say so."""

from datetime import datetime
from typing import Final

import msgspec

from schemas.cloudevents import parse_time
from schemas.outputs import Notification
from services.contents import contents
from services.settings import Settings
from streams.topics import NOTIFICATIONS

_USED: Final = (b".accepted", b".in-doubt")
"""A doubt counts as used: it may have been."""


async def segments_since(settings: Settings, moment: datetime) -> int:
    """Raises SettingsError where the brokers or the topic cannot be reached."""
    used: dict[tuple[str, int | None], int] = {}
    async for record in contents(settings, NOTIFICATIONS, since=moment):
        headers = dict(record.headers)
        if not headers["ce_type"].endswith(_USED) or parse_time(headers["ce_time"].decode()) < moment:
            continue
        data = msgspec.json.decode(record.value or b"", type=Notification)
        if data.channel == "sms":
            used[data.notificationId, data.attempt] = data.segments or 0
    return sum(used.values())
