"""Health of a worker: what it says of itself over HTTP, and the watchdog that ends one that does not get on."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from services import logs
from services.runtime.app import StageApp
from services.runtime.ending import end
from services.runtime.meters import Meters
from services.runtime.partition import Partition
from services.store import from_micros, micros

STUCK: Final = 90.0
"""Seconds with work to do and without progress after which a worker is ended."""

_BEAT: Final = 0.5
_JUMP: Final = 5.0

_log = logs.get(__name__)

Health = Mapping[str, Any]


class Watch:
    """Looks at the partitions twice a second. `stuck`: seconds without progress after which the process is ended."""

    def __init__(
        self, stage: str, app: StageApp, meters: Meters, more: Callable[[], Health], *, stuck: float = STUCK
    ) -> None:
        self._stage = stage
        self._app = app
        self._meters = meters
        self._more = more
        self._stuck = stuck
        self._clock_gap = time.time() - time.monotonic()
        self._progress = (time.monotonic(), -1)

    async def run(self) -> None:
        """Beat, measure, and end the process where it is stuck."""
        while True:
            self._app.owned.beat()
            self._notice_jump()
            self._measure()
            self._judge()
            await asyncio.sleep(_BEAT)

    def health(self) -> dict[str, Any]:
        """What `/healthz` says."""
        owned = self._app.owned
        partitions = owned.all()
        lags = [self._app.lag(partition) for partition in partitions]
        dues = [due for partition in partitions if (due := _due(partition)) is not None]
        ages = [age for partition in partitions if (age := _age(partition)) is not None]
        lag = None if None in lags else sum(lag for lag in lags if lag is not None)
        return {
            "stage": self._stage,
            "state": "running" if owned.ready else "recovering",
            "assignment": [{"topic": p.place.topic, "partition": p.place.partition} for p in partitions],
            "restoring": self._app.owned.restoring(),
            "standby": None if owned.standby is None else owned.standby.health(),
            # That nothing is left is true only as long as somebody says so.
            "lag": None if lag == 0 and not self._app.hears() else lag,
            "oldestAge": round(max(ages, default=0.0), 3),
            "busy": sum(partition.under_way > 0 for partition in partitions),
            "nextDue": _said(min(dues, default=None)),
            **self._more(),
        }

    async def serve(self, host: str, port: int) -> int:
        """Serve `/healthz` and `/metrics`; the port that it listens on."""
        site = web.Application()
        site.router.add_get("/healthz", self._healthz)
        site.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        listener = web.TCPSite(runner, host, port)
        await listener.start()
        server: Any = listener._server
        found: int = server.sockets[0].getsockname()[1]
        return found

    async def _healthz(self, _: web.Request) -> web.Response:
        said = self.health()
        return web.json_response(said, status=200 if said["state"] == "running" else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._meters.text(), content_type="text/plain", charset="utf-8")

    def _measure(self) -> None:
        now = time.monotonic()
        for partition in self._app.owned.all():
            place = partition.place
            lag = self._app.lag(partition)
            if lag is not None:
                self._meters.of(self._meters.lag, place).set(lag)
            self._meters.of(self._meters.age, place).set(_age(partition) or 0.0)
            self._meters.of(self._meters.commit_age, place).set(now - partition.progressed)
            due = _due(partition)
            if due is not None:
                self._meters.of(self._meters.due, place).set((due - micros(datetime.now(UTC))) / 1e6)

    def _judge(self) -> None:
        owned = self._app.owned
        moved = owned.moved()
        if moved != self._progress[1]:
            self._progress = (time.monotonic(), moved)
        waits = not owned.ready or any(self._app.lag(partition) != 0 for partition in owned.all())
        if not waits:
            self._progress = (time.monotonic(), moved)
        elif time.monotonic() - self._progress[0] > self._stuck:
            end("watchdog", f"there was work to do, and nothing got on for {self._stuck:.0f} s")

    def _notice_jump(self) -> None:
        gap = time.time() - time.monotonic()
        if abs(gap - self._clock_gap) > _JUMP:
            _log.warning("the clock of this machine jumped", seconds=round(gap - self._clock_gap, 1))
            self._meters.clock_jumps.inc()
            self._clock_gap = gap


def _due(partition: Partition) -> int | None:
    return None if partition.store is None else partition.store.next_due()


def _age(partition: Partition) -> float | None:
    oldest = partition.working_on if partition.working_on is not None else partition.inlet.oldest
    return None if oldest is None else max(0.0, time.time() - oldest / 1000)


def _said(due: int | None) -> str | None:
    return None if due is None else from_micros(due).isoformat().replace("+00:00", "Z")
