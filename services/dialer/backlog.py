"""What the provider has been given and has not sent on yet, in segments: little enough to be sent in half a minute.

A text that waits at the provider is out of our hands: STOP, a correction or a quiet hour no longer reaches it
(delivery.md D5 and 6). So no more is given than it should be sending; the rest waits in the addresses stage. All times
are seconds of one clock that never goes back.
"""

from typing import Final, NamedTuple

from services.dialer.guard import Job

_SECONDS: Final = 30.0
_FOR_ALL: Final = 0.8
_URGENT: Final = 1
"""The last lane that may use the last fifth."""

_PRUNE: Final = 1.0


class _Given(NamedTuple):
    segments: int
    lapses: float
    job: Job


class Backlog:
    """Counts what this process has given. `rate` in segments per second for the whole sender; `share` is our part.

    A text counts from the moment that it is let in until its receipt says that it was sent, or it is known never to
    have arrived. What was given before a restart, or under an assignment that is over, is counted by nobody: that is
    one more half minute at most.
    """

    def __init__(self, rate: float) -> None:
        self._most = rate * _SECONDS
        self._given: dict[str, _Given] = {}
        self._pruned = float("-inf")
        self.share = 1.0
        self.segments = 0

    def has_room(self, job: Job, now: float) -> bool:
        """Whether one more text may go to the provider; with nothing there, always."""
        most = self._most * self.share * (1.0 if job.claim.lane <= _URGENT else _FOR_ALL)
        if self.segments and self.segments + job.segments > most:
            self._prune(now)
        return not self.segments or self.segments + job.segments <= most

    def enter(self, job: Job, now: float) -> None:
        """This text is on its way. The provider drops it at the end of its validity, if it has not said so before."""
        self._given[job.claim.claimId] = _Given(job.segments, now + job.claim.validity, job)
        self.segments += job.segments

    def leave(self, claim_id: str) -> None:
        """It is at the provider no longer, or never was."""
        given = self._given.pop(claim_id, None)
        if given is not None:
            self.segments -= given.segments

    def _prune(self, now: float) -> None:
        if now - self._pruned < _PRUNE:
            return
        self._pruned = now
        for name, given in list(self._given.items()):
            if given.lapses <= now or not given.job.lease.held():
                self.leave(name)
