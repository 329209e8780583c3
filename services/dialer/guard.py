"""The claims that the dialer has, and whether each may still leave: asked again right before its first byte."""

from typing import Final

import msgspec

from schemas.internal import Claim, Text
from services.clock import Clock
from services.dialer.lease import Lease, seconds_left

_MARGIN: Final = 5.0


class Job(msgspec.Struct, frozen=True):
    """A claim and the right to dial it."""

    claim: Claim
    lease: Lease

    @property
    def segments(self) -> int:
        """What it counts for; an email is one."""
        return self.claim.message.segments if isinstance(self.claim.message, Text) else 1


class Guard:
    """Knows which claims are here and which of them were withheld. `timeout` of one request, in seconds."""

    def __init__(self, clock: Clock, timeout: float) -> None:
        self._clock = clock
        self._margin = min(_MARGIN, timeout)
        self._here: set[str] = set()
        self._withheld: set[str] = set()

    def enter(self, job: Job) -> None:
        """The dialer has it."""
        self._here.add(job.claim.claimId)

    def leave(self, job: Job) -> None:
        """Its result is reported."""
        self._here.discard(job.claim.claimId)
        self._withheld.discard(job.claim.claimId)

    def withhold(self, claim_id: str) -> bool:
        """It may not leave any more. False where it is not here: then its result is on its way."""
        if claim_id in self._here:
            self._withheld.add(claim_id)
            return True
        return False

    def time_left(self, job: Job) -> float:
        """Seconds in which it must have been answered."""
        return seconds_left(job.lease, job.claim.deadline, self._clock)

    def patience(self, job: Job) -> float:
        """Seconds for which it may wait here and still have time for an answer."""
        return self.time_left(job) - self._margin

    def why_not(self, job: Job) -> str | None:
        """Why a claim may not be dialled at this moment; None when it may."""
        if not job.lease.held():
            return "lease-lost"
        if job.claim.claimId in self._withheld:
            return "withheld"
        return "too-late" if self.patience(job) < 0 else None
