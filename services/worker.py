"""`ttn worker`: one child process per stage, started again when it ends itself, and gone when this one is gone."""

import asyncio
import fcntl
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

import click

from services import endpoints, logs, topics
from services.runtime.app import SESSION
from services.runtime.ending import REFUSED
from services.runtime.process import STAGES, main
from services.sealing import Keys
from services.settings import Settings, SettingsError, unwritable

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 10.0
_STEADY: Final = 30.0
_SLOT_WAIT: Final = 2.0
_SLOTS: Final = 64
_STOP: Final = 60.0
_ALLOCATOR: Final[Mapping[str, str]] = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
}
"""How glibc gives memory back: by default each thread keeps what its largest fetch once took, and large buffers leave
holes. Measured: intake, which has no store, held 290 MB and holds 220. What the environment says goes before it."""

_log = logs.get(__name__)


class Slot:
    """The folder of one worker under the data dir, locked as long as it or a child of it runs.

    A worker that is started again finds its stores; a second one beside it gets a folder of its own. `instance` is the
    lasting name of this folder in the consumer groups.
    """

    def __init__(self, data_dir: Path) -> None:
        """Take the first free folder. Raises SettingsError where the data dir cannot be used."""
        workers = data_dir / "workers"
        try:
            workers.mkdir(parents=True, exist_ok=True)
            self._lock = self._take(workers)
        except OSError as error:
            raise unwritable(error) from None
        self.folder = workers / Path(self._lock.name).stem
        self.folder.mkdir(exist_ok=True)
        name = self.folder / "instance"
        if not name.exists():
            name.write_text(uuid.uuid4().hex, encoding="ascii")
        self.instance = name.read_text(encoding="ascii").strip()

    @property
    def descriptor(self) -> int:
        """The lock, for the children to hold too."""
        return self._lock.fileno()

    @staticmethod
    def _take(workers: Path) -> IO[str]:
        until = time.monotonic() + _SLOT_WAIT
        for number in range(1, _SLOTS + 1):
            lock = (workers / f"{number}.lock").open("w", encoding="ascii")
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    # The children of a worker that was just killed hold its lock for a moment.
                    if time.monotonic() > until:
                        break
                    time.sleep(0.05)
                else:
                    return lock
            lock.close()
        raise SettingsError(f"TTN_DATA_DIR: expected fewer than {_SLOTS} workers on one data dir.")


def listening(settings: Settings, stages: Sequence[str]) -> dict[str, str]:
    """Where each stage serves its metrics: the first one at TTN_METRICS_LISTEN, the others at the ports that follow.

    Raises SettingsError where one of these is taken.
    """
    host, first = settings.metrics_listen
    named = f"[{host}]" if ":" in host else host
    ports = [first + number if first else 0 for number in range(len(stages))]
    for port in filter(None, ports):
        try:
            socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
        except (OSError, OverflowError):
            wanted = f"{named}:{first}" + (f" to {ports[-1]}" if len(ports) > 1 else "")
            raise SettingsError(f"TTN_METRICS_LISTEN: expected {wanted} to be free, a port for each stage.") from None
    return {stage: f"{named}:{port}" for stage, port in zip(stages, ports, strict=True)}


class Supervisor:
    """Keeps the stages running. `metrics` says for each where it serves its metrics."""

    def __init__(self, metrics: Mapping[str, str], slot: Slot, session: float, *, static: bool, standby: bool) -> None:
        self._metrics = metrics
        self._slot = slot
        self._session = session
        self._static = static
        self._standby = standby
        self._stopping = asyncio.Event()
        self._refused = False

    async def run(self) -> int:
        """Until a signal, or until a stage refuses to run; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        await asyncio.gather(*(self._keep(stage) for stage in self._metrics))
        return 1 if self._refused else 0

    async def _keep(self, stage: str) -> None:
        wait, restarts = _FIRST_WAIT, 0
        while not self._stopping.is_set():
            started = time.monotonic()
            status = await self._once(stage)
            if self._stopping.is_set():
                return
            if status == REFUSED:
                self._refused = True
                self._stopping.set()
                return
            if time.monotonic() - started > _STEADY:
                wait = _FIRST_WAIT
            restarts += 1
            _log.warning("stage ended, starting it again", stage=stage, exit_code=status, restarts=restarts)
            await self._pause(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _once(self, stage: str) -> int:
        command = [sys.executable, "-m", "services.worker", "--child", stage, str(self._slot.folder)]
        command += ["--session", str(self._session)]
        command.append("--standby" if self._standby else "--no-standby")
        if self._static:
            command += ["--instance", f"{stage}-{self._slot.instance}"]
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            env={**_ALLOCATOR, **os.environ, "TTN_METRICS_LISTEN": self._metrics[stage]},
            pass_fds=(self._slot.descriptor,),
            start_new_session=True,
        )
        ended = asyncio.ensure_future(child.wait())
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            child.terminate()
            try:
                await asyncio.wait_for(asyncio.shield(ended), _STOP)
            except TimeoutError:
                child.kill()
        return await ended

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


def _stages(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    asked = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in asked:
        if name not in STAGES:
            raise click.BadParameter(f"{name} is no stage; expected some of {', '.join(STAGES)}")
    if not asked:
        raise click.BadParameter(f"expected some of {', '.join(STAGES)}")
    return asked


@click.command()
@click.option("--stages", default=",".join(STAGES), callback=_stages, help="Some of the stages, separated by commas.")
@click.option("--session", default=SESSION, show_default=True, help="Seconds after which a silent worker is replaced.")
@click.option(
    "--static/--no-static", default=True, help="Whether a restarted worker takes its partitions back at once."
)
@click.option(
    "--standby/--no-standby",
    default=True,
    help="Whether to keep a copy of the state that other workers own, so that taking it over is quick.",
)
@click.option("--child", hidden=True, nargs=2, type=str)
@click.option("--instance", hidden=True)
def command(
    stages: tuple[str, ...],
    session: float,
    *,
    static: bool,
    standby: bool,
    child: tuple[str, str] | None,
    instance: str | None,
) -> None:
    """Run the Faust workers, one child process per stage.

    Each serves /healthz and /metrics: the first stage at TTN_METRICS_LISTEN, the others at the ports that follow.
    """
    if child is not None:
        main(child[0], Path(child[1]), instance, session, standby=standby)
    logs.configure("worker")
    settings = Settings.load()
    asyncio.run(topics.check(settings))
    Keys.load(settings)
    if "addresses" in stages:
        endpoints.twilio_url(settings)
        endpoints.smtp_url(settings)
    slot = Slot(settings.data_dir)
    metrics = listening(settings, stages)
    sys.exit(asyncio.run(Supervisor(metrics, slot, session, static=static, standby=standby).run()))


if __name__ == "__main__":
    command()
