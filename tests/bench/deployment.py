"""The product's own processes at work on one broker: what the jobs with the real stages start, ask and stop."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from services import topics
from services.children import Child
from services.runtime.process import STAGES
from services.settings import Settings
from tests.bench.load import PARTITIONS, Process
from tests.keys import secret_file

_ROOT: Final = Path(__file__).parents[2]
_TTN: Final = str(Path(sys.executable).with_name("ttn"))
_SOON: Final = timedelta(seconds=15)


class Deployment:
    """A data dir with keys on one broker, and the settings of all processes in it."""

    def __init__(self, kafka: str, folder: Path, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.environ = {
            **os.environ,
            "TTN_KAFKA": kafka,
            "TTN_PARTITIONS": str(PARTITIONS),
            "TTN_DATA_DIR": str(folder),
            "TTN_SECRET_FILE": str(secret_file(folder)),
            "TTN_METRICS_LISTEN": "127.0.0.1:0",
            "TTN_SENDER_RATE": "100000",
            **settings,
        }
        self.settings = Settings.load(self.environ)
        asyncio.run(topics.apply(self.settings))

    def run(self, *arguments: str) -> None:
        """One command, to its end."""
        subprocess.run([_TTN, *arguments], env=self.environ, check=True, stdout=subprocess.DEVNULL)

    def output(self, *arguments: str) -> bytes:
        """What one command prints."""
        return subprocess.run([_TTN, *arguments], env=self.environ, check=True, stdout=subprocess.PIPE).stdout

    def wipe(self) -> None:
        """Take the worker's stores away, as the loss of its disk would."""
        for kept in ("stores", "keys"):
            shutil.rmtree(self.folder / "workers" / "1" / kept)

    def sandbox(self) -> Child:
        """A sandbox that reports no receipts: nobody listens for them here."""
        child = Child([_TTN, "sandbox", "--no-receipts"], self.folder / "sandbox.log", self.environ)
        until(lambda: (self.folder / "sandbox.json").exists(), "the sandbox runs", 60)
        return child

    def stage(self, name: str) -> "Stage":
        """One stage in a process of its own, not yet at work."""
        place = self.folder / "bench"
        place.mkdir(exist_ok=True)
        (place / f"{name}.metrics").unlink(missing_ok=True)
        with (place / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "services.worker", "--child", name, str(place), "--session", "6"]
            process = subprocess.Popen(
                [*command, "--instance", f"bench-{name}"],
                cwd=_ROOT, env=self.environ, stdin=subprocess.PIPE, stdout=log, stderr=log,
            )  # fmt: skip
        return Stage(process, place / f"{name}.metrics")

    def worker(self) -> "Worker":
        """All stages under their supervisor, as in production."""
        return Worker(self)


class Answering:
    """A stage that answers at the address in a file."""

    def __init__(self, address: Path) -> None:
        self._address = address

    def get(self, path: str) -> str:
        """What it answers; empty while it does not."""
        try:
            with urllib.request.urlopen(f"http://{self._address.read_text()}{path}", timeout=60) as answer:
                text: str = answer.read().decode()
                return text
        except (OSError, ValueError):
            return ""

    def health(self) -> dict[str, Any]:
        """What `/healthz` says; empty while it recovers."""
        said: dict[str, Any] = json.loads(self.get("/healthz") or "{}")
        return said

    def events(self) -> int:
        """Records handled so far."""
        for line in self.get("/metrics").splitlines():
            if line.startswith("ttn_events_total{"):
                return int(float(line.split()[1]))
        return 0

    def running(self) -> bool:
        """Whether its partitions are its own and restored."""
        return self.health().get("state") == "running"

    def idle(self) -> bool:
        """Whether nothing is left to do now or in the next seconds."""
        said = self.health()
        if said.get("state") != "running" or said.get("lag") != 0 or said.get("busy") or said.get("openClaims"):
            return False
        due = said.get("nextDue")
        return due is None or datetime.fromisoformat(due) > datetime.now(UTC) + _SOON


class Stage(Answering):
    """A stage's process at work."""

    def __init__(self, process: "subprocess.Popen[bytes]", address: Path) -> None:
        super().__init__(address)
        self._process = process
        self.seen = Process(process.pid)

    def start(self) -> None:
        """Return once it runs."""
        until(self.running, "the stage runs", 120, self.must_run)

    def must_run(self) -> None:
        """Raises where it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"a stage ended with {self._process.returncode}; its log is beside {self._address}")

    def stop(self) -> None:
        """End it in order."""
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


class Worker:
    """`ttn worker` with all its stages."""

    def __init__(self, deployment: Deployment) -> None:
        place = deployment.folder / "workers" / "1"
        for stage in STAGES:
            (place / f"{stage}.metrics").unlink(missing_ok=True)
        self._child = Child([_TTN, "worker", "--session", "6"], deployment.folder / "worker.log", deployment.environ)
        self.stages = {stage: Answering(place / f"{stage}.metrics") for stage in STAGES}
        try:
            until(lambda: all(stage.running() for stage in self.stages.values()), "all stages run", 600, self.must_run)
        except BaseException:
            self._child.stop()
            raise

    def processes(self) -> dict[str, Process]:
        """What is seen of each stage's process, by name."""
        return {found.argument("--child"): found for found in Process(self._child.pid).children()}

    def idle(self) -> bool:
        """Whether all stages are, in two looks: what one sends after the first, the second finds."""
        return all(stage.idle() for _ in range(2) for stage in self.stages.values())

    def settle(self, seconds: float, say: Callable[[str], None] = lambda _: None) -> None:
        """Return once all are idle. Raises TimeoutError after a while."""
        until(self.idle, "all stages are idle", seconds, self.must_run, lambda: say(self._said()))

    def must_run(self) -> None:
        """Raises where it has ended."""
        if self._child.poll() is not None:
            raise RuntimeError(f"the worker ended; its log is {self._child.log}")

    def stop(self) -> None:
        """End it in order."""
        self._child.stop()

    def _said(self) -> str:
        return "events handled: " + ", ".join(f"{name} {stage.events():,}" for name, stage in self.stages.items())


def until(
    true: Callable[[], bool],
    what: str,
    seconds: float,
    check: Callable[[], None] = lambda: None,
    every_ten: Callable[[], None] = lambda: None,
) -> None:
    """Wait for it; `every_ten` is called every ten seconds. Raises TimeoutError after a while."""
    started = said = time.monotonic()
    while not true():
        check()
        now = time.monotonic()
        if now - started > seconds:
            raise TimeoutError(f"waited {seconds:.0f} s in vain until {what}")
        if now - said > 10:
            said = now
            every_ten()
        time.sleep(0.05)
