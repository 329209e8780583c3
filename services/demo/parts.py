"""The processes of a demonstration: sandbox, Kafka, workers and web, started in order and gone with us."""

import asyncio
import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from services import topics
from services.broker import LocalKafka, Progress
from services.broker.cluster import free_ports
from services.children import Child
from services.sealing import demo_secret_file
from services.settings import Settings, SettingsError, unwritable

STAGES: Final = ("intake", "records", "travelers", "addresses")
_WEB_PORT: Final = 8080
_START: Final = 60.0
_LOOK: Final = 0.05
_MARK: Final = "demo"
# What a demonstration leaves behind, and the next one starts without. Kafka's data goes under the broker's own lock.
_LEFT: Final = ("workers", "logs", "clock", "sandbox-ledger.jsonl", "sandbox.json", "web.json", "kafka.address")
# A demonstration texts and mails nobody, whatever the environment says.
_PROVIDERS: Final = ("TWILIO_", "TTN_TWILIO_URL", "TTN_SMTP_")


class PartEndedError(SettingsError):
    """A part of the demonstration ended by itself."""


@contextmanager
def data_dir(settings: Settings) -> Iterator[int]:
    """The data dir, ours alone and without what an earlier demonstration left; yields the lock to be held by children.

    Raises SettingsError where it is in use, or holds what is not a demonstration's.
    """
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / "demo.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unwritable(error) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"TTN_DATA_DIR: expected a folder of its own; a demo runs in {folder}.") from None
        mark = folder / _MARK
        if not mark.exists() and (folder / "workers").exists():
            raise SettingsError(f"TTN_DATA_DIR: expected a new folder; {folder} holds the stores of other workers.")
        mark.touch()
        for name in _LEFT:
            path = folder / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        yield lock
    finally:
        os.close(lock)


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the parts: the stepped clock, the sandbox, and ports that are free."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_PROVIDERS)}
    kept["TTN_DATA_DIR"] = str(settings.data_dir)
    kept["TTN_CLOCK"] = "stepped"
    kept["PYTHONUNBUFFERED"] = "1"
    if settings.secret_file is None:
        kept["TTN_SECRET_FILE"] = str(demo_secret_file(settings.data_dir))
    if not environ.get("TTN_WEB_LISTEN"):
        port = _WEB_PORT if _is_free(_WEB_PORT) else free_ports(1)[0]
        kept["TTN_WEB_LISTEN"] = f"127.0.0.1:{port}"
    if not environ.get("TTN_PUBLIC_URL"):
        kept["TTN_PUBLIC_URL"] = f"http://{kept['TTN_WEB_LISTEN']}"
    return kept


class Parts:
    """The running parts. `settings` are those of the parts, on the stepped clock."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], lock: int, progress: Progress) -> None:
        self._settings = settings
        self._environ = environ
        self._lock = lock
        self._progress = progress
        self._children: dict[str, Child] = {}
        self._kafka: LocalKafka | None = None
        (settings.data_dir / "logs").mkdir(exist_ok=True)

    async def start(self, page: Callable[[str], None]) -> None:
        """Start all, and return when each has what it needs; `page` is told the sandbox's address, as early as can be.

        Raises SettingsError, in one sentence, where a part cannot start.
        """
        self._start("sandbox")
        page(await self._sandbox_page())
        self._kafka = await asyncio.to_thread(self._start_kafka)
        self._progress("Creating the topics.")
        await topics.apply(self._settings)
        self._progress("Starting the workers.")
        self._start("web")
        self._start("worker")
        await self._until(lambda: (self._settings.data_dir / "web.json").exists(), "web")
        await self._until(lambda: len(self.health()) == len(STAGES), "worker")

    def health(self) -> dict[str, str]:
        """Where each stage of the worker says how it is, as `host:port`."""
        found = {}
        for path in (self._settings.data_dir / "workers").glob("*/*.metrics"):
            found[path.stem] = path.read_text(encoding="ascii").strip()
        return {stage: found[stage] for stage in STAGES if found.get(stage)}

    @property
    def sandbox(self) -> str:
        """The sandbox's address, without a slash at its end."""
        page: str = msgspec.json.decode((self._settings.data_dir / "sandbox.json").read_bytes())["page"]
        return page.rstrip("/")

    def check(self) -> None:
        """Return where all parts run. Raises PartEndedError for one that does not."""
        for name, child in self._children.items():
            status = child.poll()
            if status is not None:
                raise PartEndedError(_why(name, status, child.log))

    async def stop(self) -> None:
        """Stop all parts in order: those that use Kafka, then Kafka."""
        for child in self._children.values():
            child.ask()
        for child in self._children.values():
            await asyncio.to_thread(child.stop)
        if self._kafka is not None:
            await asyncio.to_thread(self._kafka.stop)

    def _start_kafka(self) -> LocalKafka:
        return LocalKafka(self._settings.data_dir, self._progress, fresh=True)

    def _start(self, name: str) -> None:
        command = [sys.executable, "-c", "from services.cli import main; main()", name]
        log = self._settings.data_dir / "logs" / f"{name}.log"
        self._children[name] = Child(command, log, self._environ, hold=(self._lock,))

    async def _sandbox_page(self) -> str:
        await self._until(lambda: (self._settings.data_dir / "sandbox.json").exists(), "sandbox")
        return self.sandbox + "/"

    async def _until(self, ready: Callable[[], bool], name: str) -> None:
        try:
            async with asyncio.timeout(_START):
                while not ready():
                    self.check()
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            log = self._children[name].log
            raise PartEndedError(f"The {name} did not start within {_START:.0f} seconds; its log is {log}.") from None


def _why(name: str, status: int, log: Path) -> str:
    """Why a part ended: its own sentence where it left one, else where its log is."""
    said = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    for line in reversed(said[-20:]):
        if line.startswith("ttn: "):
            return f"The {name} could not start: {line.removeprefix('ttn: ')}"
    return f"The {name} ended with status {status}; its log is {log}."


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
