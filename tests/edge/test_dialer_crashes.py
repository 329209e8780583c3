"""The dialer's process ended or suspended at each named point; the provider's ledger is the judge.

What matters to the stage: before the write nothing was taken; after it the message was taken once, and a process that
comes to life again past the deadline writes nothing.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from services.sandbox import ledger
from services.sandbox.server import SandboxServer
from services.settings import Settings

POINTS = [
    ("before-dial", 0, False),
    ("after-connect", 0, False),
    ("after-last-byte", 1, False),
    ("after-response", 1, False),
    ("before-result", 1, False),
    ("after-result", 1, True),
]


async def _start(folder: Path, channel: str, failpoint: str, seconds: float) -> asyncio.subprocess.Process:
    environ = {
        **os.environ,
        "TTN_DATA_DIR": str(folder),
        "TTN_SEND_TIMEOUT": "2",
        "TTN_SENDER_RATE": "1000",
        "TTN_FAILPOINT": failpoint,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.edge.dial_one",
        channel,
        str(seconds),
        env=environ,
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )


async def _said(process: asyncio.subprocess.Process) -> list[str]:
    assert process.stdout is not None
    out = await asyncio.wait_for(process.stdout.read(), 30)
    await process.wait()
    return [line for line in out.decode().splitlines() if line.split()[0] in ("accepted", "not-sent", "doubt")]


def _taken(settings: Settings) -> int:
    return len(list(ledger.read(settings.data_dir / ledger.LEDGER_FILE)))


async def _takes(settings: Settings, count: int) -> None:
    """Return once the provider has taken so many messages, and fail where it takes more."""
    async with asyncio.timeout(20):
        while _taken(settings) < count:  # noqa: ASYNC110 - the ledger is a file
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert _taken(settings) == count


@pytest.mark.parametrize("channel", ["sms", "email"])
@pytest.mark.parametrize(("point", "taken", "told"), POINTS)
async def test_killed_at_each_point_it_leaves_at_most_one_message_and_no_false_result(
    sandbox: SandboxServer, settings: Settings, channel: str, point: str, taken: int, told: bool
) -> None:
    process = await _start(settings.data_dir, channel, f"{point}:kill", 20)
    said = await _said(process)
    assert process.returncode == -signal.SIGKILL
    assert bool(said) == told
    await _takes(settings, taken)


@pytest.mark.parametrize("channel", ["sms", "email"])
async def test_suspended_with_a_connection_at_hand_past_its_deadline_it_writes_nothing(
    sandbox: SandboxServer, settings: Settings, channel: str
) -> None:
    process = await _start(settings.data_dir, channel, "after-connect:stop", 9)
    async with asyncio.timeout(30):
        while _state(process.pid) != "T":  # noqa: ASYNC110 - the kernel says so in a file
            await asyncio.sleep(0.05)
    await asyncio.sleep(7.5)  # an answer takes 2 s
    process.send_signal(signal.SIGCONT)
    assert await _said(process) == ["not-sent too-late"]
    assert _taken(settings) == 0


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
