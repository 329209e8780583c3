"""When the provider is in trouble: a circuit breaker, and a window of requests that shrinks on 429.

All times are seconds of one clock that never goes back.
"""

from collections import deque
from typing import Final

from services.attempt import Answer

_SAMPLES: Final = 20
_WINDOW: Final = 30.0
_SHORTEST: Final = 30.0
_LONGEST: Final = 300.0
# Nothing will go through until a person has acted: credentials, account, service without senders, campaign.
_STOPS: Final = frozenset({"401", "20003", "20404", "21212", "21703", "21704", "21705", "30002", "30034"})


class Breaker:
    """Opens when half of at least twenty requests in thirty seconds failed, or at one answer that stops everything.

    Failed: no connection, no answer, 5xx, bad credentials, a refusal by something on the way. What is wrong with one
    message does not count, nor does 429. When the time is over one request goes as a trial; it closes the circuit or
    opens it for twice as long. A restart forgets all this, and learns it again from a window of requests at most.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, bool]] = deque()
        self._failed = 0
        self._open_until: float | None = None
        self._for = _SHORTEST
        self._trial = False

    @property
    def is_open(self) -> bool:
        """Whether requests are held back, a trial under way included."""
        return self._open_until is not None

    def wait(self, now: float) -> float:
        """Seconds until the next request makes sense; 0 when one may go now."""
        if self._open_until is None:
            return 0.0
        if self._trial:
            return max(1.0, self._open_until - now)
        return max(0.0, self._open_until - now)

    def begin(self) -> None:
        """A request goes; while the circuit is open it is the trial."""
        if self._open_until is not None:
            self._trial = True

    def rest(self, now: float) -> None:
        """Nothing will go through for a while, whatever the answers to requests say: the provider said so elsewhere."""
        self._for = _LONGEST
        self._open_until = max(self._open_until or 0.0, now + self._for)
        self._trial = False

    def unused(self) -> None:
        """The request that was to go did not leave for a reason of its own; it says nothing of the provider."""
        self._trial = False

    def record(self, answer: Answer, now: float) -> bool:
        """What a request came to. True when it ended an outage."""
        if answer.result == "not-sent" and not answer.trouble:
            self._trial = False  # it never left, or was not processed: no verdict on the provider
            return False
        stops = answer.code in _STOPS
        if self._open_until is not None and self._trial:
            self._trial = False
            if answer.trouble or stops:
                self._for = min(self._for * 2, _LONGEST)
                self._open_until = now + self._for
                return False
            self._open_until = None
            self._for = _SHORTEST
            self._samples.clear()
            self._failed = 0
            return True
        self._samples.append((now, answer.trouble))
        self._failed += answer.trouble
        while self._samples[0][0] < now - _WINDOW:
            self._failed -= self._samples.popleft()[1]
        many = len(self._samples) >= _SAMPLES and self._failed * 2 >= len(self._samples)
        if self._open_until is None and (many or stops):
            self._open_until = now + self._for
        return False


class Window:
    """How many requests may be under way at once: one more after each full round, half on 429 (AIMD)."""

    def __init__(self, start: int = 32, most: int = 64) -> None:
        self._limit = float(start)
        self._most = most
        self._halved_at = float("-inf")
        self.busy = 0

    @property
    def limit(self) -> int:
        """Requests that may be under way."""
        return int(self._limit)

    @property
    def full(self) -> bool:
        """Whether the next must wait."""
        return self.busy >= self.limit

    def record(self, answer: Answer, now: float) -> None:
        """What a request came to. All those under way at the first 429 may get one, so it halves once a second."""
        if answer.result == "not-sent" and answer.code in ("429", "20429"):
            if now - self._halved_at >= 1.0:
                self._limit = max(1.0, self._limit / 2)
                self._halved_at = now
        elif answer.result == "accepted":
            self._limit = min(float(self._most), self._limit + 1 / self._limit)
