"""Which channels a message goes by, and which of them are closed to old news."""

from datetime import datetime, timedelta
from typing import Final

from schemas.outputs import Channel

SMS: Final[tuple[Channel, ...]] = ("sms",)
EMAIL: Final[tuple[Channel, ...]] = ("email",)
BOTH: Final[tuple[Channel, ...]] = (*SMS, *EMAIL)

EMAIL_ONLY_AFTER: Final = timedelta(days=7)
SILENT_AFTER: Final = timedelta(days=30)
"""How old news may be when it arrives (contract 5.10)."""


def withheld(occurred: datetime, received: datetime) -> dict[str, str]:
    """The channels on which what was that old when it came in is no news any more (contract 5.10)."""
    age = received - occurred
    if age > SILENT_AFTER:
        return dict.fromkeys(BOTH, "not-news")
    return {"sms": "not-news"} if age > EMAIL_ONLY_AFTER else {}
