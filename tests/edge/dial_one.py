"""A process that dials one claim and says on its standard output what came of it; for tests that kill it."""

import asyncio
import os
import sys
import time
from datetime import UTC, datetime

from schemas.internal import AddressesMessage, Dialled
from services.clock import WallClock
from services.dialer import Dialer, Lease
from services.settings import Settings
from tests.edge.conftest import mail, text


async def main(channel: str, seconds: float) -> None:
    async def report(_: str, message: AddressesMessage) -> None:
        assert isinstance(message, Dialled)
        print(message.result, message.code, flush=True)

    dialer = Dialer(Settings.load(dict(os.environ)), WallClock(), report)
    await dialer.start()
    make = text if channel == "sms" else mail
    dialer.submit(make(seconds=seconds, at=datetime.now(UTC)), Lease(lambda: True, time.monotonic() + seconds))
    while dialer.open:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await dialer.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
