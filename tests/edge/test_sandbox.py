"""The stand-in for Twilio: refuses as Twilio does, reports as Twilio does, on the product's clock."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner

from services import clock, endpoints
from services.sandbox import command, faults, ledger
from services.sandbox.callbacks import Caller as WebhookCaller
from services.sandbox.server import SandboxServer
from services.settings import Settings
from tests.edge.conftest import NUMBER, Rig, text

GOOD = {
    "To": NUMBER,
    "Body": "Hello",
    "MessagingServiceSid": "MG" + "5c" * 16,
    "ValidityPeriod": "3600",
    "StatusCallback": "http://127.0.0.1:9/twilio/status/x",
}


class Caller:
    def __init__(self, sandbox: SandboxServer, session: aiohttp.ClientSession) -> None:
        account = sandbox.world.settings.twilio.account_sid
        self.base = f"{sandbox.addresses.twilio}/2010-04-01/Accounts/{account}/Messages"
        self.session = session
        self.headers = {"Authorization": _basic("SK" + "5b" * 16, "sandbox-api-secret")}

    async def __call__(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        headers = more.pop("headers", self.headers)
        async with self.session.request(method, self.base + path, headers=headers, **more) as response:
            body = await response.text()
            return response.status, json.loads(body) if body else None


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
async def call(sandbox: SandboxServer) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(sandbox, session)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "312-555-0100"}, 21211),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"MessagingServiceSid": ""}, 21703),
        ({"StatusCallback": "not a url"}, 21609),
        ({"StatusCallback": "https://my_host.example.com/x"}, 21609),
        ({"ValidityPeriod": "0"}, 21601),
        ({"ValidityPeriod": "36001"}, 21601),
    ],
)
async def test_a_wrong_create_is_refused_with_twilios_code(call: Caller, changes: dict[str, str], code: int) -> None:
    status, body = await call("POST", ".json", data=GOOD | changes)
    assert (status, body["code"], body["status"]) == (400, code, 400)


async def test_wrong_credentials_are_20003_and_an_unknown_account_or_sid_20404(call: Caller) -> None:
    status, body = await call("POST", ".json", data=GOOD, headers={"Authorization": _basic("SK1", "wrong")})
    assert (status, body["code"]) == (401, 20003)
    assert (await call("GET", f"/SM{'0' * 32}.json"))[1]["code"] == 20404


async def test_a_message_service_hides_sender_and_segments_until_it_is_sent(call: Caller) -> None:
    status, body = await call("POST", ".json", data=GOOD)
    assert status == 201
    assert (body["status"], body["from"], body["num_segments"], body["date_sent"]) == ("accepted", None, "0", None)
    assert body["direction"] == "outbound-api"


async def test_pages_of_the_list_hold_everything_once_newest_first(call: Caller) -> None:
    for number in range(5):
        await call("POST", ".json", data=GOOD | {"Body": f"Text {number}"})
    seen: list[str] = []
    uri = f".json?To=%2B{NUMBER[1:]}&PageSize=2"
    for _ in range(4):
        _, page = await call("GET", uri)
        seen += [message["body"] for message in page["messages"]]
        if page["next_page_uri"] is None:
            break
        uri = page["next_page_uri"].partition("Messages")[2]
    assert seen == [f"Text {number}" for number in (4, 3, 2, 1, 0)]
    assert page["next_page_uri"] is None


async def test_a_text_is_redacted_only_when_it_is_over(settings: Settings) -> None:
    server = SandboxServer(settings)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            call = Caller(server, session)
            _, message = await call("POST", ".json", data=GOOD)
            path = f"/{message['sid']}.json"
            assert (await call("POST", path, data={"Body": ""}))[0] == 400
            sms = server.world.phones.find(message["sid"])
            assert sms is not None
            sms.advance("delivered", datetime.now(UTC))
            assert (await call("POST", path, data={"Body": ""}))[1]["body"] == ""
            assert (await call("DELETE", path))[0] == 204
            assert (await call("GET", path))[0] == 404
    finally:
        await server.stop()


async def test_a_provider_that_manages_stop_blocks_and_says_so(settings: Settings) -> None:
    server = SandboxServer(settings, manages_stop=True)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            call = Caller(server, session)
            await call("POST", ".json", data=GOOD)
            server.world.reply(NUMBER, " stop ")
            assert (await call("POST", ".json", data=GOOD))[1]["code"] == 21610
            server.world.reply(NUMBER, "START")
            assert (await call("POST", ".json", data=GOOD))[0] == 201
    finally:
        await server.stop()


class Hook:
    """What the product would hear."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.fail = 0

    async def serve(self) -> tuple[aiohttp.web.AppRunner, str]:
        from aiohttp import web

        async def hear(request: web.Request) -> web.Response:
            if self.fail:
                self.fail -= 1
                return web.Response(status=503)
            self.forms.append({name: str(value) for name, value in (await request.post()).items()})
            return web.Response(status=204)

        app = web.Application()
        app.router.add_post("/{path:.*}", hear)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.fixture
async def stepped(settings: Settings) -> AsyncIterator[tuple[Rig, Hook, clock.SteppedClock]]:
    """A sandbox on a clock that stands still until it is moved."""
    steps = clock.stepped(settings.data_dir)
    steps.move(datetime(2027, 1, 1, tzinfo=UTC))
    hook = Hook()
    runner, url = await hook.serve()
    settings = msgspec.structs.replace(settings, clock="stepped", public_url=url)
    server = SandboxServer(settings)
    await server.start()
    rig = Rig(settings, server)
    yield rig, hook, steps
    await server.stop()
    await runner.cleanup()


