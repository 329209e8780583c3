"""How many requests may be second ones: a tenth of the first ones of the last minute, in each lane (delivery.md 6).

When much goes wrong at once, what is tried again must not crowd out what is tried for the first time, nor press on a
provider that is just getting up. A tenth of little is nothing, so a few a minute may always go.
"""

from collections import OrderedDict, deque
from typing import Final

from services.dialer.pacing import LANES

_SHARE: Final = 0.1
_ALWAYS: Final = 10
_MINUTE: Final = 60.0
_REMEMBERED: Final = 100_000


class Retries:
    """Knows which messages left from this process before; all times are seconds of one clock that never goes back.

    A claim that was turned back has not left. A restart forgets: what was in doubt before it counts as a first one.
    """

    def __init__(self) -> None:
        self._left: OrderedDict[str, None] = OrderedDict()
        self._first: list[deque[float]] = [deque() for _ in range(LANES)]
        self._again: list[deque[float]] = [deque() for _ in range(LANES)]

    def wait(self, name: str, lane: int, now: float) -> float:
        """Seconds until the message of this name may leave; 0 when it may now, as one that never left always may."""
        if name not in self._left:
            return 0.0
        first, again = self._first[lane], self._again[lane]
        _forget(first, now)
        _forget(again, now)
        if len(again) < max(_ALWAYS, _SHARE * len(first)):
            return 0.0
        return again[0] + _MINUTE - now

    def leave(self, name: str, lane: int, now: float) -> None:
        """A request for it goes."""
        times = self._again[lane] if name in self._left else self._first[lane]
        times.append(now)
        _forget(times, now)
        self._left[name] = None
        self._left.move_to_end(name)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)


def _forget(times: deque[float], now: float) -> None:
    """What is more than a minute ago."""
    while times and times[0] <= now - _MINUTE:
        times.popleft()
