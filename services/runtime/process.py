"""The process of one stage: builds its job, joins the group, and for addresses brings the dialer along."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from schemas.internal import AddressesMessage, Claim
from services import logs, templates, wire
from services.broker import bootstrap, client
from services.clock import Clock, clock
from services.collecting import collect_seldom
from services.dialer import Dialer, Lease
from services.failpoints import Failpoints
from services.keyring import Keyrings
from services.runtime.app import SESSION, StageApp
from services.runtime.arrivals import Arrivals
from services.runtime.ending import RefusedError, end, must_run, unexpected
from services.runtime.job import Job, Limits
from services.runtime.keyed import Keyed
from services.runtime.meters import Meters
from services.runtime.partition import Held
from services.runtime.ticks import Ticks
from services.runtime.watch import Watch
from services.sealing import Keys
from services.settings import Settings, SettingsError
from services.store import Memory, Shared
from services.transit import Transit
from streams import topics
from streams.catalogue import Catalogue
from streams.grammar import Command
from streams.identity import Identity
from streams.pipeline import build

STAGES: Final = ("intake", "records", "travelers", "addresses")

_LOOKUP_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 20.0

_log = logs.get(__name__)


class StageProcess:
    """One stage in this process. `place` is this worker's folder, `instance` its lasting name in the group."""

    def __init__(
        self, stage: str, settings: Settings, place: Path, instance: str | None, session: float, *, standby: bool
    ) -> None:
        self._stage = stage
        self._settings = settings
        self._clock: Clock = clock(settings)
        self._keys = Keys.load(settings)
        shared = Shared(Memory())
        self._keyrings = None if stage == "intake" else Keyrings(self._keys, stage, place / "keys" / stage, shared)
        self._transit = _transit(self._keys, settings, stage)
        self._meters = Meters(stage)
        self._failpoints = _failpoints()
        self._place = place
        self._dialer: Dialer | None = None
        self._app = StageApp(
            self._job(),
            bootstrap=bootstrap(settings),
            security=settings.security,
            folder=place / "stores" / stage,
            shared=shared,
            keyrings=self._keyrings,
            meters=self._meters,
            hand_over=self._hand_over,
            failpoints=self._failpoints,
            instance=instance,
            session=session,
            standby=settings.partitions if standby else 0,
        )
        if stage == "addresses":
            self._dialer = Dialer(settings, self._clock, self._report, failpoints=self._failpoints)

    async def run(self, stopped: asyncio.Event) -> None:
        """Work until `stopped`, then end in order."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(unexpected)
        await asyncio.to_thread(self._transit.start)
        if self._dialer is not None:
            await self._dialer.start()
        watch = Watch(self._stage, self._app, self._meters, self._more_health)
        host, port = self._settings.metrics_listen
        port = await watch.serve(host, port)
        address = self._place / f"{self._stage}.metrics"
        address.write_text(f"{host}:{port}", encoding="ascii")
        _log.info("started", stage=self._stage, host=host, port=port)
        collect_seldom()
        await self._app.start()
        tasks = [loop.create_task(watch.run())]
        if self._keyrings is not None:
            tasks.append(loop.create_task(self._keyrings.tend()))
        if self._settings.clock != "stepped" and self._stage != "intake":
            tasks.append(loop.create_task(Ticks(self._stage, self._app.owned, self._clock, self._send).run()))
        for task in tasks:
            task.add_done_callback(must_run)
        await stopped.wait()
        await self._stop(tasks)
        address.unlink(missing_ok=True)

    async def _stop(self, tasks: Sequence["asyncio.Task[None]"]) -> None:
        async with asyncio.timeout(_STOP_SECONDS + self._settings.send_timeout):
            for task in tasks:
                task.remove_done_callback(must_run)
                task.cancel()
            self._app.owned.close()
            if self._dialer is not None:
                await self._dialer.stop()
            await self._app.stop()
            await asyncio.to_thread(self._transit.stop)
        _log.info("stopped", stage=self._stage)

    def _job(self) -> Job:
        settings, partitions = self._settings, self._settings.partitions
        catalogue = Catalogue(templates.load(), drafts=settings.may_send_drafts())
        pipeline = build(Identity(self._keys.hmac), settings.policy(), catalogue)
        if self._stage == "intake":
            stepped = settings.clock == "stepped"
            return Arrivals(pipeline.intake, self._transit, partitions, Limits(), self._clock, stepped=stepped)
        return Keyed(pipeline.stages[self._stage], self._transit, partitions, Limits())

    def _hand_over(self, commands: Sequence[Command], held: Held) -> None:
        if self._dialer is None:
            raise RefusedError(f"Stage {self._stage} gave a command, and only addresses has a dialer.")
        self._dialer.share(len(self._app.owned.places()))
        for command in commands:
            if isinstance(command, Claim):
                self._dialer.submit(command, Lease.of(command, held))
            else:
                self._dialer.submit(command, Lease(held, time.monotonic() + _LOOKUP_SECONDS))

    async def _report(self, key: str, message: AddressesMessage) -> None:
        now = self._clock.now()
        await self._send(wire.to_stage(self._transit, self._settings.partitions, "addresses", key, message, now))

    async def _send(self, record: wire.Outgoing) -> int:
        return await self._app.send(record)

    def _more_health(self) -> dict[str, Any]:
        return {} if self._dialer is None else {"openClaims": self._dialer.open, "dialer": self._dialer.health()}


def main(stage: str, place: Path, instance: str | None, session: float = SESSION, *, standby: bool = False) -> None:
    """Run a stage until SIGTERM or SIGINT; the end of the parent (end of standard input) ends it at once."""
    logs.configure(stage)
    try:
        settings = Settings.load()
        process = StageProcess(stage, settings, place, instance, session, standby=standby)
        asyncio.run(_main(process))
    except SettingsError as error:
        end("settings", RefusedError(str(error)))
    except BaseException as error:  # noqa: BLE001 - the supervisor hears of it by the exit status alone
        end("process", error)
    # Nothing is left to do, and Faust's threads may take their time.
    os._exit(0)


async def _main(process: StageProcess) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    await process.run(stopped)


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


def _transit(keys: Keys, settings: Settings, stage: str) -> Transit:
    if stage == "intake":
        return Transit(keys, client(settings))
    rolls = [(topics.data_keys(stage), number) for number in range(settings.partitions)]
    return Transit(keys, client(settings), disposes=True, rolls=rolls)


def _failpoints() -> Failpoints:
    try:
        return Failpoints.load(os.environ)
    except ValueError as error:
        raise SettingsError(str(error)) from None
