"""Which channels a message goes by."""

from typing import Final

from schemas.outputs import Channel

SMS: Final[tuple[Channel, ...]] = ("sms",)
EMAIL: Final[tuple[Channel, ...]] = ("email",)
BOTH: Final[tuple[Channel, ...]] = (*SMS, *EMAIL)
