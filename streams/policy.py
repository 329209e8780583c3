"""The settings that decide behaviour, as one value: what the pure stages may know of the environment."""

from typing import Literal

import msgspec

Holds = Literal["on", "off", "no-debounce", "no-quiet-hours"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, rates in segments per second. The defaults are those of the contract, section 3."""

    holds: Holds = "on"
    send_timeout: float = 15.0
    doubt_hold: float = 120.0
    receipt_poll: float = 120.0
    sender_rate: float = 3.0
    doubt_policy: Literal["resolve", "strict"] = "resolve"
    public_url: str = "http://127.0.0.1:8080"
    sender_email: str = "notices@example.com"
    sender_name: str = "DHS Trusted Traveler"

    @property
    def debounce(self) -> bool:
        """Whether news is held for a while in case it changes (domain 3.4 rule 8)."""
        return self.holds in ("on", "no-quiet-hours")

    @property
    def quiet_hours(self) -> bool:
        """Whether messages wait for the hours of contract 5.1."""
        return self.holds in ("on", "no-debounce")