async def _create(rig: Rig) -> str:
    async with aiohttp.ClientSession() as session:
        form = GOOD | {"StatusCallback": f"{rig.settings.public_url}/twilio/status/t#rc=5&rp=all"}
        _, message = await Caller(rig.sandbox, session)("POST", ".json", data=form)
    return str(message["sid"])


async def _said(hook: Hook, count: int) -> list[str]:
    async with asyncio.timeout(10):
        while len(hook.forms) < count:  # noqa: ASYNC110 - the sandbox calls when it calls
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    return [form["MessageStatus"] for form in hook.forms]


async def test_receipts_come_when_the_clock_is_moved_to_them_and_not_before(
    stepped: tuple[Rig, Hook, clock.SteppedClock],
) -> None:
    rig, hook, steps = stepped
    await _create(rig)
    await asyncio.sleep(0.2)
    assert hook.forms == []
    timetable = rig.sandbox.world.timetable
    assert timetable.next == datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC)
    steps.move(timetable.next)
    assert await _said(hook, 1) == ["sent"]
    assert timetable.next == datetime(2027, 1, 1, 0, 0, 3, tzinfo=UTC)
    steps.move(timetable.next)
    assert await _said(hook, 2) == ["sent", "delivered"]
    assert timetable.next is None
    assert hook.forms[1]["RawDlrDoneDate"] == "2701010000"


@pytest.mark.parametrize(
    ("fault", "seconds", "expected"),
    [
        ("undelivered:30005", 10, ["sent", "undelivered"]),
        ("lost", 1000, []),
        ("late:600", 500, []),
        ("late:600", 700, ["sent", "delivered"]),
        ("doubled", 10, ["sent", "delivered", "delivered", "sent"]),
    ],
)
async def test_faults_of_receipts(
    stepped: tuple[Rig, Hook, clock.SteppedClock], fault: str, seconds: int, expected: list[str]
) -> None:
    rig, hook, steps = stepped
    rig.sandbox.world.faults.add(faults.parse(fault))
    await _create(rig)
    for second in range(1, min(seconds, 20)):
        steps.move(datetime(2027, 1, 1, tzinfo=UTC) + timedelta(seconds=second))
        await asyncio.sleep(0.02)
    steps.move(datetime(2027, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
    assert sorted(await _said(hook, len(expected))) == sorted(expected)
    if fault.startswith("undelivered"):
        assert [form["ErrorCode"] for form in hook.forms if form["MessageStatus"] == "undelivered"] == ["30005"]


async def test_a_callback_is_tried_again_as_its_fragment_says(stepped: tuple[Rig, Hook, clock.SteppedClock]) -> None:
    rig, hook, steps = stepped
    hook.fail = 2
    await _create(rig)
    steps.move(datetime(2027, 1, 1, 0, 0, 2, tzinfo=UTC))
    assert await _said(hook, 1) == ["sent"]


async def test_the_process_says_where_it_is_and_takes_that_back_when_it_ends(tmp_path: Path) -> None:
    environ = {**os.environ, "TTN_DATA_DIR": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from services.cli import main; main()",
        "sandbox",
        "--fault",
        f"{NUMBER}=reject:21614*1",
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    settings = Settings.load({"TTN_DATA_DIR": str(tmp_path), "TTN_SENDER_RATE": "1000"})
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        assert line.startswith("Phones and inboxes: http://127.0.0.1:")
        place = endpoints.sandbox(settings)
        rig = Rig(settings, None)  # type: ignore[arg-type]
        await rig.start()
        assert (await rig.dialled(text())).code == "21614"
        accepted = await rig.dialled(text())
        await rig.dialer.stop()
        assert [entry.id for entry in ledger.read(tmp_path / ledger.LEDGER_FILE)] == [accepted.providerId]
        assert place.page in line
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
    assert process.returncode == 0
    assert not (tmp_path / "sandbox.json").exists()


def test_a_wrong_fault_on_the_command_line_is_one_sentence() -> None:
    for wrong in ("nonsense", "late", "drop:5", "late:soon", "drop*often"):
        result = CliRunner().invoke(command, ["--fault", wrong])
        assert result.exit_code == 2
        assert "Traceback" not in result.output
    assert "undelivered" in CliRunner().invoke(command, ["--faults"]).output


async def _webhooks(answers: list[bytes], posts: int) -> tuple[list[bool], int]:
    """What posting so often came to at a server that answers so, in turn, and how many connections it took."""
    connections = 0
    left = iter(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.decode().lower().partition("content-length: ")[2].partition("\r\n")[0])
                await reader.readexactly(length)
                answer = next(left, b"")
                writer.write(answer)
                if not answer or b"close" in answer:
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/twilio/status/x#rc=1&rp=all"
    caller = WebhookCaller(Settings.load({}).twilio)
    done = [await caller.post(url, {"MessageSid": "SM1", "To": NUMBER}) for _ in range(posts)]
    await caller.close()
    server.close()
    return done, connections


_204 = b"HTTP/1.1 204 No Content\r\n\r\n"
_XML = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<r/>\n"


async def test_webhooks_share_a_connection_as_long_as_its_answers_have_a_certain_end() -> None:
    assert await _webhooks([_204, _XML, _204], 3) == ([True, True, True], 1)
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert await _webhooks([endless, closing, _204], 3) == ([True, True, True], 3)


async def test_a_webhook_that_fails_is_tried_again_as_its_url_says() -> None:
    failing = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    assert (await _webhooks([failing, _204], 1))[0] == [True]
    assert (await _webhooks([b"nonsense\r\n\r\n", _204], 1))[0] == [True]
    assert (await _webhooks([b"", _204], 1))[0] == [True]
    assert (await _webhooks([failing, failing, _204], 1))[0] == [False]
