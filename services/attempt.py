"""One request to a provider: refused at the last moment where it must be, and knowing whether bytes may have left.

The whole difference between "certainly not sent" and "in doubt" is whether the first byte of the request (for mail:
the end of the data) may have reached the provider. Both transports tell an Attempt exactly there.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from services.failpoints import Failpoints


class Refused(Exception):  # noqa: N818 - a decision, not an error
    """The guard did not let the request leave; nothing was written. The text is the reason."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one request came to; the words are those of schemas.internal.Dialled. `retryAfter` in seconds.

    `trouble`: the provider, not the message, is at fault; the circuit breaker counts it.
    """

    result: Literal["accepted", "rejected", "not-sent", "doubt"]
    providerId: str | None = None
    code: str | None = None
    retryAfter: float | None = None
    trouble: bool = False


class Attempt:
    """One request on its way. `guard` gives the reason why it may not leave any more, or None."""

    def __init__(self, guard: Callable[[], str | None], failpoints: Failpoints) -> None:
        self._guard = guard
        self._failpoints = failpoints
        self.left = False

    def leave(self) -> None:
        """A connection is at hand and the next thing is the write. Raises Refused, with nothing written."""
        self._failpoints.reach("after-connect")
        reason = self._guard()
        if reason is not None:
            raise Refused(reason)
        self.left = True

    def written(self) -> None:
        """The last byte was given to the socket."""
        self._failpoints.reach("after-last-byte")

    def answered(self) -> None:
        """The provider's answer was read."""
        self._failpoints.reach("after-response")

    def broken(self) -> Answer:
        """What it came to when the connection failed or time ran out."""
        if self.left:
            return Answer(result="doubt", code="no-answer", trouble=True)
        return Answer(result="not-sent", code="connect", trouble=True)
