"""The right to dial: as long as the partition is ours, the claim is not stale, and there is time for an answer."""

import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from schemas.internal import Claim
from services.clock import Clock


class Lease(msgspec.Struct, frozen=True):
    """What the runtime gives with a command.

    `held` says whether the assignment under which the command was committed still stands; `until` is the moment of
    `time.monotonic()` past which it must not be acted on, whatever the clocks say.
    """

    held: Callable[[], bool]
    until: float

    @staticmethod
    def of(claim: Claim, held: Callable[[], bool]) -> "Lease":
        """A lease that lasts as long as the claim's own time, from now on."""
        return Lease(held, time.monotonic() + (claim.deadline - claim.at).total_seconds())


def seconds_left(lease: Lease, deadline: datetime, clock: Clock) -> float:
    """Seconds until the claim may not be dialled, by the stricter of two clocks.

    The claim's own deadline counts too: its stage concludes from it when the provider's list proves something.
    """
    return min(lease.until - time.monotonic(), (deadline - clock.now()).total_seconds())
