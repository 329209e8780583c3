"""Our client and our sandbox against Twilio's public description, with Prism (Stoplight) between them as referee.

The description is Twilio's own, reduced to Messages and made strict: the fields that this product always sends are
required, unknown ones are refused. Prism refuses a wrong request with 422 and turns a wrong answer into a 500.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from services.attempt import Answer, Attempt
from services.failpoints import Failpoints
from services.sandbox import faults
from services.sandbox.server import SandboxServer
from services.settings import Settings
from services.twilio import Twilio
from tests.edge.conftest import NUMBER
from tests.npm import installed

_CHECKOUT = Path(__file__).parents[2]
_PACKAGES = Path(__file__).parent / "node"
_VARIABLE = "TTN_TWILIO_DESCRIPTION"
GOOD = {
    "To": NUMBER,
    "Body": "Hello",
    "MessagingServiceSid": "MG" + "5c" * 16,
    "ValidityPeriod": "3600",
    "StatusCallback": "https://notify.example.com/twilio/status/x",
}


@pytest.fixture(scope="session")
def description() -> Path:
    found = Path(os.environ.get(_VARIABLE) or _CHECKOUT.parent / "shared" / "data" / "twilio-messages.openapi.json")
    if not found.is_file():
        pytest.skip(f"Twilio's description of Messages is not here; {_VARIABLE} may say where it is.")
    return found


@pytest.fixture(scope="session")
def prism_program() -> Path:
    return installed(_PACKAGES, "prism") / "@stoplight" / "prism-cli" / "dist" / "index.js"


@pytest.fixture
async def referee(description: Path, prism_program: Path, sandbox: SandboxServer) -> AsyncIterator[str]:
    """Prism in front of the sandbox."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        "node",
        str(prism_program),
        "proxy",
        "--errors",
        "--host=127.0.0.1",
        f"--port={port}",
        "--verboseLevel=silent",
        str(description),
        sandbox.addresses.twilio,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    assert process.returncode is None
                    await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _create(twilio: Twilio, body: str = "Hello") -> Answer:
    return await twilio.create(
        Attempt(lambda: None, Failpoints()),
        to=NUMBER,
        body=body,
        validity=3600,
        callback=f"https://notify.example.com/twilio/status/{'a' * 54}#rc=5&rp=all",
        within=10,
    )


async def test_the_real_client_and_the_sandbox_keep_to_twilios_description(
    referee: str, sandbox: SandboxServer, settings: Settings
) -> None:
    twilio = Twilio(settings.twilio, referee, 10)
    began = datetime.now(UTC)
    try:
        answer = await _create(twilio)
        assert answer.result == "accepted"
        assert answer.providerId is not None
        for number in range(3):
            assert (await _create(twilio, f"Text {number}: ¡señal! 你好")).result == "accepted"
        window = {"since": began - timedelta(seconds=5), "until": began + timedelta(seconds=60)}
        found = await twilio.find(to=NUMBER, body="Hello", **window)
        assert [message.sid for message in found] == [answer.providerId]
        assert (await twilio.fetch(answer.providerId)).status == "accepted"
        sms = sandbox.world.phones.find(answer.providerId)
        assert sms is not None
        sms.advance("undelivered", datetime.now(UTC), 30005)
        assert (await twilio.fetch(answer.providerId)).code == "30005"
        await twilio.redact(answer.providerId)
        assert sms.redacted
        for code in ("reject:21614", "429", "500-before"):
            sandbox.world.faults.add(faults.parse(code, times=1))
            assert (await _create(twilio)).code in ("21614", "20429", "20500")
    finally:
        await twilio.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"To": "312-555-0100"},
        {"To": None},
        {"Body": "x" * 1601},
        {"Body": None},
        {"ValidityPeriod": "36001"},
        {"ValidityPeriod": "soon"},
        {"StatusCallback": "not a url"},
        {"StatusCallback": None},
        {"MessagingServiceSid": "MG1"},
        {"Bodyy": "a slip"},
    ],
)
async def test_the_referee_refuses_a_wrong_call(
    referee: str, sandbox: SandboxServer, settings: Settings, wrong: dict[str, str | None]
) -> None:
    form = {name: value for name, value in (GOOD | wrong).items() if value is not None}
    url = f"{referee}/2010-04-01/Accounts/{settings.twilio.account_sid}/Messages.json"
    headers = {"Authorization": aiohttp.encode_basic_auth(settings.twilio.api_key, settings.twilio.api_secret)}
    async with aiohttp.ClientSession() as session, session.post(url, data=form, headers=headers) as response:
        assert response.status == 422
    assert len(sandbox.world.phones) == 0
