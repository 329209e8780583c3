"""Work that goes on beside the dialer's loops: started, watched for surprises, and brought to an end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Tasks:
    """An error that nothing in the work expects goes to `surprise`."""

    def __init__(self, surprise: Callable[[BaseException], None]) -> None:
        self._surprise = surprise
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start it."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def finish(self, within: float) -> None:
        """Wait for what runs, and cancel what still does after so many seconds."""
        if self._running:
            await asyncio.wait(self._running, timeout=within)
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._surprise(error)
