"""A real headless Chromium, driven over a web socket of its DevTools protocol."""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

BINARY = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = "no Chromium here: on Debian, `apt-get install chromium` brings it"

_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync")


class Tab:
    """One page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._count = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        self._count += 1
        await self._socket.send_json({"id": self._count, "method": method, "params": parameters})
        async with asyncio.timeout(20):
            while True:
                message = json.loads((await self._socket.receive()).data)
                if message.get("id") == self._count:
                    assert "error" not in message, message
                    return dict(message["result"])

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def open(self, url: str) -> None:
        """Load a page."""
        await self.call("Page.navigate", url=url)
        await self.wait_for("document.readyState == 'complete' && location.href != 'about:blank'")

    async def wait_for(self, condition: str, seconds: float = 15) -> None:
        """Return when a JavaScript condition holds on the page."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await self.run(f"Boolean({condition})"):
            assert asyncio.get_running_loop().time() < deadline, f"never came true: {condition}"
            await asyncio.sleep(0.05)

    async def screenshot(self) -> bytes:
        """What it looks like, as PNG."""
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])


@asynccontextmanager
async def chromium(folder: Path, *, scripts: bool = True, width: int = 1400, height: int = 1400) -> AsyncIterator[Tab]:
    """A tab of a fresh browser. `scripts` False: as for a person without JavaScript."""
    if BINARY is None:
        pytest.skip(MISSING)
    process = await asyncio.create_subprocess_exec(
        BINARY,
        *_FLAGS,
        f"--window-size={width},{height}",
        f"--user-data-dir={folder}",
        "--remote-debugging-port=0",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = folder / "DevToolsActivePort"
        async with asyncio.timeout(30):
            while not port.exists() or len(port.read_text().splitlines()) < 2:  # noqa: ASYNC110 - Chromium writes it
                await asyncio.sleep(0.05)
        base = f"http://127.0.0.1:{port.read_text().splitlines()[0]}"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/json/list") as answer:
                target = next(tab for tab in await answer.json() if tab["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                await tab.call("Page.enable")
                if not scripts:
                    await tab.call("Emulation.setScriptExecutionDisabled", value=True)
                yield tab
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


class Chromium:
    """The same tab for tests that are not asynchronous; `close` ends the browser."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._context = chromium(folder)
        self._tab = self._loop.run_until_complete(self._context.__aenter__())

    def visit(self, url: str) -> None:
        """Load a page."""
        self._loop.run_until_complete(self._tab.open(url))

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        return self._loop.run_until_complete(self._tab.run(script))

    def screen(self, width: int, height: int) -> None:
        """The size of the window, in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._loop.run_until_complete(self._tab.call("Emulation.setDeviceMetricsOverride", **size))

    def picture(self, path: Path) -> None:
        """Keep what it looks like, as PNG."""
        path.write_bytes(self._loop.run_until_complete(self._tab.screenshot()))

    def close(self) -> None:
        """End the browser."""
        self._loop.run_until_complete(self._context.__aexit__(None, None, None))
        self._loop.close()
