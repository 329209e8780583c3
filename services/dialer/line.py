"""One channel's way out: what waits, what may leave now, and when a claim that cannot leave in time may come back.

All times are seconds of one clock that never goes back.
"""

import random
from collections.abc import Callable
from typing import Generic, TypeVar

from services.attempt import Answer
from services.dialer.breaker import Breaker, Window
from services.dialer.pacing import Lanes, Pacer, Slots
from services.dialer.retries import Retries

J = TypeVar("J")

_TICKETS_LAST = 600.0


class Line(Generic[J]):
    """Pacing, lanes, breaker and window of one channel. `rate` in segments per second; a mail is one segment."""

    def __init__(self, rate: float, start: int, most: int) -> None:
        self.pacer = Pacer(rate)
        self.breaker = Breaker()
        self.window = Window(start, most)
        self.retries = Retries()
        self._slots = Slots()
        self._lanes: Lanes[J] = Lanes()
        self._swept = 0.0

    @property
    def waiting(self) -> int:
        """Jobs that have not left."""
        return len(self._lanes)

    def offer(
        self, job: J, *, name: str, lane: int, segments: int, at: float, patience: float, now: float
    ) -> tuple[str, float] | None:
        """Let a job wait here, or say why it cannot and in how many seconds its turn comes.

        `patience`: seconds for which it may wait here. `name` is its notification, which keeps a promised turn.
        """
        if now - self._swept > _TICKETS_LAST:
            self._slots.forget(now - _TICKETS_LAST)
            self._swept = now
        pause = self.breaker.wait(now)
        if pause > 0:
            return "breaker", pause + random.uniform(0, 5)
        rate = self.pacer.rate(now)
        earliest = self.pacer.turn(now, self._lanes.ahead(lane))
        turn = self._slots.turn(name, lane, earliest, now)
        if turn - now > patience:
            self._slots.promise(name, lane, turn, segments / rate)
            return "paced", turn - now
        self._lanes.push(job, lane, at, segments)
        return None

    def next(self, now: float) -> J | float | None:
        """The job that leaves now (counted as under way), or the seconds until one may, or None: wait for a change."""
        if not len(self._lanes) or self.window.full:
            return None
        wait = self.pacer.wait(now)
        if wait > 0:
            return wait
        job, segments = self._lanes.pop(newest=self.pacer.recovering, trial=self.breaker.is_open)
        self.pacer.spend(now, segments)
        self.window.busy += 1
        return job

    def done(self, answer: Answer | None, now: float) -> None:
        """A job that left came to this; None: it was not tried after all."""
        self.window.busy -= 1
        if answer is None:
            self.breaker.unused()
            return
        self.window.record(answer, now)
        if answer.result == "not-sent" and answer.code in ("429", "20429"):
            self.pacer.hold(now + min(answer.retryAfter or random.uniform(0.5, 1.5), 60.0))
        if self.breaker.record(answer, now):
            self.pacer.recover(now)

    def withdraw(self, wanted: Callable[[J], bool]) -> list[J]:
        """Take out what is wanted of what waits."""
        return self._lanes.take(wanted)

    def drain(self) -> list[J]:
        """Take out all that waits."""
        return self._lanes.drain()
