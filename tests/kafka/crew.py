"""Several workers of a test stage that a nemesis torments while load goes on, and that a supervisor starts again."""

import asyncio
import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from services import wire
from tests.kafka.rig import KEYS, PARTITIONS, Rig, Worker, send, wait_for

_PAUSE: Final = 0.05


class Crew:
    """The workers by number. `ends` counts exit statuses; a worker that refuses to run (78) is never started again."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._asked: dict[int, dict[str, Any]] = {}
        self.workers: dict[int, Worker] = {}
        self.ends: Counter[int] = Counter()

    def join(self, number: int, **asked: Any) -> Worker:
        """Start worker `number`."""
        self._asked[number] = asked
        self.workers[number] = self._rig.worker(number, **asked)
        return self.workers[number]

    def leave(self, number: int, end: signal.Signals = signal.SIGTERM) -> None:
        """End a worker for good, in order or with SIGKILL."""
        worker = self.workers.pop(number)
        if worker.running():
            worker.signal(end)
        self.ends[worker.wait()] += 1

    def kill(self, number: int, *, wipe: bool = False) -> None:
        """End a worker as a crash would; `tend` starts it again."""
        self.workers[number].end()
        if wipe:
            self._rig.wipe(number)

    def tend(self) -> None:
        """Start those again that have ended."""
        for number, worker in self.workers.items():
            if not worker.running():
                status = worker.wait()
                self.ends[status] += 1
                assert status != 78, worker.said()[-2000:]
                self.workers[number] = self._rig.worker(number, **self._asked[number])

    def rest(self, seconds: float) -> None:
        """Let them work for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.tend()
            time.sleep(_PAUSE)

    def finish(self, seconds: float = 240.0) -> dict[int, int]:
        """Wait until everything is done, and end all in order; who had which partition last."""

        def done() -> bool:
            self.tend()
            return self._rig.done(list(self.workers.values()))

        wait_for(done, "all is done", seconds)
        owners = self._rig.owners(self.workers.values())
        for number in list(self.workers):
            self.leave(number)
        return owners


class Load:
    """Feeds a test stage, so many events a second, from a thread of its own, as long as the `with` block lasts."""

    def __init__(self, rig: Rig, rate: int, **hits: Any) -> None:
        self._rig = rig
        self._rate = rate
        self._hits = hits
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._feed()), daemon=True)
        self.fed = 0

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(120)
        assert not self._thread.is_alive(), "the feeder hangs"

    async def _feed(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._rig.kafka, enable_idempotence=True)
        await producer.start()
        try:
            while not self._stopping.is_set():
                hits = self._rig.hits(self._rate // 10, **self._hits)
                for key, hit in hits:
                    record = wire.to_stage(KEYS, PARTITIONS, self._rig.name, key, hit, datetime.now(UTC))  # type: ignore[arg-type]
                    await send(producer, record)
                await producer.flush()
                self.fed += len(hits)
                await asyncio.sleep(0.1)
        finally:
            await producer.stop()
