"""How fast texts may leave: segments per second, lanes, and slots promised to claims that must come back later.

Limits of carriers count segments, and a claim is only good for seconds. A claim whose turn comes later than that is
turned back with the moment at which its turn will come, so that a long queue waits in the claims' own stage, ordered
and revocable, and not here or at the provider (delivery.md D5).

All times are seconds of one clock that never goes back.
"""

import heapq
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LANES: Final = 4
_BURST: Final = 1.0
_RAMP_FROM: Final = 0.25
_RAMP: Final = 180.0
_EVERY: Final = 8


class Pacer:
    """A generic cell rate algorithm (GCRA) in segments, with a ramp after an outage.

    `rate` in segments per second for the whole sender; `share` is the part of it that is this process's. One second's
    worth may go at once; a message of several segments is never cut by the limit, it delays what follows.
    """

    def __init__(self, rate: float) -> None:
        self._full = rate
        self.share = 1.0
        self._next = 0.0
        self._held_until = 0.0
        self._recovered_at: float | None = None

    def rate(self, now: float) -> float:
        """Segments per second at this moment; after an outage a quarter, rising by a quarter each minute."""
        part = 1.0
        if self._recovered_at is not None:
            part = min(1.0, _RAMP_FROM + (1 - _RAMP_FROM) * (now - self._recovered_at) / _RAMP)
            if part == 1.0:
                self._recovered_at = None
        return max(self._full * self.share * part, 1e-6)

    @property
    def recovering(self) -> bool:
        """Whether the ramp after an outage is still going on."""
        return self._recovered_at is not None

    def recover(self, now: float) -> None:
        """An outage is over."""
        self._recovered_at = now

    def hold(self, until: float) -> None:
        """Nothing leaves before `until`: the provider asked for it."""
        self._held_until = max(self._held_until, until)

    def wait(self, now: float) -> float:
        """Seconds until the next message may leave."""
        return max(0.0, self._next - _BURST - now, self._held_until - now)

    def turn(self, now: float, ahead: int) -> float:
        """When a message may leave that has so many segments ahead of it here."""
        return max(now, max(self._next, now, self._held_until) + ahead / self.rate(now) - _BURST, self._held_until)

    def spend(self, now: float, segments: int) -> None:
        """A message leaves."""
        self._next = max(self._next, now) + segments / self.rate(now)


class Slots:
    """Turns promised to claims that were turned back, by the name of their notification."""

    def __init__(self) -> None:
        self._ends = [0.0] * LANES
        self._tickets: dict[str, float] = {}

    def turn(self, name: str, lane: int, earliest: float, now: float) -> float:
        """When it is this message's turn, if the queue would let it go at `earliest`.

        One that was promised a turn keeps it; others queue behind the turns promised in their lane and above.
        """
        ticket = self._tickets.pop(name, None)
        if ticket is not None and ticket <= now + _BURST:
            return earliest
        if ticket is not None:
            return max(earliest, ticket)
        return max(earliest, *self._ends[: lane + 1])

    def promise(self, name: str, lane: int, turn: float, seconds: float) -> None:
        """Give this message the turn, which takes `seconds` of the sender."""
        self._ends[lane] = max(self._ends[lane], turn + seconds)
        self._tickets[name] = turn

    def forget(self, before: float) -> None:
        """Drop the turns that nobody came for."""
        self._tickets = {name: turn for name, turn in self._tickets.items() if turn >= before}


class Lanes(Generic[T]):
    """What waits here to leave, by lane: 0 first, but every eighth is the first of the last lane that has any.

    Inside a lane the oldest leaves first; after an outage the newest, because it is the one that is still of use.
    """

    def __init__(self) -> None:
        self._waiting: list[list[tuple[float, int, int, T]]] = [[] for _ in range(LANES)]
        self._weights = [0] * LANES
        self._count = 0
        self._taken = 0

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._waiting)

    def push(self, item: T, lane: int, at: float, segments: int) -> None:
        """Add an item of so many segments that was claimed at `at`."""
        self._count += 1
        heapq.heappush(self._waiting[lane], (at, self._count, segments, item))
        self._weights[lane] += segments

    def ahead(self, lane: int) -> int:
        """Segments that wait in this lane and above."""
        return sum(self._weights[: lane + 1])

    def pop(self, newest: bool, trial: bool = False) -> tuple[T, int]:
        """The next to leave, and its segments; as a `trial`, one of the last lane. Raises IndexError for none."""
        lanes = [lane for lane in range(LANES) if self._waiting[lane]]
        self._taken += 1
        lane = lanes[-1 if trial or self._taken % _EVERY == 0 else 0]
        waiting = self._waiting[lane]
        if newest:
            index = max(range(len(waiting)), key=waiting.__getitem__)
            _, _, segments, item = waiting.pop(index)
            heapq.heapify(waiting)
        else:
            _, _, segments, item = heapq.heappop(waiting)
        self._weights[lane] -= segments
        return item, segments

    def take(self, wanted: Callable[[T], bool]) -> list[T]:
        """Take out what is wanted."""
        taken: list[T] = []
        for lane, waiting in enumerate(self._waiting):
            out = [entry for entry in waiting if wanted(entry[-1])]
            if out:
                taken += [entry[-1] for entry in out]
                self._waiting[lane] = [entry for entry in waiting if entry not in out]
                heapq.heapify(self._waiting[lane])
                self._weights[lane] -= sum(entry[2] for entry in out)
        return taken

    def drain(self) -> list[T]:
        """Take out all that waits."""
        return self.take(lambda _: True)
