"""What the sandbox does later, on the product's clock: status callbacks and delivery notices."""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any

from services import logs
from services.clock import Clock

_log = logs.get(__name__)

Deed = Callable[[], Coroutine[Any, Any, None]]


class Timetable:
    """Runs deeds at their moments. `open` are under way; `next` is the next moment, for who steps the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._planned: list[tuple[datetime, int, Deed]] = []
        self._count = 0
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """Deeds under way."""
        return len(self._tasks)

    @property
    def next(self) -> datetime | None:
        """When the next deed is due."""
        return self._planned[0][0] if self._planned else None

    def plan(self, moment: datetime, deed: Deed) -> None:
        """Do this at `moment`; in the past means now."""
        self._count += 1
        heapq.heappush(self._planned, (moment, self._count, deed))
        if self._planned[0][1] == self._count:
            self._changed.set()

    def soon(self, deed: Deed) -> None:
        """Do this now, without waiting for it."""
        task = asyncio.create_task(deed())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("the sandbox failed at something", exc_info=error)

    async def stop(self) -> None:
        """Drop what is planned and what is under way."""
        self._planned.clear()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def run(self) -> None:
        """Do what falls due, for ever."""
        while True:
            now = self._clock.now()
            while self._planned and self._planned[0][0] <= now:
                self.soon(heapq.heappop(self._planned)[2])
            self._changed.clear()
            waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._changed.wait())]
            if self._planned:
                waits.append(asyncio.create_task(self._clock.wait_until(self._planned[0][0])))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                with suppress(asyncio.CancelledError):
                    await asyncio.gather(*waits, return_exceptions=True)
