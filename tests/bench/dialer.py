"""How fast one process dials: texts through the real Twilio client to a sandbox in a process of its own, ledger synced.

`python -m tests.bench.dialer [--messages N] [--connections N]`. Design 6 asks for 1,000 messages a second.
"""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.internal import AddressesMessage, Claim, Dialled, Text
from services import logs
from services.children import Child
from services.clock import WallClock
from services.dialer import Dialer, Lease
from services.failpoints import Failpoints
from services.sandbox import ledger
from services.settings import Settings
from tests.bench.rows import Row, machine_load

_START = 30.0
_CONNECTIONS = 48


def _claim(number: int) -> Claim:
    now = datetime.now(UTC)
    return Claim(
        claimId=f"n{number}:1",
        token=f"a{'b' * 20}-{number:032d}",
        key="a" + "b" * 20,
        notificationId=f"n{number}",
        channel="sms",
        to=f"+1312555{number % 10_000:04d}",
        message=Text(body=f"TSA PreCheck: message {number}. Reply STOP to end.", segments=1, encoding="GSM-7"),
        validity=3600,
        at=now,
        deadline=now + timedelta(seconds=20),
        kind="APPROVED",
        language="en",
        program="PRECHECK",
    )


async def measure(settings: Settings, messages: int, connections: int) -> dict[str, float]:
    """Dial so many messages; the figures by name."""
    began: dict[str, float] = {}
    took: list[float] = []

    async def report(_: str, message: AddressesMessage) -> None:
        assert isinstance(message, Dialled)
        assert message.result == "accepted", message
        took.append(time.perf_counter() - began.pop(message.claimId))

    dialer = Dialer(settings, WallClock(), report, failpoints=Failpoints(), connections=connections)
    await dialer.start()
    start, cpu = time.perf_counter(), time.process_time()
    for number in range(messages):
        while dialer.open >= 2 * connections:  # noqa: ASYNC110 - claims come as fast as results, not all at once
            await asyncio.sleep(0)
        claim = _claim(number)
        began[claim.claimId] = time.perf_counter()
        dialer.submit(claim, Lease.of(claim, lambda: True))
    while dialer.open:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    seconds, used = time.perf_counter() - start, time.process_time() - cpu
    await dialer.stop()
    took.sort()
    return {
        "messages/s": messages / seconds,
        "CPU us/message": used / messages * 1e6,
        "p50 ms": took[len(took) // 2] * 1e3,
        "p95 ms": took[int(len(took) * 0.95)] * 1e3,
        "p99 ms": took[int(len(took) * 0.99)] * 1e3,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def run(messages: int, connections: int) -> dict[str, float]:
    """Start a sandbox, dial, and hold its ledger against what was dialled; the figures by name."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"TTN_DATA_DIR": folder, "TTN_SENDER_RATE": "100000"}
        start = [sys.executable, "-c", "from services.cli import main; main()", "sandbox", "--no-receipts"]
        sandbox = Child(start, Path(folder) / "log", {**os.environ, **environ})
        try:
            place = Path(folder) / "sandbox.json"
            until = time.monotonic() + _START
            while not place.exists():
                if sandbox.poll() is not None or time.monotonic() > until:
                    raise SystemExit("The sandbox did not start.")
                time.sleep(0.05)
            logs.configure("bench", level=40)
            figures = asyncio.run(measure(Settings.load(environ), messages, connections))
            taken = [entry.token for entry in ledger.read(Path(folder) / ledger.LEDGER_FILE)]
            assert len(taken) == len(set(taken)) == messages, "the ledger does not hold each message once"
        finally:
            sandbox.stop()
    return figures


def row(messages: int, connections: int = _CONNECTIONS) -> Row:
    """As a line of the table; latency is from a claim to its reported result."""
    figures = run(messages, connections)
    return Row(
        events_per_s=round(figures["messages/s"]),
        cpu_us_per_event=round(figures["CPU us/message"], 1),
        p50_ms=round(figures["p50 ms"], 1),
        p95_ms=round(figures["p95 ms"], 1),
        p99_ms=round(figures["p99 ms"], 1),
        peak_mb=round(figures["peak MB"]),
        more={"messages": messages, "connections": connections, "load": machine_load()},
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print one line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dialer", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=_CONNECTIONS)
    chosen = parser.parse_args(arguments)
    for name, figure in run(chosen.messages, chosen.connections).items():
        print(f"dialer  {name:<16} {figure:10.1f}")


if __name__ == "__main__":
    main()
