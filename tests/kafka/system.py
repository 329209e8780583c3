"""The product's own commands on one broker and one data dir, as a test starts, kills and looks at them."""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.runtime.process import STAGES
from services.sandbox import ledger
from services.settings import Settings
from streams import topics
from tests.kafka.rig import health, read, run, unread, wait_for
from tests.keys import secret_file

_TTN: Final = str(Path(sys.executable).with_name("ttn"))
_PARTITIONS: Final = 4


class System:
    """The commands of the product. Settings are those of a test: no holds, short deadlines, a fast provider."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **os.environ,
            "TTN_KAFKA": kafka,
            "TTN_PARTITIONS": str(_PARTITIONS),
            "TTN_DATA_DIR": str(folder),
            "TTN_SECRET_FILE": str(secret_file(folder)),
            "TTN_HOLDS": "off",
            "TTN_SEND_TIMEOUT": "2",
            "TTN_DOUBT_HOLD": "1",
            "TTN_SENDER_RATE": "10000",
        }
        self.settings = Settings.load(self.environ)

    def run(self, *arguments: str) -> None:
        """Run a command to its end."""
        subprocess.run([_TTN, *arguments], env=self.environ, check=True, stdout=subprocess.DEVNULL)

    def refused(self, *arguments: str) -> str:
        """The one sentence of a command that cannot run as it is set."""
        ended = subprocess.run([_TTN, *arguments], env=self.environ, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2, ended
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended.stderr.splitlines()[-1]

    def start(self, *arguments: str, failpoint: str = "") -> "subprocess.Popen[bytes]":
        """Start a command; its output goes to a file of its name."""
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            environ = {**self.environ, "TTN_FAILPOINT": failpoint}
            return subprocess.Popen([_TTN, *arguments], env=environ, stdout=log, stderr=log)

    @contextmanager
    def sandbox(self) -> Iterator[None]:
        """The sandbox, from when it runs to the end of the block."""
        process = self.start("sandbox")
        wait_for(lambda: (self.folder / "sandbox.json").exists(), "the sandbox runs")
        yield
        process.kill()
        process.wait()

    def restarts(self) -> int:
        """How often a supervisor has started a stage again."""
        log = self.folder / "worker.log"
        return log.read_text().count("stage ended, starting it again") if log.exists() else 0

    def wipe(self, worker: int = 1) -> None:
        """Take the disk of a worker away, once its stages have ended: they follow their supervisor a moment later."""
        wait_for(lambda: self.ended(worker), "the stages of the worker have ended")
        for name in ("stores", "keys"):
            shutil.rmtree(self.folder / "workers" / str(worker) / name, ignore_errors=True)

    def idle(self) -> bool:
        """Whether nothing is left and nothing due soon: by the word of every stage, and by what its group committed."""
        if not self._all_idle():
            return False
        ends = run(self._ends())
        return not run(self._unread()) and self._all_idle() and run(self._ends()) == ends

    async def _ends(self) -> dict[TopicPartition, int]:
        async with AIOKafkaConsumer(bootstrap_servers=self.settings.kafka) as consumer:
            inboxes = [TopicPartition(topics.inbox(s), n) for s in topics.KEYED_STAGES for n in range(_PARTITIONS)]
            ends: dict[TopicPartition, int] = await consumer.end_offsets(inboxes)
            return ends

    async def _unread(self) -> int:
        """Records that the stages have not committed, whether or not they know of them."""
        inboxes = [("intake", topic) for topic in topics.INPUTS]
        inboxes += [(stage, topics.inbox(stage)) for stage in topics.KEYED_STAGES]
        kafka = self.settings.kafka or ""
        left = (unread(kafka, f"ttn-{stage}", topic, _PARTITIONS) for stage, topic in inboxes)
        return sum(await asyncio.gather(*left))

    def ended(self, worker: int) -> bool:
        """Whether nobody holds the lock of a worker's folder, which its stages hold too."""
        with (self.folder / "workers" / f"{worker}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def _all_idle(self) -> bool:
        """Whether every stage of every worker runs, has nothing left and nothing due in the next seconds."""
        soon = datetime.now(UTC) + timedelta(seconds=15)
        workers = [lock.with_suffix("") for lock in (self.folder / "workers").glob("*.lock")]
        for stage in STAGES:
            owned = 0
            for worker in workers:
                said = _health(worker / f"{stage}.metrics")
                if said.get("state") != "running":
                    return False
                due = said.get("nextDue")
                if said.get("lag") != 0 or said["busy"] or said.get("openClaims"):
                    return False
                if due is not None and datetime.fromisoformat(due) < soon:
                    return False
                owned += len(said["assignment"])
            if owned != _PARTITIONS * (len(topics.INPUTS) if stage == "intake" else 1):
                return False
        return True

    def ledger(self) -> list[Any]:
        """What the sandbox took, by its own word."""
        return list(ledger.read(self.folder / ledger.LEDGER_FILE))

    def taken(self) -> list[str]:
        """The texts that the product says a provider took."""
        found = []
        for rows in run(read(self.settings.kafka or "", topics.NOTIFICATIONS)).values():
            for _, _, value, headers in rows:
                data = json.loads(value or b"")
                if dict(headers)["ce_type"].endswith(b".accepted") and data["channel"] == "sms":
                    found.append(data["notificationId"])
        return found


def _health(address: Path) -> dict[str, Any]:
    try:
        return health(address.read_text())
    except OSError:
        return {}
