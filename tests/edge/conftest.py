"""A sandbox on loopback and a dialer that talks to it, for each test its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from schemas.internal import AddressesMessage, Claim, Dialled, Mail, Text
from services.clock import WallClock
from services.dialer import Dialer, Lease
from services.failpoints import Failpoints
from services.sandbox import ledger
from services.sandbox.server import SandboxServer
from services.settings import Settings
from streams.grammar import Command

KEY = "a" + "b" * 20
NUMBER = "+13125550100"
MAILBOX = "rosa@example.com"
_claims = count(1)


def claim_of(
    message: Text | Mail,
    to: str,
    *,
    seconds: float = 20,
    lane: int = 2,
    at: datetime | None = None,
    notification: str | None = None,
) -> Claim:
    number = next(_claims)
    moment = at or datetime.now(UTC)
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    token = "".join(letters[number // 32**place % 32] for place in range(32))
    return Claim(
        claimId=f"n{number}:1",
        token=f"{KEY}-{token}",
        key=KEY,
        notificationId=notification or f"n{number}",
        channel="sms" if isinstance(message, Text) else "email",
        to=to,
        message=message,
        validity=3600,
        at=moment,
        deadline=moment + timedelta(seconds=seconds),
        kind="APPROVED",
        language="en",
        program="PRECHECK",
        lane=lane,
    )


def text(body: str = "TSA PreCheck: approved. Reply STOP to end.", to: str = NUMBER, **more: object) -> Claim:
    return claim_of(Text(body=body, segments=1, encoding="GSM-7"), to, **more)  # type: ignore[arg-type]


def mail(to: str = MAILBOX, subject: str = "Approved", **more: object) -> Claim:
    headers = {
        "From": "DHS Trusted Traveler <notices@example.com>",
        "To": to,
        "Subject": subject,
        "Date": "Wed, 25 Nov 2026 03:00:00 +0000",
        "Message-ID": "<n1@example.com>",
        "Auto-Submitted": "auto-generated",
        "Content-Language": "es",
    }
    body = Mail(
        subject=subject,
        text="Aprobado: señal\n.\nfin\n",
        html="<html lang='es'><p>Aprobado</p></html>",
        headers=headers,
    )
    return claim_of(body, to, **more)  # type: ignore[arg-type]


class Rig:
    """A sandbox, a dialer, and what the dialer reported."""

    def __init__(self, settings: Settings, sandbox: SandboxServer) -> None:
        self.settings = settings
        self.sandbox = sandbox
        self.reports: list[tuple[str, AddressesMessage]] = []
        self.held = True
        self.surprises: list[BaseException] = []
        self.used_today = 0
        self.dialer: Dialer

    async def start(self, failpoints: Failpoints | None = None) -> None:
        self.dialer = Dialer(
            self.settings,
            WallClock(),
            self._report,
            failpoints=failpoints or Failpoints(),
            surprise=self.surprises.append,
            tally=self._tally,
        )
        await self.dialer.start()

    async def _tally(self, settings: Settings, since: datetime) -> int:
        assert since <= datetime.now(UTC)
        return self.used_today

    async def _report(self, key: str, message: AddressesMessage) -> None:
        self.reports.append((key, message))

    def submit(self, command: Command, seconds: float = 20) -> None:
        self.dialer.submit(command, Lease(lambda: self.held, time.monotonic() + seconds))

    async def settle(self, within: float = 20) -> list[AddressesMessage]:
        async with asyncio.timeout(within):
            while self.dialer.open:  # noqa: ASYNC110 - what a stepped clock sees is this number
                await asyncio.sleep(0.005)
        assert self.surprises == []
        return [message for _, message in self.reports]

    async def dial(self, command: Command, seconds: float = 20) -> AddressesMessage:
        before = len(self.reports)
        self.submit(command, seconds)
        await self.settle()
        assert len(self.reports) == before + 1
        return self.reports[-1][1]

    async def dialled(self, command: Claim, seconds: float = 20) -> Dialled:
        message = await self.dial(command, seconds)
        assert isinstance(message, Dialled)
        return message

    async def takes(self, count: int) -> None:
        """Return once the provider has taken so many messages, and fail where it takes more."""
        async with asyncio.timeout(20):
            while len(self.taken) < count:  # noqa: ASYNC110 - the ledger is a file
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert len(self.taken) == count

    @property
    def taken(self) -> list[ledger.Entry]:
        return list(ledger.read(self.settings.data_dir / ledger.LEDGER_FILE))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        {
            "TTN_DATA_DIR": str(tmp_path),
            "TTN_SEND_TIMEOUT": "2",
            "TTN_SENDER_RATE": "10000",
            "TTN_PUBLIC_URL": "http://127.0.0.1:9",
            "TTN_PARTITIONS": "4",
        }
    )


@pytest.fixture
async def sandbox(settings: Settings) -> AsyncIterator[SandboxServer]:
    server = SandboxServer(settings, receipts=False)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def rig(settings: Settings, sandbox: SandboxServer) -> AsyncIterator[Rig]:
    rig = Rig(settings, sandbox)
    await rig.start()
    yield rig
    await rig.dialer.stop()


@pytest.fixture
def fault(sandbox: SandboxServer) -> Callable[..., None]:
    from services.sandbox import faults

    def add(name: str, to: str | None = None, times: int | None = None) -> None:
        sandbox.world.faults.add(faults.parse(name, to, times))

    return add
