"""The delivery half of the product as real processes on a real Kafka, with the sandbox's fsynced ledger as the judge.

Sends go into the inbox of the addresses stage as travelers would write them; what came of them is read from the
notifications topic, and what the provider really took from the ledger.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.internal import Facts, Send
from services import topics, wire
from services.sandbox import ledger
from services.sealing import Keys
from services.settings import Settings
from streams.events import FINAL
from streams.identity import Identity
from streams.topics import NOTIFICATIONS

PARTITIONS: Final = 2
DOUBT_HOLD: Final = 4
_ATTEMPTS: Final = 8
BUGS: Final = {
    "retries what timed out": (
        "from services import attempt as a;"
        " a.Attempt.broken = lambda self: a.Answer(result='not-sent', code='connect', trouble=True)"
    ),
    "believes an empty list at once": (
        "from services import settings as s; from msgspec.structs import replace; p = s.Settings.policy;"
        " s.Settings.policy = lambda self: replace(p(self), doubt_hold=0.0)"
    ),
}
"""What must turn the judge red, as statements that are run in the worker before it starts."""

_PREFIX: Final = "gov.dhs.ttp.notification."


class Fate(msgspec.Struct):
    """What became of one message: how often the provider took it, and the steps that were published."""

    taken: int = 0
    steps: list[str] = []
    reasons: list[str] = []
    seconds: float = 0.0

    @property
    def endings(self) -> list[str]:
        """The final steps; there must be exactly one."""
        return [step for step in self.steps if step in FINAL]


class Assembly:
    """Sandbox, web and addresses worker on one broker. Call `start`, `send`, `fates`, `stop`."""

    def __init__(self, kafka: str, folder: Path, keys: Path) -> None:
        self._folder = folder
        self.environ = {
            "TTN_KAFKA": kafka,
            "TTN_DATA_DIR": str(folder),
            "TTN_SECRET_FILE": str(keys),
            "TTN_PARTITIONS": str(PARTITIONS),
            "TTN_WEB_LISTEN": "127.0.0.1:0",
            "TTN_HOLDS": "off",
            "TTN_SEND_TIMEOUT": "1",
            "TTN_DOUBT_HOLD": str(DOUBT_HOLD),
            "TTN_RECEIPT_POLL": "3",
            "TTN_SENDER_RATE": "40",
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._run = uuid.uuid4().hex[:8]
        self._plain: subprocess.Popen[bytes] | None = None
        self._area = 201
        self._sent: dict[str, tuple[datetime, str]] = {}

    @property
    def settings(self) -> Settings:
        """The settings of the processes."""
        return Settings.load(self.environ)

    def start(self) -> None:
        """Topics, sandbox, web; the worker is started apart."""
        self._folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(topics.apply(self.settings))
        web = self._launch("web")
        url = msgspec.json.decode(self._appear("web.json", web))["url"]
        # The provider calls the port that the web found for itself, so the web starts again to know its own name.
        self.end(web)
        host_port = url.removeprefix("http://")
        self.environ |= {"TTN_WEB_LISTEN": host_port, "TTN_PUBLIC_URL": url}
        self._appear("web.json", self._launch("web"))
        self._page = msgspec.json.decode(self._appear("sandbox.json", self._launch("sandbox")))["page"]

    def fault(self, name: str, times: int | None = None, to: str = "") -> None:
        """Let something go wrong for the next so many messages, or for all; for one address, or for any."""
        name, _, detail = name.partition(":")
        self._press("faults", {"name": name, "detail": detail, "times": "" if times is None else str(times), "to": to})

    def address(self, number: int, channel: str = "sms") -> str:
        """Where the message of this number goes."""
        return f"+1{self._area}555{number:04d}" if channel == "sms" else f"{self._run}-{number}@example.com"

    def _press(self, button: str, form: dict[str, str]) -> None:
        data = urllib.parse.urlencode(form).encode()
        urllib.request.urlopen(self._page + button, data, timeout=10).close()  # noqa: S310 - our own sandbox

    def worker(self, failpoint: str | None = None, bug: str | None = None) -> "subprocess.Popen[bytes]":
        """The addresses stage with its dialer, under a lasting name so that it is back at once after a kill.

        A worker that runs and has nothing special is kept. `bug` is one of BUGS.
        """
        if self._plain is not None and self._plain.poll() is None:
            if failpoint is None and bug is None:
                return self._plain
            self.end(self._plain)
        place = self._folder / "worker"
        place.mkdir(exist_ok=True)
        (place / "addresses.metrics").unlink(missing_ok=True)
        start = (
            "import pathlib; from services.runtime.process import main;"
            f" {BUGS[bug] if bug else 'pass'}; main('addresses', pathlib.Path({str(place)!r}), 'w')"
        )
        environ = os.environ | self.environ | ({"TTN_FAILPOINT": failpoint} if failpoint else {})
        process = subprocess.Popen(
            [sys.executable, "-c", start],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._log(),
        )
        self._processes.append(process)
        self._plain = process if failpoint is None and bug is None else None
        self._ready(process, place / "addresses.metrics")
        return process

    def _ready(self, process: "subprocess.Popen[bytes]", address: Path) -> None:
        until = time.monotonic() + 60
        while True:
            assert process.poll() is None, self._tail()
            assert time.monotonic() < until, self._tail()
            with suppress(OSError):
                urllib.request.urlopen(f"http://{address.read_text()}/healthz", timeout=5).close()
                return
            time.sleep(0.1)

    def begin(self) -> None:
        """Forget the messages sent so far, and all faults."""
        self._run = uuid.uuid4().hex[:8]
        self._area += 1
        self._sent.clear()
        self._press("faults/clear", {})

    def send(self, count: int, channel: str = "sms") -> None:
        """Put so many messages into the stage's inbox, each to an address of its own."""
        asyncio.run(self._send(count, channel))

    async def _send(self, count: int, channel: str) -> None:
        keys = Keys.load(self.settings)
        identity = Identity(keys.hmac)
        producer = AIOKafkaProducer(bootstrap_servers=self.environ["TTN_KAFKA"], acks="all", enable_idempotence=True)
        await producer.start()
        try:
            for number in range(count):
                now = datetime.now(UTC)
                to = self.address(number, channel)
                send = approved(f"{self._run}-{channel}-{number}", channel, to, now)
                self._sent[send.notificationId] = (now, send.to)
                record = wire.to_stage(keys, PARTITIONS, "addresses", identity.address(channel, to), send, now)
                await producer.send_and_wait(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    partition=record.partition,
                    headers=list(record.headers),
                )
        finally:
            await producer.stop()

    def fates(self, seconds: float = 120) -> dict[str, Fate]:
        """What became of each message, once all have ended. Fails after a while, saying which have not."""
        fates = asyncio.run(self._follow(seconds))
        # A second message would come late: the provider's answer to the first may still be on its way.
        time.sleep(1.5)
        identity = Identity(Keys.load(self.settings).hmac)
        # Tokens of earlier runs are in the ledger too.
        tokens = {identity.token(f"{name}:{n}"): name for name in self._sent for n in range(1, _ATTEMPTS)}
        taken = Counter(
            tokens.get(str(entry.token).rpartition("-")[2]) for entry in ledger.read(self._folder / ledger.LEDGER_FILE)
        )
        for name, fate in fates.items():
            fate.taken = taken[name]
        return fates

    async def _follow(self, seconds: float) -> dict[str, Fate]:
        fates = {name: Fate() for name in self._sent}
        consumer = AIOKafkaConsumer(
            NOTIFICATIONS,
            bootstrap_servers=self.environ["TTN_KAFKA"],
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            group_id=None,
        )
        await consumer.start()
        until = time.monotonic() + seconds
        try:
            while open_ := [name for name, fate in fates.items() if not fate.endings]:
                assert time.monotonic() < until, {name: fates[name].steps for name in open_[:5]}
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        self._take(fates, record)
        finally:
            await consumer.stop()
        return fates

    def _take(self, fates: dict[str, Fate], record: Any) -> None:
        data = msgspec.json.decode(record.value)
        fate = fates.get(data["notificationId"])
        if fate is None:
            return
        headers = dict(record.headers)
        fate.steps.append(headers["ce_type"].decode().removeprefix(_PREFIX))
        if data.get("reason"):
            fate.reasons.append(data["reason"])
        fate.seconds = (datetime.now(UTC) - self._sent[data["notificationId"]][0]).total_seconds()

    def letters(self) -> int:
        """How many different mails this run's readers see."""
        with urllib.request.urlopen(self._page + "messages.json", timeout=10) as answer:  # noqa: S310 - as above
            letters = msgspec.json.decode(answer.read())["letters"]
        ids = {(letter["to"], letter["id"]) for letter in letters if self._run in letter["to"]}
        return len(ids)

    def unsent(self) -> int:
        """Segments that the worker believes to wait at the provider."""
        address = (self._folder / "worker" / "addresses.metrics").read_text()
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=10) as answer:
            return int(msgspec.json.decode(answer.read())["dialer"]["unsent"])

    def stop(self) -> None:
        """End all that was started."""
        for process in self._processes:
            self.end(process)

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        """End one process in order."""
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def _launch(self, *command: str) -> "subprocess.Popen[bytes]":
        start = "from services.cli import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", start, *command],
            env=os.environ | self.environ,
            stdout=subprocess.DEVNULL,
            stderr=self._log(),
        )
        self._processes.append(process)
        return process

    def _tail(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8")[-2000:]

    def _log(self) -> Any:
        return (self._folder / "log").open("ab")

    def _appear(self, name: str, process: "subprocess.Popen[bytes]") -> bytes:
        until = time.monotonic() + 60
        path = self._folder / name
        while not path.exists():
            assert process.poll() is None, self._tail()
            assert time.monotonic() < until, f"{name} did not appear"
            time.sleep(0.05)
        return path.read_bytes()


def approved(name: str, channel: Any, to: str, now: datetime) -> Send:
    """News of an approval that may leave now."""
    return Send(
        notificationId=name,
        travelerId="t-" + name,
        kind="APPROVED",
        fact="2031-01-14",
        channel=channel,
        to=to,
        record="PRECHECK:" + name,
        recordId=name,
        program="PRECHECK",
        applicationId="A-1",
        causeId="c-" + name,
        facts=Facts(program="PRECHECK", dates={"validTo": date(2031, 1, 14), "on": date(2026, 1, 15)}),
        languageServed="en",
        occurredAt=now,
        plannedAt=now,
        releaseAt=now,
        notAfter=now + timedelta(hours=2),
        zones=("America/Chicago",),
        exempt=True,
    )
